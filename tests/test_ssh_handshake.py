"""Reaching a host, knowing that it is the right one, and all that can be there instead."""

import contextlib
import errno
import re
import socket
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import asyncssh
import pytest

from demo.fleet import Fleet
from deploy_tasks import ssh
from deploy_tasks.errors import ConnectFailed, LinkLost
from deploy_tasks.ssh import handshake, wire
from tests.fleet_fixtures import target_of
from tests.ssh_keys import make_key, public_of
from tests.strangers import Relay, Stranger, stalling_host
from tests.waiting import until
from webapp.env import BASE

pytestmark = pytest.mark.ssh

QUICK = ssh.Limits(connect=0.4, banner=0.4, kex=0.4, auth=0.4, channel=0.4)

SOME_KEY = asyncssh.generate_private_key("ssh-ed25519")
SOME_PRIVATE_KEY = SOME_KEY.export_private_key().decode()
SOME_ECDSA_KEY = (
    asyncssh.generate_private_key("ecdsa-sha2-nistp256").export_public_key().decode().strip()
)


@pytest.fixture
def at_sea() -> ssh.Target:
    """A target with everything but a place."""
    key = SOME_KEY.export_public_key().decode()
    return ssh.Target("eu-1", "127.0.0.1", 1, "game", (key,), SOME_PRIVATE_KEY)


