"""Where to log in, as whom, and how long each part may take: values."""

from dataclasses import dataclass, field

from deploy_tasks.ssh.agent import AgentLogin


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

    ``host_keys`` are the pinned ones, each ``type base64``; ``authorities`` are the keys whose
    host certificates we believe, ``revoked`` those that we never do. We log in with
    ``private_key``, or with a key that an ``agent`` keeps; either may come with an OpenSSH
    ``certificate``.
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
    authorities: tuple[str, ...] = ()
    revoked: tuple[str, ...] = ()
