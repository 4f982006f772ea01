"""The signed end of the chain, to be kept where nobody of this instance can write.

A chain alone does not stop whoever can write all of it anew; a head that was taken away does. The
key lies in ``<home>/keys/audit``, made at the first start: Ed25519, 32 bytes in hex, 0600.
"""

import base64
import contextlib
import json
import os
import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from django.conf import settings
from django.utils import timezone
from django.utils.translation import gettext as _

from deploy_tasks.audit.chain import Link
from deploy_tasks.errors import InvalidInput
from deploy_tasks.times import iso

SIGNED = ("number", "hash", "at", "key")


def ensure_key() -> None:
    path = _path()
    if path.exists():
        return
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    fresh = path.with_name(f".audit.{secrets.token_hex(4)}")
    fresh.touch(mode=0o600)
    fresh.write_text(Ed25519PrivateKey.generate().private_bytes_raw().hex())
    # Two processes may start at once: a link refuses to replace, so the first key stays.
    with contextlib.suppress(FileExistsError):
        os.link(fresh, path)
    fresh.unlink()


def sign(link: Link) -> dict[str, Any]:
    """``number``, ``hash``, ``at``, ``key`` (public, base64) and ``signature`` (base64)."""
    ensure_key()
    key = Ed25519PrivateKey.from_private_bytes(bytes.fromhex(_path().read_text().strip()))
    head = {
        "number": link.number,
        "hash": link.hash,
        "at": iso(timezone.now()),
        "key": _base64(key.public_key().public_bytes_raw()),
    }
    return head | {"signature": _base64(key.sign(_signed(head)))}


def read(text: str) -> Link:
    """What a signed head says. Raises InvalidInput for what this instance has not signed."""
    try:
        head = json.loads(text)
        key = base64.b64decode(head["key"], validate=True)
        signature = base64.b64decode(head["signature"], validate=True)
        link = Link(int(head["number"]), str(head["hash"]))
        message = _signed(head)
    except (ValueError, KeyError, TypeError):
        raise InvalidInput(_("this is not a signed head of an audit"))
    try:
        Ed25519PublicKey.from_public_bytes(key).verify(signature, message)
    except (InvalidSignature, ValueError):
        raise InvalidInput(_("the signature of this head is not right: it was changed"))
    if head["key"] != sign(link)["key"]:
        raise InvalidInput(_("this head was signed with the key of another instance"))
    return link


def _signed(head: Mapping[str, Any]) -> bytes:
    parts = {name: head[name] for name in SIGNED}
    return json.dumps(parts, sort_keys=True, separators=(",", ":")).encode()


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def _path() -> Path:
    directory: Path = settings.HOME / "keys"
    return directory / "audit"
