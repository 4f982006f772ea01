"""What an entry's hash is made of, and what a chain of them proves. Plain values.

Neither may ever change: what was written long ago is verified with it.
"""

import hashlib
import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from django.utils.translation import gettext as _

#: The parts of an entry that its hash is made of, beside ``at``.
PARTS = (
    *("number", "actor", "actor_name", "address"),
    *("action", "object", "game", "details", "previous"),
)

#: ``number``, ``at``, ``actor`` (an id or None), … and ``hash``.
Entry = Mapping[str, Any]


@dataclass(frozen=True)
class Link:
    """An entry's number and hash: what the next one hangs on."""

    number: int
    hash: str


class Broken(Exception):
    """The first entry at which a chain does not hold, and why."""

    def __init__(self, number: int, why: str) -> None:
        self.number, self.why = number, why
        super().__init__(_("entry %(number)s: %(why)s") % {"number": number, "why": why})


def digest(entry: Entry) -> str:
    """sha256 (hex) of the entry's canonical JSON; the hash before it is a part of that."""
    parts = {name: entry[name] for name in PARTS} | {"at": moment(entry["at"])}
    text = json.dumps(parts, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()


def moment(at: datetime | str) -> str:
    """To the microsecond, as every database keeps it."""
    if isinstance(at, str):
        return at
    return at.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def follow(entries: Iterable[Entry], start: Link) -> Link:
    """Go along a chain that hangs on ``start``, to its last entry. Raises Broken."""
    last = start
    for entry in entries:
        expected = last.number + 1
        if entry["number"] != expected:
            raise Broken(expected, _("is missing"))
        if entry["previous"] != last.hash:
            raise Broken(expected, _("does not follow the entry before it"))
        if entry["hash"] != digest(entry):
            raise Broken(expected, _("was changed after it was written"))
        last = Link(expected, entry["hash"])
    return last


def plain(value: Any) -> Any:
    """JSON that comes out of every database as it went in. Raises ValueError."""
    if isinstance(value, Mapping):
        return {_text(str(key)): plain(one) for key, one in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        ordered = sorted(value, key=str) if isinstance(value, (set, frozenset)) else value
        return [plain(one) for one in ordered]
    if isinstance(value, float):
        if not math.isfinite(value):
            raise ValueError(f"{value} is no JSON")
        # PostgreSQL keeps 1e16 as 10000000000000000.
        return int(value) if value.is_integer() else value
    if value is None or isinstance(value, (bool, int)):
        return value
    return _text(str(value))


def _text(text: str) -> str:
    """Without what JSON can write and PostgreSQL cannot store."""
    return text.replace("\0", "�").encode("utf-8", "replace").decode()
