"""Connections whose thread is given back, with real OpenSSH hosts."""

import contextlib
import hashlib
import inspect
import os
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import paramiko
import pytest

from demo.fleet import Fleet
from deploy_tasks import hands, ssh
from deploy_tasks.errors import LinkLost
from deploy_tasks.ssh import silence, transport
from deploy_tasks.ssh.session import open_forward
from tests.fleet_fixtures import target_of
from tests.waiting import until

pytestmark = pytest.mark.ssh


def test_paramiko_reads_as_it_did_when_ours_was_written() -> None:
    """After an update: compare `Transport._read_on` with its ``run``, then write the new sum."""
    text = inspect.getsource(paramiko.Transport.run)
    assert hashlib.sha256(text.encode()).hexdigest()[:16] == "d658434778e57b94"


@pytest.fixture(autouse=True)
def _threads_that_do_not_linger(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hands, "IDLE", 0.01)
    monkeypatch.setattr(silence, "LINGER", 0.05)


@pytest.fixture
def link(littered_fleet: Fleet) -> Iterator[ssh.Session]:
    with contextlib.closing(
        ssh.connect(target_of(littered_fleet, littered_fleet.hosts[0]))
    ) as link:
        yield link


def descriptors_of(link: ssh.Session) -> int:
    inner = link._wire._link
    assert isinstance(inner, socket.socket)
    return inner.fileno()


def threads() -> list[str]:
    """Those that read connections."""
    mine = (one for one in threading.enumerate() if isinstance(one, paramiko.Transport))
    return [*map(repr, mine), *(one.name for one in threading.enumerate() if one.name == "ssh")]


def silent(*links: ssh.Session) -> Callable[[], bool]:
    return lambda: not any(one._transport.is_alive() for one in links) and not threads()


def test_a_silent_host_has_no_thread_and_is_heard_all_the_same(link: ssh.Session) -> None:
    channel = link.open("read word; echo $word; read word; echo $word >&2; cat")
    for number in range(3):
        until(silent(link), "its thread is given back")
        channel.write(b"hello\n", timeout=10)
        heard = channel.read_stderr if number == 1 else lambda: channel.read(0.1)
        until(lambda heard=heard: heard() == b"hello\n", "it answers")  # type: ignore[misc]
    channel.close_stdin()
    assert channel.read(10) == b""
    assert channel.exit_status(10) == 0


def test_a_socket_is_not_asked_first_whether_it_can_be_read(link: ssh.Session) -> None:
    """As Python does with a time limit of its own, at twice the price."""
    inner = link._wire._link
    assert isinstance(inner, socket.socket)
    assert inner.gettimeout() is None


def test_many_silent_hosts_have_no_thread_either(littered_fleet: Fleet) -> None:
    with contextlib.ExitStack() as ending:
        links = [ssh.connect(target_of(littered_fleet, littered_fleet.hosts[0])) for _ in range(10)]
        for one in links:
            ending.callback(one.close)
        channels = [one.open("cat") for one in links]
        until(silent(*links), "no thread is left")
        for channel in channels:
            channel.write(b"x", timeout=10)
        assert [channel.read(10) for channel in channels] == [b"x"] * 10


def test_new_commands_may_run_after_a_silence(link: ssh.Session) -> None:
    for _ in range(2):
        assert link.run("echo here", timeout=10).stdout == b"here\n"
        until(silent(link), "its thread is given back")
    data = os.urandom(2_000_000)
    assert link.run("cat", stdin=data, timeout=20).stdout == data


def test_a_cut_is_noticed_in_a_silence(own_fleet: Fleet) -> None:
    link = ssh.connect(target_of(own_fleet, own_fleet.hosts[0]))
    channel = link.open("sleep 60")
    until(silent(link), "its thread is given back")
    own_fleet.cut(own_fleet.hosts[0].group)
    with pytest.raises(LinkLost):
        channel.read(10)
    assert not link.is_alive
    until(lambda: descriptors_of(link) == -1, "its socket is closed")


def test_a_close_in_a_silence_ends_all(link: ssh.Session) -> None:
    channel = link.open("sleep 60")
    until(silent(link), "its thread is given back")
    link.close()
    assert channel.ended
    assert not link.is_alive
    until(lambda: descriptors_of(link) == -1, "its socket is closed")
    until(lambda: not threads(), "no thread is left")


def test_a_close_while_the_thread_is_given_back_ends_all(
    link: ssh.Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    given_back: list[object] = []
    monkeypatch.setattr(transport._readers, "take", given_back.append)
    link.open("sleep 60")
    until(lambda: given_back, "its thread is given back")
    link.close()
    monkeypatch.undo()
    transport._readers.take(given_back[0])
    until(lambda: descriptors_of(link) == -1, "its socket is closed")


def test_keys_are_made_anew_after_a_silence(tmp_path: Path) -> None:
    with Fleet(tmp_path, 1, config="RekeyLimit 100K\n") as fleet:
        link = ssh.connect(target_of(fleet, fleet.hosts[0]))
        with contextlib.closing(link):
            first = link._transport.session_id
            channel = link.open("cat")
            until(silent(link), "its thread is given back")
            data = os.urandom(1_000_000)
            channel.write(data, timeout=20)
            channel.close_stdin()
            heard = b""
            while piece := channel.read(10):
                heard += piece
            assert heard == data
            assert link._transport.session_id == first
            assert "rekey" in fleet.log(0).lower() or link.is_alive


def test_what_goes_through_a_jump_host_is_heard_after_a_silence(littered_fleet: Fleet) -> None:
    via, host = littered_fleet.hosts[:2]
    with contextlib.closing(ssh.connect(target_of(littered_fleet, via))) as gateway:
        raw = open_forward(gateway, via.name, host.address, host.port, 10)
        raw.settimeout(10)
        assert raw.recv(4) == b"SSH-"
        until(silent(gateway), "the thread of the jump host is given back")
        raw.send(b"nonsense\r\n")
        while raw.recv(4096):
            pass
