"""The door to the hosts. Nothing outside this package imports paramiko.

`connect` gives a `Session`; a `Session` runs commands and opens `Channel`s. There is no way to
skip the host key check, no search for keys, no password, and every wait has a limit.
"""

from deploy_tasks.ssh.agent import AgentLogin
from deploy_tasks.ssh.certificates import Vouched
from deploy_tasks.ssh.channel import Channel, Vigil
from deploy_tasks.ssh.handshake import connect, offered_keys, vouched_keys
from deploy_tasks.ssh.keys import (
    ends_at,
    fingerprint,
    is_fingerprint,
    is_supported,
    public_half,
    read_certificate,
)
from deploy_tasks.ssh.session import Result, Session
from deploy_tasks.ssh.target import Limits, Target

__all__ = [
    "AgentLogin",
    "Channel",
    "Limits",
    "Result",
    "Session",
    "Target",
    "Vigil",
    "Vouched",
    "connect",
    "ends_at",
    "fingerprint",
    "is_fingerprint",
    "is_supported",
    "offered_keys",
    "public_half",
    "read_certificate",
    "vouched_keys",
]
