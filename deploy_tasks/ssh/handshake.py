"""From an address to a session we may trust: connect, banner, key exchange, host key, log-in."""

import threading
from collections.abc import Iterable, Sequence
from contextlib import ExitStack

import paramiko
from django.utils.translation import gettext as _

from deploy_tasks.errors import ConnectFailed, InvalidInput
from deploy_tasks.ssh import certificates
from deploy_tasks.ssh.certificates import CERTIFIED, SUFFIX, Vouched
from deploy_tasks.ssh.dial import Making, dial
from deploy_tasks.ssh.exchange import NoSuchHostKey, Shown, exchange_keys
from deploy_tasks.ssh.keys import ALGORITHMS, blob, fingerprint
from deploy_tasks.ssh.login import key_to_show, log_in
from deploy_tasks.ssh.session import Session, open_forward
from deploy_tasks.ssh.target import Limits, Target
from deploy_tasks.ssh.wire import Wire

#: A host has at most one key of each family.
KEY_FAMILIES = (
    ("ssh-ed25519",),
    ("ecdsa-sha2-nistp256", "ecdsa-sha2-nistp384", "ecdsa-sha2-nistp521"),
    ("ssh-rsa",),
)

# More at a time only make each other slow, and then all of them time out.
_handshakes = threading.BoundedSemaphore(64)


def connect(
    target: Target, *, limits: Limits = Limits(), making: Making = lambda cut: None
) -> Session:
    """Open a session with a host whose key is pinned, or vouched for. Raises ConnectFailed.

    ``making`` is given what cuts off the part of it that is under way, each in its turn.
    """
    if not target.host_keys and not target.authorities:
        raise ConnectFailed(
            _("no host key is pinned; approve its fingerprint first"), retryable=False
        )
    try:
        return _connect(target, limits, making)
    except ConnectFailed as failure:
        # sshd drops connections like this where too many begin at once.
        if not isinstance(failure.__cause__, ConnectionResetError | BrokenPipeError):
            raise
    return _connect(target, limits, making)


def offered_keys(
    address: str, port: int, *, via: Target | None = None, limits: Limits = Limits()
) -> list[str]:
    """The host keys (``type base64``) a host shows. Does not log in. Raises ConnectFailed."""
    families = [_algorithms(kinds) for kinds in KEY_FAMILIES]
    return [shown.key for shown in _all_shown(families, address, port, via, limits)]


def vouched_keys(target: Target, *, limits: Limits = Limits()) -> list[Vouched]:
    """The host keys that a host's certificates vouch for, by its authorities. Does not log in.

    Raises ConnectFailed with the reason where there is none.
    """
    families = [tuple(name + SUFFIX for name in _algorithms(kinds)) for kinds in KEY_FAMILIES]
    found, why = [], _("the host shows no certificate")
    for shown in _all_shown(families, target.address, target.port, target.via, limits):
        try:
            found.append(_vouched(target, shown))
        except InvalidInput as refusal:
            why = str(refusal)
    if not found:
        raise ConnectFailed(why, retryable=False)
    return found


def _all_shown(
    families: Sequence[tuple[str, ...]],
    address: str,
    port: int,
    via: Target | None,
    limits: Limits,
) -> list[Shown]:
    """What a host shows to whoever wants one of a family of algorithms, one family at a time."""
    found: list[Shown] = []
    failure: ConnectFailed | None = None
    for algorithms in families:
        with ExitStack() as opened:
            wire = _reach(address, port, via, limits, opened)
            try:
                with _handshakes:
                    transport, shown = exchange_keys(wire, algorithms, limits)
            except NoSuchHostKey:
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


class _Unvouched(ConnectFailed):
    """The host shows a certificate that is not believed, of a key that is not pinned."""


