"""From an address to a session we may trust: connect, banner, key exchange, host key, log-in."""

import threading
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime

import paramiko
from django.utils.translation import gettext as _
from paramiko.ssh_exception import (
    BadAuthenticationType,
    IncompatiblePeer,
    PartialAuthentication,
)

from deploy_tasks.errors import ConnectFailed, InvalidInput, LoginRefused
from deploy_tasks.ssh.agent import AgentLogin, key_of
from deploy_tasks.ssh.channel import WINDOW
from deploy_tasks.ssh.dial import dial
from deploy_tasks.ssh.keys import (
    ALGORITHMS,
    blob,
    certified_key,
    ends_at,
    fingerprint,
    parse_private_key,
    public_text,
)
from deploy_tasks.ssh.session import Session, open_forward
from deploy_tasks.ssh.wire import Packets, Wire
from deploy_tasks.times import iso

# The fastest first; the others are for older hosts. No CBC, no SHA-1, no MD5.
KEX = (
    "curve25519-sha256@libssh.org",
    "mlkem768x25519-sha256",
    "ecdh-sha2-nistp256",
    "ecdh-sha2-nistp384",
    "ecdh-sha2-nistp521",
    "diffie-hellman-group16-sha512",
    "diffie-hellman-group-exchange-sha256",
    "diffie-hellman-group14-sha256",
)
CIPHERS = (
    "aes128-gcm@openssh.com",
    "aes256-gcm@openssh.com",
    "aes128-ctr",
    "aes192-ctr",
    "aes256-ctr",
)
MACS = (
    "hmac-sha2-256-etm@openssh.com",
    "hmac-sha2-512-etm@openssh.com",
    "hmac-sha2-256",
    "hmac-sha2-512",
)

#: A host has at most one key of each family.
KEY_FAMILIES = (
    ("ssh-ed25519",),
    ("ecdsa-sha2-nistp256", "ecdsa-sha2-nistp384", "ecdsa-sha2-nistp521"),
    ("ssh-rsa",),
)

# More at a time only make each other slow, and then all of them time out.
_handshakes = threading.BoundedSemaphore(64)


@dataclass(frozen=True)
class Limits:
    """How long each part may take, in seconds. A channel is waited for as long, too."""

    connect: float = 10.0
    banner: float = 15.0
    kex: float = 15.0
    auth: float = 30.0
    channel: float = 15.0


@dataclass(frozen=True)
class Target:
    """Where to log in, as whom, with what; and by which keys we know that it is the right place.

    ``host_keys`` are the pinned ones, each ``type base64``. We log in with ``private_key``, or
    with a key that an ``agent`` keeps; either may come with an OpenSSH ``certificate``.
    """

    name: str
    address: str
    port: int
    user: str
    host_keys: tuple[str, ...]
    private_key: str = field(repr=False)
    passphrase: str = field(default="", repr=False)
    certificate: str = ""
    agent: AgentLogin | None = None
    via: "Target | None" = None


def connect(target: Target, *, limits: Limits = Limits()) -> Session:
    """Open a session with a host whose key is pinned. Raises ConnectFailed."""
    if not target.host_keys:
        raise ConnectFailed(
            _("no host key is pinned; approve its fingerprint first"), retryable=False
        )
    try:
        return _connect(target, limits)
    except ConnectFailed as failure:
        # sshd drops connections like this where too many begin at once.
        if not isinstance(failure.__cause__, ConnectionResetError | BrokenPipeError):
            raise
    return _connect(target, limits)


def offered_keys(
    address: str, port: int, *, via: Target | None = None, limits: Limits = Limits()
) -> list[str]:
    """The host keys (``type base64``) a host shows. Does not log in. Raises ConnectFailed."""
    found: list[str] = []
    failure: ConnectFailed | None = None
    for kinds in KEY_FAMILIES:
        with ExitStack() as opened:
            wire = _reach(address, port, via, limits, opened)
            try:
                with _handshakes:
                    transport, shown = _exchange_keys(wire, kinds, limits)
            except _NoSuchHostKey:
                continue
            except ConnectFailed as refused:
                # dropbear just hangs up on whoever wants a key that it does not have.
                if wire.greeting is not None:
                    raise
                failure = refused
            else:
                opened.callback(transport.close)
                found.append(shown)
    if failure and not found:
        raise failure
    return found


class _Transport(paramiko.Transport):
    # An idle connection wakes its thread so often; 0.1 s would eat a core per 5,000 of them.
    _active_check_timeout = 10.0


class _NoSuchHostKey(Exception):
    """The host has no key of the types we asked for."""


def _connect(target: Target, limits: Limits) -> Session:
    try:
        pinned = {blob(key) for key in target.host_keys}
        log_in_key = None if target.agent else _own_key(target)
        _refuse_ended(target)
    except InvalidInput as error:
        raise ConnectFailed(str(error), retryable=False) from None
    kinds = tuple(dict.fromkeys(key.split()[0] for key in target.host_keys))
    with ExitStack() as opened:
        wire = _reach(target.address, target.port, target.via, limits, opened)
        with _handshakes:
            try:
                transport, shown = _exchange_keys(wire, kinds, limits)
            except _NoSuchHostKey:
                raise _changed(target, _("no key of type %s") % ", ".join(kinds)) from None
            opened.callback(transport.close)
            if blob(shown) not in pinned:
                raise _changed(target, fingerprint(shown))
            if target.agent:
                _log_in_by_agent(transport, target, target.agent, limits.auth)
            elif log_in_key:
                _log_in(transport, target, log_in_key, limits.auth)
        return Session(transport, wire, channel_limit=limits.channel, close=opened.pop_all().close)


