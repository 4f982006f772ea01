"""Asks a running game what it is: its version, and how many play."""

import asyncio
import re
from dataclasses import dataclass

from django.utils.translation import gettext as _
from mcstatus import JavaServer

from deploy_tasks.errors import HostFailed

#: Seconds, of the whole question.
LIMIT = 5.0
LONGEST = 255


@dataclass(frozen=True)
class Answer:
    """``players`` None: not known, which is not zero. ``version`` empty: not known."""

    version: str = ""
    players: int | None = None


class Silent(HostFailed):
    """The game did not say; nothing follows from that about who plays."""


def minecraft(address: str, port: int) -> Answer:
    """As a player's client asks. Raises Silent."""
    try:
        # The library's own limit is for each read; a game that trickles would be read for long.
        asking = JavaServer(address, port, timeout=LIMIT).async_status(tries=1)
        status = asyncio.run(asyncio.wait_for(asking, LIMIT))
    except Exception as error:  # whatever a stranger's answer makes of the library
        raise Silent(
            _("the game does not answer on port %(port)s: %(why)s")
            % {"port": port, "why": getattr(error, "strerror", None) or type(error).__name__}
        ) from error
    return Answer(status.version.name[:LONGEST], max(0, status.players.online))


def read(text: str) -> Answer:
    """What a ``run`` query printed: lines ``version …`` and ``players …``. Raises Silent."""
    version = re.search(r"^version (\S.*)$", text, re.M)
    players = re.search(r"^players (\d{1,9})\s*$", text, re.M)
    if not version and not players:
        raise Silent(_("the query printed neither a version nor players"))
    return Answer(
        version[1].strip()[:LONGEST] if version else "", int(players[1]) if players else None
    )