def _connect(target: Target, limits: Limits, making: Making) -> Session:
    try:
        pinned = _algorithms(_kind(key) for key in target.host_keys)
        key = key_to_show(target)
    except InvalidInput as error:
        raise ConnectFailed(str(error), retryable=False) from None
    if target.authorities:
        try:
            return _connect_by(target, key, (*CERTIFIED, *pinned), limits, making)
        except _Unvouched:
            # One that has ended, say: the pinned key may be there all the same.
            if not pinned:
                raise
    return _connect_by(target, key, pinned, limits, making)


def _connect_by(
    target: Target,
    key: paramiko.PKey | None,
    algorithms: tuple[str, ...],
    limits: Limits,
    making: Making,
) -> Session:
    with ExitStack() as opened:
        wire = _reach(target.address, target.port, target.via, limits, opened, making)
        with _handshakes:
            try:
                transport, shown = exchange_keys(wire, algorithms, limits)
            except NoSuchHostKey:
                raise _unknown(target) from None
            opened.callback(transport.close)
            vouched = _require_known(target, shown)
            log_in(transport, target, key, limits.auth)
            transport.settle()
        close = opened.pop_all().close
        return Session(transport, wire, channel_limit=limits.channel, close=close, vouched=vouched)


def _kind(key: str) -> str:
    """Of a key as text. Raises InvalidInput for what is none."""
    blob(key)
    return key.split()[0]


def _algorithms(kinds: Iterable[str]) -> tuple[str, ...]:
    return tuple(name for kind in dict.fromkeys(kinds) for name in ALGORITHMS[kind])


def _require_known(target: Target, shown: Shown) -> Vouched | None:
    """Raises ConnectFailed unless the key is pinned, or a certificate vouches for it."""
    if shown.key in target.revoked:
        raise ConnectFailed(
            _("this host key is revoked: %s") % fingerprint(shown.key), retryable=False
        )
    is_pinned = blob(shown.key) in {blob(key) for key in target.host_keys}
    if shown.certificate:
        try:
            return _vouched(target, shown)
        except InvalidInput as why:
            if is_pinned:
                return None
            changed = f"{_changed(target, fingerprint(shown.key))}; " if target.host_keys else ""
            raise _Unvouched(f"{changed}{why}", retryable=False) from None
    if not is_pinned:
        raise _changed(target, fingerprint(shown.key))
    return None


def _vouched(target: Target, shown: Shown) -> Vouched:
    """Raises InvalidInput with the reason."""
    return certificates.read(
        shown.certificate,
        authorities=target.authorities,
        revoked=target.revoked,
        # As ssh knows it by its address, or by a HostKeyAlias, which here is its own name.
        names=(target.address, target.name),
    )


def _unknown(target: Target) -> ConnectFailed:
    if not target.host_keys:
        return ConnectFailed(
            _("no host key is pinned, and the host shows no certificate"), retryable=False
        )
    kinds = dict.fromkeys(key.split()[0] for key in target.host_keys)
    return _changed(target, _("no key of type %s") % ", ".join(kinds))


def _changed(target: Target, shown: str) -> ConnectFailed:
    return ConnectFailed(
        _("host key changed: pinned %(pinned)s but the host shows %(shown)s")
        % {
            "pinned": ", ".join(fingerprint(key) for key in target.host_keys),
            "shown": shown,
        },
        retryable=False,
    )


def _reach(
    address: str,
    port: int,
    via: Target | None,
    limits: Limits,
    opened: ExitStack,
    making: Making = lambda cut: None,
) -> Wire:
    """A wire to the address. ``opened`` learns how to close it, and the jump host's session."""
    if via is None:
        wire = Wire(dial(address, port, limits.connect, making))
    else:
        try:
            gateway = connect(via, limits=limits, making=making)
        except ConnectFailed as failure:
            raise ConnectFailed(
                _("jump host %(name)s: %(failure)s") % {"name": via.name, "failure": failure},
                retryable=failure.retryable,
            ) from None
        opened.callback(gateway.close)
        making(gateway.close)
        wire = Wire(open_forward(gateway, via.name, address, port, limits.connect))
    opened.callback(wire.close)
    making(wire.close)
    return wire