def _own_key(target: Target) -> paramiko.PKey:
    if target.certificate:
        return certified_key(target.private_key, target.passphrase, target.certificate)
    return parse_private_key(target.private_key, target.passphrase)


def _refuse_ended(target: Target) -> None:
    # The host would only say no, and take note of who knocks.
    ends = ends_at(target.certificate) if target.certificate else None
    if ends and ends <= datetime.now(UTC):
        raise InvalidInput(_("the certificate to log in with has ended: %s") % iso(ends))


def _log_in_by_agent(
    transport: paramiko.Transport, target: Target, agent: AgentLogin, limit: float
) -> None:
    with key_of(agent) as key:
        if target.certificate:
            key.load_certificate(target.certificate)
        _log_in(transport, target, key, limit)


def _changed(target: Target, shown: str) -> ConnectFailed:
    return ConnectFailed(
        _("host key changed: pinned %(pinned)s but the host shows %(shown)s")
        % {
            "pinned": ", ".join(fingerprint(key) for key in target.host_keys),
            "shown": shown,
        },
        retryable=False,
    )


def _reach(address: str, port: int, via: Target | None, limits: Limits, opened: ExitStack) -> Wire:
    """A wire to the address. ``opened`` learns how to close it, and the jump host's session."""
    if via is None:
        wire = Wire(dial(address, port, limits.connect))
    else:
        try:
            gateway = connect(via, limits=limits)
        except ConnectFailed as failure:
            raise ConnectFailed(
                _("jump host %(name)s: %(failure)s") % {"name": via.name, "failure": failure},
                retryable=failure.retryable,
            ) from None
        opened.callback(gateway.close)
        wire = Wire(open_forward(gateway, via.name, address, port, limits.connect))
    opened.callback(wire.close)
    return wire


def _exchange_keys(wire: Wire, kinds: tuple[str, ...], limits: Limits) -> tuple[_Transport, str]:
    """Banner and key exchange. The host has proven that the key it showed is its own."""
    transport = _Transport(wire, packetizer_class=Packets, default_window_size=WINDOW)  # type: ignore[arg-type]
    options = transport.get_security_options()
    options.kex = tuple(name for name in KEX if name in options.kex)
    options.ciphers, options.digests = CIPHERS, MACS
    options.key_types = tuple(name for kind in kinds for name in ALGORITHMS[kind])
    done = threading.Event()
    transport.start_client(event=done)
    packets: Packets = transport.packetizer  # type: ignore[assignment]
    try:
        if not packets.banner_over.wait(limits.banner):
            raise ConnectFailed(_("no SSH banner within %g s") % limits.banner)
        if not done.wait(limits.kex):
            raise ConnectFailed(_("key exchange did not end within %g s") % limits.kex)
        if not transport.initial_kex_done or transport.host_key is None:
            raise _broken(transport, wire)
    except BaseException:
        transport.close()
        raise
    return transport, public_text(transport.host_key)


def _broken(transport: paramiko.Transport, wire: Wire) -> Exception:
    error = transport.get_exception()
    if isinstance(error, IncompatiblePeer):
        if "host key" in str(error):
            return _NoSuchHostKey()
        return ConnectFailed(_("incompatible host: %s") % str(error).partition("(")[2].rstrip(")"))
    failure = _ended_early(error, wire)
    failure.__cause__ = wire.error
    return failure


def _ended_early(error: Exception | None, wire: Wire) -> ConnectFailed:
    if wire.greeting is not None:
        said = wire.greeting.decode(errors="replace").strip().partition("\n")[0][:200]
        printable = "".join(char for char in said if char.isprintable())
        if printable:
            return ConnectFailed(_("no SSH banner, but the host says “%s”") % printable)
        return ConnectFailed(_("host closed the connection before its SSH banner"))
    if error is None or isinstance(error, EOFError | OSError):
        return ConnectFailed(_("host closed the connection during the key exchange"))
    return ConnectFailed(_("key exchange failed: %s") % error)


def _log_in(
    transport: paramiko.Transport, target: Target, key: paramiko.PKey, limit: float
) -> None:
    answered = threading.Event()
    try:
        transport.auth_publickey(target.user, key, event=answered)
        if not answered.wait(limit):
            raise ConnectFailed(_("no answer to the log-in within %g s") % limit)
        if transport.is_authenticated():
            return
        error = transport.get_exception()
        if error is not None:
            raise error
    except (BadAuthenticationType, PartialAuthentication) as error:
        raise _refused(target, key, error.allowed_types) from None
    except (EOFError, OSError, paramiko.SSHException) as error:
        if target.agent and (isinstance(error, TimeoutError) or "sign" in str(error)):
            raise ConnectFailed(_("the SSH agent of this worker does not sign with it")) from None
        raise ConnectFailed(_("host closed the connection during the log-in")) from None
    raise _refused(target, key)


def _refused(target: Target, key: paramiko.PKey, wanted: Sequence[str] = ()) -> LoginRefused:
    message = _("authentication refused for user %(user)s with the key %(key)s") % {
        "user": target.user,
        "key": fingerprint(public_text(key)),
    }
    if wanted:
        message += " " + _("(the host wants: %s)") % ", ".join(wanted)
    # Never again with the same key: hosts lock out whoever keeps on knocking.
    return LoginRefused(message)
