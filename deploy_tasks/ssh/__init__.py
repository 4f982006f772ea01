"""The door to the hosts. Nothing outside this package imports paramiko.

`connect` gives a `Session`; a `Session` runs commands and opens `Channel`s. There is no way to
skip the host key check, no agent, no search for keys, no password, and every wait has a limit.
"""

from deploy_tasks.ssh.channel import Channel
from deploy_tasks.ssh.handshake import Limits, Target, connect, offered_keys
from deploy_tasks.ssh.keys import fingerprint, public_half
from deploy_tasks.ssh.session import Result, Session

__all__ = [
    "Channel",
    "Limits",
    "Result",
    "Session",
    "Target",
    "connect",
    "fingerprint",
    "offered_keys",
    "public_half",
]
