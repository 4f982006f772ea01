"""The log-in: one key, shown once to a host that is known to be the right one."""

import threading
from collections.abc import Sequence
from datetime import UTC, datetime

import paramiko
from django.utils.translation import gettext as _
from paramiko.ssh_exception import BadAuthenticationType, PartialAuthentication

from deploy_tasks.errors import ConnectFailed, InvalidInput, LoginRefused
from deploy_tasks.ssh.agent import key_of
from deploy_tasks.ssh.keys import (
    certified_key,
    ends_at,
    fingerprint,
    parse_private_key,
    public_text,
)
from deploy_tasks.ssh.target import Target
from deploy_tasks.times import iso
from deploy_tasks.visible import spelled


def key_to_show(target: Target) -> paramiko.PKey | None:
    """Read before anything is sent; None: an agent has it. Raises InvalidInput."""
    _refuse_ended(target)
    if target.agent:
        return None
    if target.certificate:
        return certified_key(target.private_key, target.passphrase, target.certificate)
    return parse_private_key(target.private_key, target.passphrase)


def log_in(
    transport: paramiko.Transport, target: Target, key: paramiko.PKey | None, limit: float
) -> None:
    """Within ``limit`` seconds. Raises ConnectFailed, LoginRefused."""
    if key is not None:
        _show(transport, target, key, limit)
        return
    assert target.agent
    with key_of(target.agent) as agents:
        if target.certificate:
            agents.load_certificate(target.certificate)
        _show(transport, target, agents, limit)


def _refuse_ended(target: Target) -> None:
    # The host would only say no, and take note of who knocks.
    ends = ends_at(target.certificate) if target.certificate else None
    if ends and ends <= datetime.now(UTC):
        raise InvalidInput(_("the certificate to log in with has ended: %s") % iso(ends))


def _show(transport: paramiko.Transport, target: Target, key: paramiko.PKey, limit: float) -> None:
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
        message += " " + _("(the host wants: %s)") % spelled(", ".join(wanted))[:200]
    # Never again with the same key: hosts lock out whoever keeps on knocking.
    return LoginRefused(message)
