"""SSH keys of hosts and of whoever logs in to them. Works where no OpenSSH is installed."""

from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)


def make_key(path: Path) -> Path:
    """An ed25519 key in ``path``, its public half in ``path.pub``; one that is there stays."""
    if path.exists():
        return path
    key = Ed25519PrivateKey.generate()
    path.touch(mode=0o600)
    path.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption()))
    public = key.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH)
    _public_file(path).write_bytes(public + b"\n")
    return path


def public_of(key: Path) -> str:
    """The public half, ``type base64``."""
    return _public_file(key).read_text().strip()


def _public_file(key: Path) -> Path:
    return key.with_name(f"{key.name}.pub")
