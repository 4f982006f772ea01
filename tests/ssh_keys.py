"""SSH keys for tests: real ones, made once."""

import base64
import subprocess
from functools import cache
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    KeySerializationEncryption,
    NoEncryption,
    PrivateFormat,
)

from demo.keys import public_of

__all__ = ["host_key", "make_key", "private_key", "public_of"]


@cache
def private_key(passphrase: str = "") -> str:
    lock: KeySerializationEncryption = NoEncryption()
    if passphrase:
        lock = BestAvailableEncryption(passphrase.encode())
    key = Ed25519PrivateKey.generate()
    return key.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, lock).decode()


def host_key(n: int) -> str:
    """The n-th of many host keys that nobody has the private half of."""
    kind = b"ssh-ed25519"
    parts = (kind, n.to_bytes(32, "big"))
    blob = b"".join(len(part).to_bytes(4, "big") + part for part in parts)
    return f"{kind.decode()} {base64.b64encode(blob).decode()}"


def make_key(path: Path, kind: str = "ed25519", *, passphrase: str = "") -> Path:
    """One of ssh-keygen's own; its public half beside it."""
    words = ["-q", "-t", kind, "-N", passphrase, "-C", "", "-f", str(path)]
    subprocess.run(["ssh-keygen", *words], check=True)
    return path
