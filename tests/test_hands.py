import threading
from collections.abc import Callable, Generator, Iterator

import pytest

from deploy_tasks import hands
from deploy_tasks.hands import Hands
from tests.waiting import until


class Bell:
    """What a coroutine awaits here: it goes on when a test says so."""

    def __init__(self) -> None:
        self.go_on: Callable[[], None] | None = None

    def __await__(self) -> Generator["Bell", None, None]:
        yield self

    def then(self, go_on: Callable[[], None]) -> None:
        self.go_on = go_on

    def ring(self) -> None:
        until(lambda: self.go_on is not None, "somebody waits")
        go_on, self.go_on = self.go_on, None
        assert go_on
        go_on()


class AtOnce(Bell):
    def then(self, go_on: Callable[[], None]) -> None:
        go_on()


@pytest.fixture
def prepared() -> list[str]:
    return []


@pytest.fixture
def crew(monkeypatch: pytest.MonkeyPatch, prepared: list[str]) -> Iterator[Hands]:
    monkeypatch.setattr(hands, "IDLE", 0.05)
    crew = Hands(name="crew", begin=lambda: prepared.append(threading.current_thread().name))
    yield crew
    assert crew.close(within=10)
    until(lambda: not threads(), "its threads end")


def threads() -> list[threading.Thread]:
    return [one for one in threading.enumerate() if one.name == "crew"]


def test_who_waits_has_no_thread_and_goes_on_where_it_was(crew: Hands, prepared: list[str]) -> None:
    bells = [Bell() for _ in range(20)]
    done: list[int] = []

    async def work(number: int) -> None:
        here = number
        await bells[number]
        await AtOnce()
        done.append(here)

    for number in range(20):
        crew.take(work(number))
    until(lambda: all(bell.go_on for bell in bells), "all wait")
    until(lambda: not threads(), "and have no thread")
    for bell in bells:
        bell.ring()
    until(lambda: sorted(done) == list(range(20)), "all have gone on")
    assert set(prepared) == {"crew"}


def test_one_thread_does_what_comes_one_after_the_other(
    crew: Hands, monkeypatch: pytest.MonkeyPatch, prepared: list[str]
) -> None:
    monkeypatch.setattr(hands, "IDLE", 10)
    done: list[int] = []

    async def work(number: int) -> None:
        done.append(number)

    for number in range(5):
        crew.take(work(number))
        until(lambda: len(crew._idle) == 1, "it is free again")
    assert done == list(range(5))
    assert len(prepared) == 1


def test_those_that_block_do_not_hold_each_other_up(crew: Hands) -> None:
    together = threading.Barrier(10)

    async def work() -> None:
        together.wait(10)

    for _ in range(10):
        crew.take(work())
    assert crew.close(within=10)
    assert not together.broken


def test_a_mistake_ends_what_made_it_and_nothing_else(
    crew: Hands, caplog: pytest.LogCaptureFixture
) -> None:
    done = threading.Event()

    async def broken() -> None:
        raise ZeroDivisionError

    async def work() -> None:
        done.set()

    crew.take(broken())
    crew.take(work())
    assert done.wait(10)
    assert crew.close(within=10)
    assert "ZeroDivisionError" in caplog.text


def test_who_finds_no_thread_waits_for_one_that_is_free(
    crew: Hands, monkeypatch: pytest.MonkeyPatch
) -> None:
    go, done = threading.Event(), threading.Event()

    def refuse(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    async def busy() -> None:
        go.wait(10)

    async def work() -> None:
        done.set()

    crew.take(busy())
    monkeypatch.setattr(threading.Thread, "start", refuse)
    crew.take(work())
    assert not done.is_set()
    go.set()
    assert done.wait(10)


def test_closing_waits_no_longer_than_it_was_told_to(crew: Hands) -> None:
    bell = Bell()

    async def work() -> None:
        await bell

    crew.take(work())
    assert not crew.close(within=0.01)
    bell.ring()
    assert crew.close(within=10)
