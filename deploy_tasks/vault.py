"""Secrets at rest: sealed with a public key that every process has, opened with a private key
that only workers have.

Keys lie in ``<home>/keys/seal/`` as ``<id>.pub`` and in ``PATCHWAVE_PRIVATE_KEYS``, by default the
same place, as ``<id>.key`` (0600), 32 bytes in hex each.
Ids sort by age; the newest seals, every one that is still there opens. What was sealed carries
whose it is, so a box moved to another row does not open.
"""

import contextlib
import hashlib
import os
import secrets
from datetime import UTC, datetime
from pathlib import Path

from django.conf import settings
from django.utils.translation import gettext as _
from nacl.encoding import HexEncoder
from nacl.exceptions import CryptoError
from nacl.public import PrivateKey, PublicKey, SealedBox

from deploy_tasks.errors import HostFailed


class SecretLocked(HostFailed):
    """A sealed secret cannot be opened here, and we can say why."""


class NoSealingKey(Exception):
    """This process has no public key to seal with: the instance was never started."""


def identity_of_credential(name: str) -> str:
    return f"credential:{name}"


def seal(secret: bytes, *, identity: str) -> tuple[str, bytes]:
    """Key id and box. ``identity`` names the owner, such as ``credential:fleet``."""
    key_id = _newest()
    key = PublicKey(_read(_public() / f"{key_id}.pub"), HexEncoder)
    return key_id, SealedBox(key).encrypt(_label(identity) + secret)


def open_sealed(key_id: str, box: bytes, *, identity: str) -> bytes:
    """The secret. Only a worker can. Raises SecretLocked."""
    try:
        key = PrivateKey(_read(settings.PRIVATE_KEYS / f"{key_id}.key"), HexEncoder)
    except OSError:
        raise SecretLocked(
            _("the key %(key)s that opens %(identity)s is not on this worker")
            % {"key": key_id, "identity": identity}
        )
    try:
        content = SealedBox(key).decrypt(box)
    except CryptoError:
        raise SecretLocked(_("%(identity)s is damaged; import it again") % {"identity": identity})
    if not content.startswith(_label(identity)):
        raise SecretLocked(
            _("what is kept for %(identity)s was sealed for another; import it again")
            % {"identity": identity}
        )
    return content.removeprefix(_label(identity))


def ensure_keys() -> None:
    """Make this instance's first key pair, and the key of ``digest``, unless they are there."""
    if not any(_public().glob("*.pub")):
        key_id = f"{datetime.now(UTC):%Y%m%d%H%M%S}{secrets.token_hex(1)}"
        key = PrivateKey.generate()
        # The private half first: nothing can be sealed that nobody could open.
        _write(settings.PRIVATE_KEYS / f"{key_id}.key", key.encode(HexEncoder))
        _write(_public() / f"{key_id}.pub", key.public_key.encode(HexEncoder))
    if not (_public() / "digest").exists():
        _write(_public() / "digest", secrets.token_hex(32).encode())


def digest(secret: bytes, *, identity: str) -> str:
    """A keyed, slow hash in 64 hex digits: tells whether a secret is the one we have, without
    opening it, and is of no help in guessing a short one."""
    salt = _read(_public() / "digest") + _label(identity)
    return hashlib.scrypt(secret, salt=salt, n=2**12, r=8, p=1, dklen=32).hex()


def _label(identity: str) -> bytes:
    return identity.encode() + b"\0"


def _newest() -> str:
    ids = sorted(path.stem for path in _public().glob("*.pub"))
    if not ids:
        raise NoSealingKey(f"no *.pub in {_public()}")
    return ids[-1]


def _public() -> Path:
    directory: Path = settings.HOME / "keys" / "seal"
    return directory


def _read(path: Path) -> bytes:
    return path.read_bytes().strip()


def _write(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    fresh = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    fresh.touch(mode=0o600)
    fresh.write_bytes(content + b"\n")
    # Two processes may start at once: a link refuses to replace, so the first key stays.
    with contextlib.suppress(FileExistsError):
        os.link(fresh, path)
    fresh.unlink()
