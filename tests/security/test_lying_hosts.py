"""S39: SSH servers that lie, the worst that a host which was taken over can be. None of them gets a
weak connection, a key of ours, a way back into the worker, or its memory."""

import contextlib
import io
import socket
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import paramiko
import pytest
from paramiko.common import (
    cMSG_KEXINIT,
    cMSG_USERAUTH_BANNER,
    cMSG_USERAUTH_INFO_REQUEST,
    cMSG_USERAUTH_SUCCESS,
)

from deploy_tasks import ssh
from deploy_tasks.errors import ConnectFailed, LinkLost
from deploy_tasks.ssh import channel, exchange, wire
from tests.strangers import Stranger
from tests.waiting import until

pytestmark = pytest.mark.ssh

HOST_KEY, OTHER_KEY = paramiko.RSAKey.generate(2048), paramiko.ECDSAKey.generate()
OUR_KEY = paramiko.ECDSAKey.generate()
LIMITS = ssh.Limits(banner=10, kex=10, auth=10, channel=10)


def text_of(key: paramiko.PKey) -> str:
    return f"{key.get_name()} {key.get_base64()}"


def private(key: paramiko.PKey) -> str:
    key.write_private_key(file := io.StringIO())
    return file.getvalue()


class Server(paramiko.ServerInterface):
    """Lets everybody in, runs nothing, and remembers what it was asked for."""

    def __init__(self, *, wants: str = "publickey") -> None:
        self.wants, self.commands, self.logins = wants, [b""], [""]
        self.execs = threading.Event()

    def get_allowed_auths(self, username: str) -> str:
        return self.wants

    def check_auth_publickey(self, username: str, key: paramiko.PKey) -> int:
        self.logins.append(username)
        return paramiko.AUTH_SUCCESSFUL if self.wants == "publickey" else paramiko.AUTH_FAILED

    def check_channel_request(self, kind: str, chanid: int) -> int:
        return paramiko.OPEN_SUCCEEDED

    def check_channel_exec_request(self, channel: paramiko.Channel, command: bytes) -> bool:
        self.commands.append(command)
        self.execs.set()
        return True


class Liar(paramiko.Transport):
    """``shown``: the key that it shows instead of its own."""

    shown: paramiko.PKey | None = None

    def __init__(self, link: socket.socket) -> None:
        super().__init__(link)
        self.add_server_key(HOST_KEY)

    def get_server_key(self) -> Any:
        real = super().get_server_key()
        return _Pretending(real, self.shown) if self.shown and real else real


@dataclass
class _Pretending:
    """Shows one key, and signs with another."""

    signs: paramiko.PKey
    shown: paramiko.PKey

    def asbytes(self) -> bytes:
        return self.shown.asbytes()

    def sign_ssh_data(self, data: bytes, algorithm: str | None = None) -> paramiko.Message:
        return self.signs.sign_ssh_data(data, algorithm)


class Far:
    """The liars of a test: one for each connection."""

    def __init__(self, server: Server, prepare: Callable[[Liar], None]) -> None:
        self.server, self._prepare, self.liars = server, prepare, list[Liar]()

    def serve(self, link: socket.socket) -> None:
        liar = Liar(link)
        self.liars.append(liar)
        self._prepare(liar)
        with contextlib.suppress(paramiko.SSHException, EOFError, OSError):
            liar.start_server(server=self.server)
        liar.join(60)


@contextlib.contextmanager
def lying(
    prepare: Callable[[Liar], None] = lambda liar: None, server: Server | None = None
) -> Iterator[tuple[Far, ssh.Target]]:
    far = Far(server or Server(), prepare)
    with Stranger(far.serve) as place:
        yield (
            far,
            ssh.Target(
                "eu-1", place.address, place.port, "game", (text_of(HOST_KEY),), private(OUR_KEY)
            ),
        )
        for liar in far.liars:
            liar.close()


def refusal(target: ssh.Target, limits: ssh.Limits = LIMITS) -> str:
    with pytest.raises(ConnectFailed) as failure:
        ssh.connect(target, limits=limits)
    return str(failure.value)


def test_s39_an_honest_one_is_taken() -> None:
    with lying() as (far, target):
        ssh.connect(target, limits=LIMITS).close()
    assert far.server.logins == ["", "game"]


