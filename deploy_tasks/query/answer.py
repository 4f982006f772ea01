"""What a game said of itself, or why it did not."""

import asyncio
import re
from collections.abc import Coroutine
from dataclasses import dataclass
from typing import Any, TypeVar

from django.utils.translation import gettext as _

from deploy_tasks.errors import HostFailed

#: Seconds, of the whole question.
LIMIT = 5.0
LONGEST = 255

Told = TypeVar("Told")


@dataclass(frozen=True)
class Answer:
    """``players`` None: not known, which is not zero. ``version`` empty: not known."""

    version: str = ""
    players: int | None = None

    def __post_init__(self) -> None:
        printable = "".join(c for c in self.version if c.isprintable()).strip()
        object.__setattr__(self, "version", printable[:LONGEST])


class Silent(HostFailed):
    """The game did not say; nothing follows from that about who plays."""


class NotAsked(Silent):
    """This host is not to be asked: it names no port."""


def within_limit(asking: Coroutine[Any, Any, Told], port: int) -> Told:
    """What a library was told. Raises Silent.

    The limits of the libraries are for each read: a game that trickles would be read for long.
    """
    try:
        return asyncio.run(asyncio.wait_for(asking, LIMIT))
    except Exception as error:  # whatever a stranger's answer makes of the library
        raise Silent(
            _("the game does not answer on port %(port)s: %(why)s")
            % {"port": port, "why": _in_words(error)}
        ) from error


def read(text: str) -> Answer:
    """What a ``run`` query printed: lines ``version …`` and ``players …``. Raises Silent."""
    version = re.search(r"^version (\S.*)$", text, re.M)
    players = re.search(r"^players (\d{1,9})\s*$", text, re.M)
    if not version and not players:
        raise Silent(_("the query printed neither a version nor players"))
    return Answer(version[1] if version else "", int(players[1]) if players else None)


def _in_words(error: Exception) -> str:
    if isinstance(error, TimeoutError):
        return _("no answer within %d s") % LIMIT
    return getattr(error, "strerror", None) or _("no proper answer (%s)") % type(error).__name__
