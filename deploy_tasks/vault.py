"""Secrets at rest: sealed with a public key that every process has, opened with a private key
that only workers have.

Keys lie in ``<home>/keys/seal/`` as ``<id>.pub`` and in ``PATCHWAVE_PRIVATE_KEYS``, by default the
same place, as ``<id>.key`` (0600), 32 bytes in hex each.
Ids sort by age; the newest that has a public half seals, every private one that is still there
opens. What was sealed carries whose it is, so a box moved to another row does not open.
"""

import hashlib
import os
import secrets
import time
from datetime import UTC, datetime
from pathlib import Path

from django.conf import settings
from django.utils.translation import gettext as _
from nacl.encoding import Base64Encoder, HexEncoder
from nacl.exceptions import CryptoError
from nacl.public import PrivateKey, PublicKey, SealedBox
from nacl.secret import SecretBox

from deploy_tasks.errors import HostFailed, is_out_of_room

#: A key of its own, and what proves that the box is whole (bytes).
OVERHEAD = 48


class SecretLocked(HostFailed):
    """A sealed secret cannot be opened here, and we can say why."""


class NoSealingKey(Exception):
    """This process has no public key to seal with: the instance was never started."""


def identity_of_credential(name: str) -> str:
    return f"credential:{name}"


def identity_of_pager(name: str) -> str:
    return f"pager:{name}"


def seal(secret: bytes, *, identity: str) -> tuple[str, bytes]:
    """Key id and box. ``identity`` names the owner, such as ``credential:fleet``."""
    key_id = newest()
    if key_id is None:
        raise NoSealingKey(f"no *.pub in {_public()}")
    key = PublicKey(_read(_public() / f"{key_id}.pub"), HexEncoder)
    return key_id, SealedBox(key).encrypt(_label(identity) + secret)


def open_sealed(key_id: str, box: bytes, *, identity: str) -> bytes:
    """The secret. Only a worker can. Raises SecretLocked."""
    try:
        key = PrivateKey(_read(settings.PRIVATE_KEYS / f"{key_id}.key"), HexEncoder)
    except OSError as error:
        if is_out_of_room(error):
            raise
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


def hide(text: str) -> str:
    """What every process may open again, and nobody who has only the database or a dump of it:
    what proves a person to the web process. It gives nobody a host. Base64."""
    return (
        SecretBox(_read(_public() / "hide"), HexEncoder)
        .encrypt(text.encode(), encoder=Base64Encoder)
        .decode()
    )


def show(hidden: str) -> str:
    """The other way. Raises CryptoError where it was changed or hidden by another instance."""
    return (
        SecretBox(_read(_public() / "hide"), HexEncoder)
        .decrypt(hidden.encode(), encoder=Base64Encoder)
        .decode()
    )


def ensure_keys() -> None:
    """Make this instance's first key pair, and the keys of ``digest`` and ``hide``, unless they
    are there."""
    if newest() is None:
        activate(prepared() or make_key())
    for name in ("digest", "hide"):
        if not (_public() / name).exists():
            _write(_public() / name, secrets.token_hex(32).encode())


def make_key() -> str:
    """The private half of a new key, which nothing is sealed with before `activate`.

    Its id is nobody else's, also where several machines make keys in the same second.
    """
    before = max(key_ids(), default="")
    key = PrivateKey.generate().encode(HexEncoder)
    while True:
        key_id = f"{datetime.now(UTC):%Y%m%d%H%M%S}{secrets.token_hex(8)}"
        if key_id > before and _write(_private() / f"{key_id}.key", key):
            return key_id
        time.sleep(0.05)  # ids sort by age, to the second


def activate(key_id: str) -> None:
    """From here on this key seals. Its private half is there: what is sealed can be opened."""
    key = PrivateKey(_read(_private() / f"{key_id}.key"), HexEncoder)
    _write(_public() / f"{key_id}.pub", key.public_key.encode(HexEncoder))


def prepared() -> str | None:
    """A private half that is newer than what seals: made, and not yet active."""
    newer = [path.stem for path in _private().glob("[!.]*.key") if path.stem > (newest() or "")]
    return max(newer, default=None)


def newest() -> str | None:
    """The key that seals."""
    return max((path.stem for path in _public().glob("[!.]*.pub")), default=None)


def active_since() -> datetime | None:
    """When the key that seals became active."""
    key_id = newest()
    if key_id is None:
        return None
    return datetime.fromtimestamp((_public() / f"{key_id}.pub").stat().st_mtime, UTC)


def key_ids() -> list[str]:
    """Of all keys that have a half here, oldest first."""
    files = [*_public().glob("[!.]*.pub"), *_private().glob("[!.]*.key")]
    return sorted({path.stem for path in files})


def knows(key_id: str) -> bool:
    """Is there a half of this key here, the public one at least?"""
    return key_id in key_ids()


def opens(key_id: str) -> bool:
    return (_private() / f"{key_id}.key").exists()


def remove(key_id: str) -> None:
    """Both halves; the public one first, so that nobody seals with what is gone."""
    (_public() / f"{key_id}.pub").unlink(missing_ok=True)
    (_private() / f"{key_id}.key").unlink(missing_ok=True)


def looks_plain(box: bytes) -> bool:
    """What was sealed is random bytes, 48 and more; what is text was never sealed."""
    if len(box) < OVERHEAD:
        return True
    try:
        return box.decode().isprintable() or b"-----BEGIN" in box
    except UnicodeDecodeError:
        return False


def digest(secret: bytes, *, identity: str) -> str:
    """A keyed, slow hash in 64 hex digits: tells whether a secret is the one we have, without
    opening it, and is of no help in guessing a short one."""
    salt = _read(_public() / "digest") + _label(identity)
    return hashlib.scrypt(secret, salt=salt, n=2**12, r=8, p=1, dklen=32).hex()


def _label(identity: str) -> bytes:
    return identity.encode() + b"\0"


def _public() -> Path:
    directory: Path = settings.HOME / "keys" / "seal"
    return directory


def _private() -> Path:
    directory: Path = settings.PRIVATE_KEYS
    return directory


def _read(path: Path) -> bytes:
    return path.read_bytes().strip()


def _write(path: Path, content: bytes) -> bool:
    """Whether it is ours: what is there already stays."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    fresh = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    fresh.touch(mode=0o600)
    fresh.write_bytes(content + b"\n")
    # Two processes may start at once: a link refuses to replace, so the first key stays.
    try:
        os.link(fresh, path)
    except FileExistsError:
        return False
    finally:
        fresh.unlink()
    return True