def test_s39_nothing_weak_is_ever_offered() -> None:
    """What we say ourselves, as a stranger reads it: nobody can bring us to what is not in it."""
    said = bytearray()

    def listen(link: socket.socket) -> None:
        link.sendall(b"SSH-2.0-OpenSSH_4.3\r\n")
        line = link.makefile("rb")
        line.readline()
        length = line.read(4)
        said.extend(length + line.read(int.from_bytes(length, "big")))
        link.shutdown(socket.SHUT_RDWR)

    with Stranger(listen) as place:
        key = text_of(HOST_KEY)
        ca = text_of(OTHER_KEY)
        target = ssh.Target("eu-1", place.address, place.port, "game", (key,), private(OUR_KEY))
        refusal(replace(target, authorities=(ca,)))
    assert said[5:6] == cMSG_KEXINIT
    message = paramiko.Message(bytes(said[6:]))
    message.get_bytes(16)
    kex, keys, *others = (message.get_list() for _ in range(8))
    assert "kex-strict-c-v00@openssh.com" in kex
    for name in (*kex, *keys, *(name for names in others for name in names)):
        assert not any(
            weak in name.lower()
            for weak in ("sha1", "md5", "cbc", "3des", "arcfour", "rc4", "dss", "group1-")
        ), name
    assert not {"ssh-rsa", "ssh-rsa-cert-v01@openssh.com", "chacha20-poly1305@openssh.com"} & {
        *keys,
        *others[0],
    }
    ciphers, macs, compression = others[0], others[2], others[4]
    assert "none" not in {*ciphers, *macs}
    assert compression == ["none"]


@pytest.mark.parametrize("what", ["kex", "keys", "ciphers", "macs"])
def test_s39_one_that_can_do_nothing_but_what_is_weak_is_left(what: str) -> None:
    weak = {
        "kex": ("diffie-hellman-group1-sha1",),
        "keys": ("ssh-rsa",),
        "ciphers": ("aes128-cbc", "3des-cbc"),
        "macs": ("hmac-sha1", "hmac-md5"),
    }

    def prepare(liar: Liar) -> None:
        setattr(liar, f"_preferred_{what}", weak[what])
        if what == "macs":
            liar._preferred_ciphers = ("aes128-ctr",)  # type: ignore[attr-defined]

    with lying(prepare) as (far, target):
        said = refusal(target)
    assert said.startswith(("incompatible host: no acceptable", "host key changed: pinned"))
    assert far.server.logins == [""]


def test_s39_a_group_that_is_too_small_is_not_used() -> None:
    message = paramiko.Message()
    message.add_mpint(2**1023 + 1)
    message.add_mpint(2)
    gex = exchange.Transport._kex_info["diffie-hellman-group-exchange-sha256"](None)  # type: ignore[attr-defined]
    with pytest.raises(paramiko.SSHException, match="too small"):
        gex._parse_kexdh_gex_group(paramiko.Message(message.asbytes()))


def test_s38_the_pinned_key_must_sign_and_not_only_be_shown() -> None:
    """Everybody can learn a public key: here somebody shows ours and signs with another."""

    def pretend(liar: Liar) -> None:
        liar.server_key_dict.clear()  # type: ignore[attr-defined]
        liar.add_server_key(paramiko.RSAKey.generate(2048))
        liar.shown = HOST_KEY

    with lying(pretend) as (far, target):
        assert "key exchange failed: Signature verification" in refusal(target)
    assert far.server.logins == [""]


def test_s38_a_key_of_another_type_than_was_agreed_on_is_not_taken() -> None:
    with lying(lambda liar: setattr(liar, "shown", OTHER_KEY)) as (far, target):
        pinned = (text_of(HOST_KEY), text_of(OTHER_KEY))
        assert "key exchange failed" in refusal(replace(target, host_keys=pinned))
    assert far.server.logins == [""]


def test_s38_nothing_of_ours_is_shown_to_another_key() -> None:
    with lying() as (far, target):
        said = refusal(replace(target, host_keys=(text_of(OTHER_KEY),)))
        assert said.startswith("host key changed: pinned")
        assert far.server.logins == [""]


@pytest.mark.parametrize("wants", ["password", "keyboard-interactive", "password,hostbased,none"])
def test_s39_one_that_wants_something_typed_gets_nothing(wants: str) -> None:
    with lying(server=Server(wants=wants)) as (far, target):
        said = refusal(target)
    assert "authentication refused for user game" in said
    assert far.server.commands == [b""]


class Asking(Server):
    """Answers a key with something else, again and again, until the link is cut."""

    def __init__(self, *messages: paramiko.Message) -> None:
        super().__init__()
        self.liar: Liar | None = None
        self._messages = messages

    def check_auth_publickey(self, username: str, key: paramiko.PKey) -> int:
        assert self.liar
        with contextlib.suppress(OSError, EOFError, paramiko.SSHException):
            while self.liar.is_active():
                for message in self._messages:
                    self.liar._send_message(message)  # type: ignore[attr-defined]
        return paramiko.AUTH_FAILED


