"""One thread waits for all hosts that say nothing."""

import contextlib
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from demo.fleet import Fleet
from deploy_tasks import hands, ssh
from deploy_tasks.hands import Hands, Work
from deploy_tasks.ssh import silence
from deploy_tasks.ssh.silence import News, OwnThread, Readable, Silence
from tests.fleet_fixtures import target_of
from tests.waiting import until

#: What a host answers here to each line, before it is told to say something.
WELL = b"well\n"
ANSWERS = "n=0; while read -r it; do n=$((n+1)); [ $n -lt 7 ] || echo told; echo well >&2; done"


class Turns:
    """Stands where work would go on: remembers by whom, and may break."""

    def __init__(self, *, broken: bool = False) -> None:
        self.here_taken: list[str] = []
        self.given: list[str] = []
        self._broken = broken

    def __call__(self) -> None:
        self.given.append(threading.current_thread().name)

    def here(self) -> None:
        self.here_taken.append(threading.current_thread().name)
        if self._broken:
            raise ZeroDivisionError


@pytest.fixture
def pairs() -> Iterator[list[tuple[socket.socket, socket.socket]]]:
    made = [socket.socketpair() for _ in range(3)]
    yield made
    for one in (end for pair in made for end in pair):
        one.close()


@pytest.fixture
def crew(monkeypatch: pytest.MonkeyPatch) -> Iterator[Hands]:
    monkeypatch.setattr(hands, "IDLE", 0.05)
    crew = Hands(name="crew", begin=lambda: None)
    yield crew
    assert crew.close(within=10)


def test_the_trouble_of_one_is_not_that_of_the_others(
    pairs: list[tuple[socket.socket, socket.socket]], caplog: pytest.LogCaptureFixture
) -> None:
    broken, well = Turns(broken=True), [Turns(), Turns()]
    for (ours, theirs), turn in zip(pairs, (well[0], broken, well[1]), strict=True):
        silence._watch.look_at(ours, turn)  # type: ignore[arg-type]
        theirs.send(b"x")
    until(lambda: all(turn.here_taken for turn in (broken, *well)), "each has had its turn")
    until(lambda: "a connection that nobody looks after" in caplog.text, "and we are told")
    news, late = News(), Turns()
    news.then(late, time.monotonic())  # type: ignore[arg-type]
    until(lambda: late.here_taken == ["silence"], "time goes on as well")


def test_who_waits_for_a_closed_socket_is_told_at_once(
    pairs: list[tuple[socket.socket, socket.socket]],
) -> None:
    link, turn = pairs[0][0], Turns()
    link.close()
    silence._watch.look_at(link, turn)  # type: ignore[arg-type]
    assert turn.given


def test_the_number_of_a_closed_socket_may_be_given_to_another(
    pairs: list[tuple[socket.socket, socket.socket]],
) -> None:
    (first, _), (second, far), _ = pairs
    stale, fresh = Turns(), Turns()
    silence._watch.look_at(first, stale)  # type: ignore[arg-type]
    number = first.detach()
    with contextlib.closing(socket.socket(fileno=number)) as closed:
        closed.close()
    again = socket.fromfd(second.fileno(), second.family, second.type)
    with contextlib.closing(again):
        assert again.fileno() == number
        silence._watch.look_at(again, fresh)  # type: ignore[arg-type]
        assert stale.given
        far.send(b"x")
        until(lambda: fresh.here_taken, "the new one is heard")


def test_each_goes_on_when_its_time_has_come(crew: Hands) -> None:
    came: list[float] = []
    began = time.monotonic()

    async def work(seconds: float) -> None:
        await Silence(News(), began + seconds)
        assert time.monotonic() >= began + seconds
        came.append(seconds)

    # Of those in one tick, and of a time that is over, the order is nobody's.
    times = [-1.0, 0.5, 0.0, 0.25, 0.5]
    for seconds in times:
        crew.take(work(seconds))
    until(lambda: len(came) == len(times), "all have gone on")
    assert came[2:] == [0.25, 0.5, 0.5]


def test_the_watch_carries_on_until_a_thread_is_wanted(
    crew: Hands, pairs: list[tuple[socket.socket, socket.socket]]
) -> None:
    by: list[str] = []
    ours, theirs = pairs[0]
    news = News()

    def note() -> None:
        by.append(threading.current_thread().name)

    async def work() -> None:
        await Readable(ours)
        note()
        await Silence(news, time.monotonic() + 0.01)
        note()
        await OwnThread()
        note()
        await Silence(news, time.monotonic() + 60)
        note()
        await OwnThread()  # it has one
        note()

    crew.take(work())
    theirs.send(b"x")
    until(lambda: len(by) == 3, "it waits for news")
    until(lambda: news._turn, "of its own")
    news.set()
    until(lambda: len(by) == 5, "which we bring")
    assert by == ["silence", "silence", "crew", "crew", "crew"]


GCM = "Ciphers aes128-gcm@openssh.com\n"
ETM = "Ciphers aes128-ctr\nMACs hmac-sha2-256-etm@openssh.com\n"
#: Hides how long a packet is: it takes a thread to read one that may not be whole.
HIDDEN = "Ciphers aes128-ctr\nMACs hmac-sha2-256\n"


@pytest.mark.ssh
@pytest.mark.parametrize(("config", "threads"), [(GCM, False), (ETM, False), (HIDDEN, True)])
def test_a_host_that_is_well_wakes_no_thread(
    crew: Hands, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, config: str, *, threads: bool
) -> None:
    """A thousand are asked fifty times a second: threads for that took a tenth of a core."""
    monkeypatch.setattr(silence, "LINGER", 0.05)
    asked: list[bytes] = []
    heard: list[bytes | None] = []
    began: list[Hands] = []
    go_on = Hands._go_on

    def begins(self: Hands, work: Work) -> None:
        began.append(self)
        go_on(self, work)

    def is_well(said: bytes) -> bool:
        asked.append(said)
        return said == WELL

    async def work(channel: ssh.Channel) -> None:
        heard.append(await channel.listen(0.1, ssh.Vigil(b"how is it?\n", 0.1, 60, is_well)))

    with Fleet(tmp_path, 1, config=config) as fleet:
        link = ssh.connect(target_of(fleet, fleet.hosts[0]))
        with contextlib.closing(link):
            crew.take(work(link.open(ANSWERS)))
            until(lambda: len(asked) >= 2, "it is asked")
            monkeypatch.setattr(Hands, "_go_on", begins)
            until(lambda: len(asked) >= 5, "again and again")
            assert bool(began) == threads
            until(lambda: heard, "it says something")
    assert heard == [b"told\n"]
    assert set(asked) == {WELL}
