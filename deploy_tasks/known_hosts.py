"""``known_hosts`` files and what ``ssh-keyscan`` prints, as values: which host has which key."""

import base64
import binascii
import hashlib
import hmac
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

from django.utils.translation import gettext as _

from deploy_tasks.errors import InvalidInput

REVOKED = "@revoked"
AUTHORITY = "@cert-authority"


@dataclass(frozen=True)
class Line:
    """``names``: as written, also patterns and hashes. ``key``: ``type base64``."""

    number: int
    marker: str
    names: tuple[str, ...]
    key: str

    def is_about(self, address: str, port: int) -> bool:
        return names_say(self.names, called(address, port))


def called(address: str, port: int) -> str:
    """As such a file calls a host."""
    return address if port == 22 else f"[{address}]:{port}"


def names_say(names: Sequence[str], name: str) -> bool:
    """Whether names, patterns and hashes, as one line has them, are about this one."""
    given = [one for one in names if not one.startswith("|")]
    if any(one.startswith("!") and fits(one[1:], name) for one in given):
        return False
    return any(fits(one, name) for one in given) or any(
        _is_hash_of(one, name) for one in names if one.startswith("|1|")
    )


def fits(pattern: str, name: str) -> bool:
    """``*`` and ``?`` stand for others; upper and lower case are one."""
    return fnmatchcase(name.lower(), _literal(pattern.lower()))


def read(text: str) -> Iterator[Line]:
    """Its lines but for comments. Raises InvalidInput with the line for what is none of a
    ``known_hosts`` file."""
    for number, line in enumerate(text.splitlines(), 1):
        words = line.split()
        if not words or words[0].startswith("#"):
            continue
        marker = words.pop(0) if words[0].startswith("@") else ""
        if len(words) < 3 or marker not in ("", REVOKED, AUTHORITY):
            raise InvalidInput(
                _("not a line of a known_hosts file, such as “eu-1 ssh-ed25519 AAAA…”"),
                field="known_hosts",
                line=number,
            )
        yield Line(number, marker, tuple(words[0].split(",")), f"{words[1]} {words[2]}")


def _literal(pattern: str) -> str:
    """``[10.0.0.1]:2222`` is no class of characters here."""
    return pattern.replace("[", "[[]")


def _is_hash_of(hashed: str, name: str) -> bool:
    try:
        _empty, _one, salt, digest = hashed.split("|")
        key, kept = base64.b64decode(salt, validate=True), base64.b64decode(digest, validate=True)
    except (ValueError, binascii.Error):
        return False
    made = hmac.new(key, name.encode(), hashlib.sha1).digest()
    return hmac.compare_digest(made, kept)