def _message(kind: bytes, *parts: str | int | bool) -> paramiko.Message:
    message = paramiko.Message()
    message.add_byte(kind)
    for part in parts:
        if isinstance(part, str):
            message.add_string(part)
        else:
            (message.add_boolean if isinstance(part, bool) else message.add_int)(part)  # type: ignore[arg-type]
    return message


def test_s39_a_question_in_answer_to_a_key_is_not_answered() -> None:
    question = _message(cMSG_USERAUTH_INFO_REQUEST, "", "Password of game?", "", 1, "> ", False)
    server = Asking(question)
    with lying(lambda liar: setattr(server, "liar", liar), server) as (_far, target):
        assert refusal(target) == "host closed the connection during the log-in"


def test_s39_log_in_banners_without_end_are_left_in_time() -> None:
    server = Asking(_message(cMSG_USERAUTH_BANNER, "be good\n" * 10_000, "en"))
    with lying(lambda liar: setattr(server, "liar", liar), server) as (_far, target):
        said = refusal(target, replace(LIMITS, auth=0.5))
    assert said == "no answer to the log-in within 0.5 s"


def test_s39_success_before_there_are_keys_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    real = Liar._send_kex_init  # type: ignore[attr-defined]

    def send(self: paramiko.Transport) -> None:
        real(self)
        if self.server_mode:
            self._send_message(_message(cMSG_USERAUTH_SUCCESS))  # type: ignore[attr-defined]

    monkeypatch.setattr(Liar, "_send_kex_init", send, raising=False)
    with lying() as (far, target):
        assert "key exchange" in refusal(target)
    assert far.server.logins == [""]


class TestAfterTheLogIn:
    """The host has our connection, and tries what it could do with it."""

    @pytest.fixture
    def ends(self) -> Iterator[tuple[ssh.Session, Liar, ssh.Channel, paramiko.Channel]]:
        with lying() as (far, target), contextlib.closing(ssh.connect(target)) as session:
            ours = session.open("true")
            assert far.server.execs.wait(10)
            (liar,) = far.liars
            theirs = liar.accept(10)
            assert theirs
            yield session, liar, ours, theirs

    @pytest.mark.parametrize(
        "kind",
        ["session", "direct-tcpip", "forwarded-tcpip", "x11", "auth-agent@openssh.com", "tun"],
    )
    def test_s39_it_opens_no_channel_to_us(self, ends: Any, kind: str) -> None:
        session, liar, _ours, _theirs = ends
        where = ("127.0.0.1", 22)
        for _ in range(20):
            with pytest.raises(paramiko.ChannelException, match="prohibited"):
                liar.open_channel(kind, where, where, timeout=10)
        assert session.is_alive

    @pytest.mark.parametrize(
        "kind", ["tcpip-forward", "streamlocal-forward@openssh.com", "hostkeys-00@openssh.com"]
    )
    def test_s39_it_is_granted_no_request(self, ends: Any, kind: str) -> None:
        session, liar, _ours, _theirs = ends
        assert liar.global_request(kind, ("127.0.0.1", 22), wait=True) is None
        assert session.is_alive

    @pytest.mark.parametrize("wish", ["exec_command", "invoke_subsystem", "invoke_shell"])
    def test_s39_it_runs_nothing_here(self, ends: Any, wish: str) -> None:
        _session, _liar, _ours, theirs = ends
        arguments = [] if wish == "invoke_shell" else ["id"]
        with pytest.raises(paramiko.SSHException):
            getattr(theirs, wish)(*arguments)

    @pytest.mark.parametrize("stream", ["sendall", "sendall_stderr"])
    def test_s39_it_sends_no_more_than_there_is_room_for(self, ends: Any, stream: str) -> None:
        """Nobody reads meanwhile; a host that keeps to the rules would wait."""
        session, _liar, ours, theirs = ends
        theirs.out_window_size = 1 << 30
        with contextlib.suppress(OSError, EOFError, paramiko.SSHException):
            getattr(theirs, stream)(b"x" * (8 << 20))
        until(lambda: not session.is_alive, "the connection was cut")
        raw = ours._raw
        for pipe in (raw.in_buffer, raw.in_stderr_buffer):
            assert len(pipe) <= channel.WINDOW + wire.PACKET_LIMIT
        with pytest.raises(LinkLost, match="more than it was given room for"):
            _read_all(ours)


def _read_all(channel: ssh.Channel) -> None:
    while channel.read(10) is not None:
        pass
