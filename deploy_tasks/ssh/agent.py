"""Keys that are not ours: an SSH agent of the worker's machine signs, and we never see them."""

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import paramiko
from django.utils.translation import gettext as _
from paramiko.agent import AgentKey, AgentSSH

from deploy_tasks.errors import ConnectFailed
from deploy_tasks.ssh.keys import hash_of

#: Seconds in which the agent must answer; a person may have to confirm there.
AGENT_LIMIT = 20.0


@dataclass(frozen=True)
class AgentLogin:
    """The key with this fingerprint, of the agent that listens on this unix socket."""

    fingerprint: str
    socket: str


class _Agent(AgentSSH):
    """paramiko's own waits for ever, and finds its socket by itself."""

    def __init__(self, path: str) -> None:
        super().__init__()
        link = socket.socket(socket.AF_UNIX)
        try:
            link.settimeout(AGENT_LIMIT)
            link.connect(path)
            self._connect(link)  # type: ignore[attr-defined]
        except BaseException:
            link.close()
            raise


@contextmanager
def key_of(login: AgentLogin) -> Iterator[AgentKey]:
    """The key, for as long as the block lasts. Raises ConnectFailed."""
    if not login.socket:
        raise ConnectFailed(_("this worker has no SSH agent: SSH_AUTH_SOCK is not set for it"))
    try:
        agent = _Agent(login.socket)
    except (OSError, paramiko.SSHException) as error:
        why = (error.strerror if isinstance(error, OSError) else None) or str(error)
        raise ConnectFailed(_("the SSH agent of this worker does not answer: %s") % why) from None
    try:
        for key in agent.get_keys():
            if "-cert-" not in key.get_name() and hash_of(key.blob) == login.fingerprint:
                yield key
                return
        raise ConnectFailed(
            _("the SSH agent of this worker has no key %s; add it there") % login.fingerprint
        )
    finally:
        agent._close()  # type: ignore[attr-defined]