class TestLoggingIn:
    def test_a_refused_key_is_tried_once_and_named(self, own_fleet: Fleet) -> None:
        target = target_of(own_fleet, own_fleet.hosts[0], private_key=SOME_PRIVATE_KEY)
        with pytest.raises(ConnectFailed) as failure:
            ssh.connect(target)
        key = ssh.fingerprint(ssh.public_half(SOME_PRIVATE_KEY))
        assert f"authentication refused for user {own_fleet.user} with the key {key}" in str(
            failure.value
        )
        assert not failure.value.retryable
        until(lambda: "[preauth]" in own_fleet.log(), "sshd has told of it")
        assert own_fleet.log().count("Connection closed by authenticating user") == 1

    def test_a_host_that_wants_more_than_a_key_is_named(self, tmp_path: Path) -> None:
        config = "AuthenticationMethods publickey,password\nPasswordAuthentication yes\n"
        with Fleet(tmp_path / "fleet", 1, config=config) as fleet:
            refused = _refusal(target_of(fleet, fleet.hosts[0]))
        assert "the host wants: password" in str(refused)
        assert not refused.retryable

    def test_a_changed_host_key_stops_us_before_the_log_in(self, own_fleet: Fleet) -> None:
        host, other = own_fleet.hosts
        refused = _refusal(target_of(own_fleet, host, host_keys=(other.host_key,)))
        pinned, shown = ssh.fingerprint(other.host_key), ssh.fingerprint(host.host_key)
        assert str(refused) == f"host key changed: pinned {pinned} but the host shows {shown}"
        assert not refused.retryable
        until(lambda: "Connection closed by" in own_fleet.log(), "sshd has told of it")
        assert "authenticating" not in own_fleet.log()

    def test_a_host_without_a_key_of_the_pinned_type_has_changed(self, fleet: Fleet) -> None:
        refused = _refusal(target_of(fleet, fleet.hosts[0], host_keys=(SOME_ECDSA_KEY,)))
        assert "but the host shows no key of type ecdsa-sha2-nistp256" in str(refused)
        assert not refused.retryable

    def test_nothing_is_sent_to_a_host_without_a_pinned_key(self, at_sea: ssh.Target) -> None:
        with Stranger(_say_nothing) as stranger:
            refused = _refusal(replace(at_sea, port=stranger.port, host_keys=()))
        assert str(refused) == "no host key is pinned; approve its fingerprint first"
        assert not refused.retryable
        assert stranger.met == 0

    def test_one_of_several_pinned_keys_is_enough(self, own_fleet: Fleet) -> None:
        host, other = own_fleet.hosts
        keys = (SOME_ECDSA_KEY, other.host_key, host.host_key)
        ssh.connect(target_of(own_fleet, host, host_keys=keys)).close()

    @pytest.mark.parametrize("kind", ["rsa", "ecdsa"])
    def test_older_kinds_of_keys_do_on_both_sides(self, tmp_path: Path, kind: str) -> None:
        key = make_key(tmp_path / "key", kind)
        public = public_of(key)
        with Fleet(tmp_path / "fleet", 1, config=f"HostKey {key}\n") as fleet:
            (fleet.directory / "client_key.pub").write_text(public)
            host = fleet.hosts[0]
            target = target_of(fleet, host, host_keys=(public,), private_key=key.read_text())
            with contextlib.closing(ssh.connect(target)) as link:
                assert link.run("echo hi", timeout=10).stdout == b"hi\n"
            offered = ssh.offered_keys(host.address, host.port)
            assert sorted(offered) == sorted([host.host_key, public])

    def test_the_keys_a_host_offers_are_read_without_logging_in(self, own_fleet: Fleet) -> None:
        host = own_fleet.hosts[0]
        assert ssh.offered_keys(host.address, host.port) == [host.host_key]
        until(lambda: "Connection closed by" in own_fleet.log(), "sshd has told of it")
        assert "authenticating" not in own_fleet.log()

    def test_the_fastest_algorithms_are_agreed_on(self, tmp_path: Path) -> None:
        with Fleet(tmp_path / "fleet", 1, config="LogLevel DEBUG1\n") as fleet:
            ssh.connect(target_of(fleet, fleet.hosts[0])).close()
            log = fleet.log()
        assert "kex: algorithm: ecdh-sha2-nistp256" in log
        assert log.count("cipher: aes128-gcm@openssh.com") == 2

    @pytest.mark.parametrize(
        "config",
        [
            "KexAlgorithms diffie-hellman-group14-sha256\nCiphers aes256-ctr\nMACs hmac-sha2-256\n",
            "KexAlgorithms curve25519-sha256@libssh.org\nCiphers aes128-ctr\n"
            "MACs hmac-sha2-512-etm@openssh.com\n",
        ],
    )
    def test_older_hosts_are_reached(self, tmp_path: Path, config: str) -> None:
        with (
            Fleet(tmp_path / "fleet", 1, config=config) as fleet,
            contextlib.closing(ssh.connect(target_of(fleet, fleet.hosts[0]))) as link,
        ):
            assert link.run("echo hi", timeout=10).stdout == b"hi\n"

    def test_a_host_with_unsafe_algorithms_alone_is_refused(self, tmp_path: Path) -> None:
        config = "Ciphers aes128-cbc,3des-cbc\n"
        with Fleet(tmp_path / "fleet", 1, config=config) as fleet:
            refused = _refusal(target_of(fleet, fleet.hosts[0]))
        assert str(refused) == "incompatible host: no acceptable ciphers"

    def test_a_long_log_in_banner_is_borne(self, tmp_path: Path) -> None:
        banner = tmp_path / "banner"
        banner.write_bytes(b"be good\n" * 30_000)  # sshd itself breaks on more
        with Fleet(tmp_path / "fleet", 1, config=f"Banner {banner}\n") as fleet:
            ssh.connect(target_of(fleet, fleet.hosts[0])).close()

    def test_a_host_may_say_much_before_its_ssh_banner(self, fleet: Fleet) -> None:
        host = fleet.hosts[0]
        with Relay(host.address, host.port, says_first=b"welcome\r\n" * 110_000) as relay:
            ssh.connect(target_of(fleet, host, address=relay.address, port=relay.port)).close()

    def test_a_host_with_one_session_at_a_time_is_enough(self, tmp_path: Path) -> None:
        with (
            Fleet(tmp_path / "fleet", 1, config="MaxSessions 1\n") as fleet,
            contextlib.closing(ssh.connect(target_of(fleet, fleet.hosts[0]))) as link,
        ):
            for _ in range(5):
                assert link.run("echo hi", timeout=10).stdout == b"hi\n"
            running = link.open("exec sleep 60")
            with pytest.raises(ConnectFailed, match="the host refuses a channel"):
                link.open("true")
            assert running.read(0) is None

    def test_only_so_many_handshakes_run_at_a_time(
        self, at_sea: ssh.Target, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(handshake, "_handshakes", threading.BoundedSemaphore(3))
        started = time.monotonic()
        with Stranger(_say_nothing) as stranger:
            target = replace(at_sea, port=stranger.port)
            threads = [threading.Thread(target=_refusal, args=(target,)) for _ in range(8)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join(30)
        # Each waits for its banner in vain, three at a time.
        assert time.monotonic() - started >= 3 * QUICK.banner


class TestAJumpHost:
    def test_leads_to_a_host_behind_it(self, own_fleet: Fleet) -> None:
        gate, host = own_fleet.hosts
        target = target_of(own_fleet, host, via=target_of(own_fleet, gate))
        with contextlib.closing(ssh.connect(target)) as link:
            assert link.run("pwd", timeout=10).stdout.decode().strip() == str(host.home)
        assert "Accepted publickey" in own_fleet.log(gate.group)

    def test_that_is_cut_cuts_what_is_behind_it(self, own_fleet: Fleet) -> None:
        gate, host = own_fleet.hosts
        target = target_of(own_fleet, host, via=target_of(own_fleet, gate))
        with contextlib.closing(ssh.connect(target)) as link:
            channel = link.open("echo here; exec sleep 60")
            assert channel.read(10) == b"here\n"
            own_fleet.stop(gate.group)
            with pytest.raises(LinkLost):
                channel.read(30)

    def test_is_left_when_the_host_behind_it_is_left(self, own_fleet: Fleet) -> None:
        gate, host = own_fleet.hosts
        ssh.connect(target_of(own_fleet, host, via=target_of(own_fleet, gate))).close()
        until(lambda: "Connection closed" in own_fleet.log(gate.group), "the jump host was left")

    def test_is_named_when_it_is_the_one_that_fails(self, own_fleet: Fleet) -> None:
        gate, host = own_fleet.hosts
        via = target_of(own_fleet, gate, name="bastion", host_keys=(host.host_key,))
        refused = _refusal(target_of(own_fleet, host, via=via))
        assert str(refused).startswith("jump host bastion: host key changed")
        assert not refused.retryable

    def test_that_cannot_reach_the_host_says_so(self, own_fleet: Fleet) -> None:
        gate, host = own_fleet.hosts
        own_fleet.stop(host.group)
        via = target_of(own_fleet, gate, name="bastion")
        refused = _refusal(target_of(own_fleet, host, via=via))
        assert f"jump host bastion cannot reach {host.address} port {host.port}" in str(refused)
        assert refused.retryable

    def test_shows_the_keys_of_a_host_behind_it(self, own_fleet: Fleet) -> None:
        gate, host = own_fleet.hosts
        via = target_of(own_fleet, gate)
        assert ssh.offered_keys(host.address, host.port, via=via) == [host.host_key]


class TestNoSuchHost:
    def test_a_closed_port(self, at_sea: ssh.Target) -> None:
        with socket.create_server(("127.0.0.1", 0)) as taken:
            port = taken.getsockname()[1]
        refused = _refusal(replace(at_sea, port=port))
        assert str(refused) == f"connection refused by 127.0.0.1:{port}"
        assert refused.retryable

    def test_an_address_that_does_not_answer(self, at_sea: ssh.Target) -> None:
        with contextlib.ExitStack() as opened:
            full = opened.enter_context(socket.create_server(("127.0.0.1", 0), backlog=0))
            for _ in range(3):
                knock = opened.enter_context(socket.socket())
                knock.setblocking(False)
                knock.connect_ex(full.getsockname())
            refused = _refusal(replace(at_sea, port=full.getsockname()[1]))
        assert str(refused) == "connection timed out after 0.4 s"
        assert refused.retryable

    def test_an_address_without_a_route(
        self, at_sea: ssh.Target, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(socket, "socket", _NoRoute)
        assert str(_refusal(at_sea)) == "no route to host"

    def test_a_name_that_does_not_exist(
        self, at_sea: ssh.Target, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(socket, "getaddrinfo", _know_no_name)
        refused = _refusal(replace(at_sea, address="eu-1.example"))
        assert str(refused) == "name eu-1.example cannot be resolved"
        assert refused.retryable

    def test_a_resolver_that_hangs(
        self, at_sea: ssh.Target, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        hangs = threading.Event()
        monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: hangs.wait(10) and [])
        refused = _refusal(replace(at_sea, address="eu-1.example"), QUICK)
        hangs.set()
        assert str(refused) == "name eu-1.example cannot be resolved"

    def test_a_name_is_looked_up(self, fleet: Fleet, monkeypatch: pytest.MonkeyPatch) -> None:
        host = fleet.hosts[0]
        dead, alive = ("127.0.0.1", 1), (host.address, host.port)
        found = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", place) for place in (dead, alive)]
        monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: found)
        ssh.connect(target_of(fleet, host, address="eu-1.example")).close()


class TestCutOff:
    """By whoever asked for the session and does not want it any more: limits are not waited for."""

    def test_while_the_address_does_not_answer(self, at_sea: ssh.Target) -> None:
        with contextlib.ExitStack() as opened:
            full = opened.enter_context(socket.create_server(("127.0.0.1", 0), backlog=0))
            for _ in range(3):
                knock = opened.enter_context(socket.socket())
                knock.setblocking(False)
                knock.connect_ex(full.getsockname())
            _cut_off(replace(at_sea, port=full.getsockname()[1]))

    def test_before_the_banner(self, at_sea: ssh.Target) -> None:
        with Stranger(_say_nothing) as stranger:
            _cut_off(replace(at_sea, port=stranger.port))

    def test_before_the_key_exchange(self, at_sea: ssh.Target) -> None:
        with Stranger(_say(b"SSH-2.0-strange\r\n", then_wait=True)) as stranger:
            _cut_off(replace(at_sea, port=stranger.port))

    def test_during_the_log_in(self, at_sea: ssh.Target) -> None:
        with stalling_host("auth") as (address, port, key):
            _cut_off(replace(at_sea, address=address, port=port, host_keys=(key,)), after=0.5)

    def test_behind_a_jump_host(self, at_sea: ssh.Target, fleet: Fleet) -> None:
        with Stranger(_say_nothing) as stranger:
            via = target_of(fleet, fleet.hosts[0])
            _cut_off(replace(at_sea, port=stranger.port, via=via), after=0.5)

    def test_by_what_it_raises_itself(self, at_sea: ssh.Target) -> None:
        def enough(cut: Callable[[], None]) -> None:
            raise KeyError

        with Stranger(_say_nothing) as stranger, pytest.raises(KeyError):
            ssh.connect(replace(at_sea, port=stranger.port), making=enough)


class TestAStranger:
    def test_that_says_nothing(self, at_sea: ssh.Target) -> None:
        with Stranger(_say_nothing) as stranger:
            refused = _refusal(replace(at_sea, port=stranger.port))
        assert str(refused) == "no SSH banner within 0.4 s"
        assert refused.retryable

    def test_that_hangs_up(self, at_sea: ssh.Target) -> None:
        with Stranger(socket.socket.close) as stranger:
            refused = _refusal(replace(at_sea, port=stranger.port))
        assert "host closed the connection before its SSH banner" in str(refused)

    def test_that_resets_the_connection_gets_one_more_try(self, at_sea: ssh.Target) -> None:
        with Stranger(_reset) as stranger:
            _refusal(replace(at_sea, port=stranger.port))
        assert stranger.met == 2

    def test_that_speaks_something_else_is_quoted(self, at_sea: ssh.Target) -> None:
        with Stranger(_say(b"HTTP/1.1 400 Bad\x1b[2J Request\r\n\r\n")) as stranger:
            refused = _refusal(replace(at_sea, port=stranger.port))
        assert str(refused) == "no SSH banner, but the host says “HTTP/1.1 400 Bad[2J Request”"

    def test_with_an_endless_banner_is_left(
        self, at_sea: ssh.Target, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(wire, "GREETING_LIMIT", 200_000)
        limits = replace(QUICK, banner=20.0)
        with Stranger(_say_without_end) as stranger:
            refused = _refusal(replace(at_sea, port=stranger.port), limits)
        assert str(refused).startswith("no SSH banner, but the host says “xxx")

    def test_that_drips_its_banner_has_no_more_time(self, at_sea: ssh.Target) -> None:
        with Stranger(_drip) as stranger:
            refused = _refusal(replace(at_sea, port=stranger.port))
        assert str(refused) == "no SSH banner within 0.4 s"

    def test_that_falls_silent_after_its_banner(self, at_sea: ssh.Target) -> None:
        with Stranger(_say(b"SSH-2.0-strange\r\n", then_wait=True)) as stranger:
            refused = _refusal(replace(at_sea, port=stranger.port))
        assert str(refused) == "key exchange did not end within 0.4 s"

    def test_that_hangs_up_after_its_banner(self, at_sea: ssh.Target) -> None:
        with Stranger(_say(b"SSH-2.0-strange\r\n")) as stranger:
            refused = _refusal(replace(at_sea, port=stranger.port))
        assert str(refused) == "host closed the connection during the key exchange"

    def test_that_announces_a_giant_packet(self, at_sea: ssh.Target) -> None:
        giant = b"SSH-2.0-strange\r\n" + bytes.fromhex("7ffffffc") + bytes(1000)
        with Stranger(_say(giant, then_wait=True)) as stranger:
            refused = _refusal(replace(at_sea, port=stranger.port))
        assert "key exchange failed: a packet of" in str(refused)

    def test_that_never_answers_the_log_in(self, at_sea: ssh.Target) -> None:
        with stalling_host("auth") as (address, port, key):
            target = replace(at_sea, address=address, port=port, host_keys=(key,))
            refused = _refusal(target, replace(QUICK, kex=10.0))
        assert str(refused) == "no answer to the log-in within 0.4 s"

    def test_that_never_opens_a_channel(self, at_sea: ssh.Target) -> None:
        with stalling_host("channel") as (address, port, key):
            target = replace(at_sea, address=address, port=port, host_keys=(key,))
            limits = ssh.Limits(channel=0.4)
            with (
                contextlib.closing(ssh.connect(target, limits=limits)) as link,
                pytest.raises(ConnectFailed, match=r"no channel within 0.4 s"),
            ):
                link.run("true", timeout=10)


def test_there_is_no_way_around_the_host_key() -> None:
    """Nor an agent, a search for keys, or a password: not one word of them in the product."""
    words = r"AutoAddPolicy|WarningPolicy|SSHClient|look_for_keys|\.Agent\b|auth_password|auth_none"
    sources = [
        path for folder in ("deploy_tasks", "webapp") for path in (BASE / folder).rglob("*.py")
    ]
    assert sources
    assert [path for path in sources if re.search(words, path.read_text())] == []


def _cut_off(target: ssh.Target, *, after: float = 0.2) -> None:
    """Within seconds, of limits that are minutes."""
    cuts: list[Callable[[], None]] = []
    enough = threading.Event()

    def making(cut: Callable[[], None]) -> None:
        if enough.is_set():  # a reset is tried once more
            raise ConnectFailed("enough")
        cuts.append(cut)

    def cut_off() -> None:
        enough.set()
        cuts[-1]()

    timer = threading.Timer(after, cut_off)
    began = time.monotonic()
    timer.start()
    slow = ssh.Limits(connect=100, banner=100, kex=100, auth=100, channel=100)
    with pytest.raises(ConnectFailed):
        ssh.connect(target, limits=slow, making=making)
    timer.join()
    assert after <= time.monotonic() - began < 20


def _refusal(target: ssh.Target, limits: ssh.Limits | None = None) -> ConnectFailed:
    """How `connect` fails, quickly unless the host is a real one."""
    quick = QUICK if target.address == "127.0.0.1" else ssh.Limits()
    with pytest.raises(ConnectFailed) as failure:
        ssh.connect(target, limits=limits or quick)
    return failure.value


def _say_nothing(link: socket.socket) -> None:
    while link.recv(65536):
        pass


def _say(what: bytes, *, then_wait: bool = False) -> Callable[[socket.socket], None]:
    def answer(link: socket.socket) -> None:
        link.sendall(what)
        if then_wait:
            _say_nothing(link)
        link.shutdown(socket.SHUT_WR)
        _say_nothing(link)

    return answer


def _say_without_end(link: socket.socket) -> None:
    while True:
        link.sendall(b"x" * 10_000)


def _drip(link: socket.socket) -> None:
    while True:
        link.sendall(b"x\n")
        time.sleep(0.05)


def _reset(link: socket.socket) -> None:
    link.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    link.close()


class _NoRoute(socket.socket):
    def connect(self, where: object) -> None:
        raise OSError(errno.EHOSTUNREACH, "No route to host")


def _know_no_name(*_: object, **__: object) -> None:
    raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
