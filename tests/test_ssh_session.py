"""Commands over SSH, on real OpenSSH hosts."""

import contextlib
import hashlib
import os
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from demo.fleet import Fleet
from deploy_tasks import ssh
from deploy_tasks.errors import HostFailed, LinkLost
from deploy_tasks.ssh import channel as channels
from deploy_tasks.ssh import session
from tests.fleet_fixtures import target_of
from tests.strangers import Relay
from tests.waiting import until

pytestmark = pytest.mark.ssh


@pytest.fixture
def link(littered_fleet: Fleet) -> Iterator[ssh.Session]:
    with contextlib.closing(
        ssh.connect(target_of(littered_fleet, littered_fleet.hosts[0]))
    ) as link:
        yield link


class TestACommand:
    def test_runs_in_the_home_of_its_host(self, littered_fleet: Fleet) -> None:
        for host in littered_fleet.hosts[:2]:
            with contextlib.closing(ssh.connect(target_of(littered_fleet, host))) as link:
                answer = link.run('pwd; echo "$HOME"', timeout=10)
            assert answer.stdout.decode().split() == [str(host.home)] * 2

    def test_gives_its_output_its_errors_and_its_exit_status(self, link: ssh.Session) -> None:
        result = link.run("cat; echo oops >&2; exit 3", stdin=b"hello\0\xff", timeout=10)
        assert result == ssh.Result(3, b"hello\0\xff", b"oops\n")

    def test_that_a_signal_ended_has_no_exit_status(self, link: ssh.Session) -> None:
        assert link.run("kill -9 $$", timeout=10).exit_status is None

    def test_may_print_more_than_fits_on_both_streams(self, link: ssh.Session) -> None:
        script = "head -c 3000000 /dev/zero >&2; echo last >&2; head -c 3000000 /dev/zero"
        result = link.run(script, timeout=20)
        assert len(result.stdout) == 3_000_000
        assert result.stderr.endswith(b"last\n")
        assert len(result.stderr) == channels.STDERR_KEPT

    def test_may_print_while_it_is_fed(self, link: ssh.Session) -> None:
        data = os.urandom(4_000_000)
        assert link.run("cat", stdin=data, timeout=20).stdout == data

    def test_that_takes_long_is_told_so_where_its_input_is_held_open(
        self, link: ssh.Session, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        assert link.run("read -r _ && echo told", timeout=10, hold=True).stdout == b"told\n"
        monkeypatch.setattr(session, "TAKES_LONG", 20.0)
        with pytest.raises(TimeoutError, match="did not end within 1 s"):
            link.run("read -r _ && echo told", timeout=1, hold=True)

    def test_that_prints_without_end_is_given_up(
        self, link: ssh.Session, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(session, "OUTPUT_LIMIT", 1_000_000)
        with pytest.raises(HostFailed, match="more than 1000000 bytes"):
            link.run("yes", timeout=20)

    def test_that_does_not_end_is_given_up_in_time(self, link: ssh.Session) -> None:
        started = time.monotonic()
        with pytest.raises(TimeoutError, match=r"did not end within 0.3 s"):
            link.run("sleep 60", timeout=0.3)
        assert time.monotonic() - started < 2

    def test_may_run_beside_another_on_one_connection(self, link: ssh.Session) -> None:
        waiting, quick = link.open("read line; echo $line"), link.open("echo quick")
        assert quick.read(10) == b"quick\n"
        waiting.write(b"slow\n", timeout=10)
        assert waiting.read(10) == b"slow\n"


class TestAChannel:
    def test_tells_silence_from_the_end(self, link: ssh.Session) -> None:
        channel = link.open("read line; echo got $line")
        assert channel.read(0.05) is None
        channel.write(b"it\n", timeout=10)
        assert channel.read(10) == b"got it\n"
        assert channel.read(10) == b""
        assert channel.exit_status(10) == 0

    def test_sees_the_end_of_its_input(self, link: ssh.Session) -> None:
        channel = link.open("cat; echo over")
        channel.close_stdin()
        assert channel.read(10) == b"over\n"

    def test_drops_what_was_not_read_before_it_asks_for_the_exit_status(
        self, link: ssh.Session
    ) -> None:
        assert link.open("head -c 8000000 /dev/zero; exit 4").exit_status(20) == 4

    def test_gives_up_waiting_for_an_exit_status(self, link: ssh.Session) -> None:
        with pytest.raises(TimeoutError):
            link.open("sleep 60").exit_status(0.2)

    def test_gives_stderr_without_waiting(self, link: ssh.Session) -> None:
        channel = link.open("echo oops >&2; exec sleep 60")
        assert until(channel.read_stderr, "stderr has come") == b"oops\n"
        assert channel.read_stderr() == b""

    def test_drops_input_of_a_command_that_is_over(self, link: ssh.Session) -> None:
        channel = link.open("exit 7")
        until(lambda: channel.ended, "the command is over")
        channel.write(b"too late", timeout=10)
        assert channel.exit_status(10) == 7

    def test_gives_up_writing_to_a_command_that_does_not_read(self, link: ssh.Session) -> None:
        channel = link.open("sleep 60")
        with pytest.raises(TimeoutError, match="took no input"):
            channel.write(bytes(8_000_000), timeout=0.5)

    def test_that_nobody_reads_holds_a_bounded_amount(self, littered_fleet: Fleet) -> None:
        host = littered_fleet.hosts[1]
        script = "i=0; while head -c 65536 /dev/zero; do i=$((i+1)); echo $i > sent; done"
        with contextlib.closing(ssh.connect(target_of(littered_fleet, host))) as link:
            channel = link.open(script)
            assert channel.read(10)
            until(_Standstill(host.home / "sent"), "the command can print no more")
            held = len(channel._raw.in_buffer)
            assert held <= channels.WINDOW
            assert channel.read(10)

    def test_takes_no_input_once_that_was_closed(self, link: ssh.Session) -> None:
        channel = link.open("cat; sleep 60")
        channel.close_stdin()
        channel.write(b"too late", timeout=10)
        assert channel.read(0.1) is None

    def test_that_is_being_read_can_be_woken_by_another_thread(self, link: ssh.Session) -> None:
        channel = link.open("sleep 60")
        waker = threading.Timer(0.2, channel.wake)
        waker.start()
        started = time.monotonic()
        assert channel.read(30) is None
        assert time.monotonic() - started < 10
        waker.join()
        assert channel.read(0.1) is None

    def test_may_be_read_until_there_is_something_on_stderr(self, link: ssh.Session) -> None:
        channel = link.open("echo oops >&2; sleep 60")
        assert channel.read(30, or_stderr=True) is None
        assert channel.read_stderr() == b"oops\n"

    def test_learns_of_a_cut_link_at_once(self, own_fleet: Fleet) -> None:
        with contextlib.closing(ssh.connect(target_of(own_fleet, own_fleet.hosts[0]))) as link:
            channel = link.open("echo here; exec sleep 60")
            assert channel.read(10) == b"here\n"
            cut = threading.Timer(0.2, own_fleet.cut)
            cut.start()
            started = time.monotonic()
            with pytest.raises(LinkLost, match="connection lost"):
                channel.read(30)
            assert time.monotonic() - started < 5
            assert not link.is_alive
            with pytest.raises(LinkLost):
                channel.write(b"x", timeout=10)
            with pytest.raises(LinkLost):
                channel.exit_status(10)
            with pytest.raises(LinkLost):
                link.run("true", timeout=10)
            cut.join()

    def test_learns_of_a_link_that_takes_nothing_more_while_it_reads(
        self, link: ssh.Session
    ) -> None:
        channel = link.open("head -c 1000000 /dev/zero; sleep 60")
        until(lambda: len(channel._raw.in_buffer) > 100_000, "much is there to be read")
        assert link._wire._socket
        link._wire._socket.shutdown(socket.SHUT_WR)

        def read_all() -> None:
            # To read is to tell the host, sooner or later, that there is room again.
            while channel.read(10):
                pass

        with pytest.raises(LinkLost):
            read_all()

    def test_learns_that_its_host_has_frozen(
        self, littered_fleet: Fleet, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(session, "PING_AFTER", 0.2)
        monkeypatch.setattr(session, "ANSWER_WITHIN", 0.3)
        host = littered_fleet.hosts[0]
        with Relay(host.address, host.port) as relay:
            target = target_of(littered_fleet, host, address=relay.address, port=relay.port)
            with contextlib.closing(ssh.connect(target)) as link:
                channel = link.open("sleep 60")
                # Silent, but alive: it answers every time.
                assert channel.read(1.0) is None
                relay.swallows.set()
                with pytest.raises(LinkLost, match="no sign of life"):
                    channel.read(30)
                assert not link.is_alive

    def test_does_not_take_a_long_rest_between_two_readings_for_death(
        self, link: ssh.Session, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        channel = link.open("sleep 60")
        assert channel.read(0.1) is None
        monkeypatch.setattr(session, "PING_AFTER", 0.01)
        monkeypatch.setattr(session, "ANSWER_WITHIN", 5.0)
        link._wire.heard_at -= 3600
        assert channel.read(0.3) is None


class TestLongInput:
    def test_comes_whole(self, link: ssh.Session) -> None:
        data = os.urandom(1_000_000)
        result = link.run("sha256sum", stdin=data, timeout=20)
        assert result.stdout.split()[0].decode() == hashlib.sha256(data).hexdigest()

    def test_ends_with_a_command_that_fails_half_way(self, link: ssh.Session) -> None:
        command = "head -c 100000 >/dev/null; echo disk full >&2; exit 9"
        result = link.run(command, stdin=bytes(50_000_000), timeout=20)
        assert (result.exit_status, result.stderr) == (9, b"disk full\n")

    def test_is_given_up_when_nothing_moves(self, link: ssh.Session) -> None:
        with pytest.raises(TimeoutError):
            link.run("sleep 60", stdin=bytes(9_000_000), timeout=0.3)

    def test_survives_new_keys_in_the_middle(self, tmp_path: Path) -> None:
        data = os.urandom(4_000_000)
        with (
            Fleet(tmp_path / "fleet", 1, config="RekeyLimit 1M\n") as fleet,
            contextlib.closing(ssh.connect(target_of(fleet, fleet.hosts[0]))) as link,
        ):
            assert link.run("cat", stdin=data, timeout=30).stdout == data


class _Standstill:
    """True once a file has kept its content for half a second."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._content, self._since = "", time.monotonic()

    def __call__(self) -> bool:
        content = self._path.read_text() if self._path.exists() else ""
        if content != self._content or not content:
            self._content, self._since = content, time.monotonic()
        return time.monotonic() - self._since > 0.5
