"""How a job's hosts stand, kept by the items of its story, and drawn as a table. Pure values."""

import time
import unicodedata
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from webapp.cli.plain import plain
from webapp.cli.story import Item, Link
from webapp.cli.tables import table
from webapp.words import _, ngettext

#: Rows in this order where there is not room for all: what asks for a person comes first.
FIRST = ("failed", "unknown", "unreachable", "running", "queued", "paused", "staged", "waiting")
HOST_ENDED = {"succeeded", "skipped", "failed", "cancelled", "rolled_back"}


@dataclass
class Host:
    """One row. ``since`` is when its step began, or it ended, in seconds since the epoch."""

    name: str
    state: str
    step: str = ""
    attempt: int = 1
    why: str = ""
    link: str = ""
    since: float | None = None

    @property
    def shown(self) -> str:
        away = self.link == "unreachable" and self.state not in HOST_ENDED
        return "unreachable" if away else self.state


class Board:
    """``seq``: the event up to which the list that it begins with is told."""

    def __init__(self, told: dict[str, Any]) -> None:
        self.seq: int = told["as_of_seq"]
        self._hosts = {row["name"]: _host(row) for row in told["hosts"]}

    @property
    def names(self) -> set[str]:
        return set(self._hosts)

    def take(self, item: Item) -> None:
        if item["s"] <= self.seq:
            return
        self.seq = item["s"]
        move = MOVES.get(item["k"])
        host = self._hosts.get(item.get("h", ""))
        if move and host:
            move(host, item)

    def lines(self, head: str, *, width: int, height: int) -> list[str]:
        """At most ``height`` lines of at most ``width`` columns, under a line of its own."""
        shown = Counter(host.shown for host in self._hosts.values())
        counts = ", ".join(f"{n} {state}" for state, n in sorted(shown.items(), key=_by_rank))
        listed = sorted(self._hosts.values(), key=lambda host: _rank(host.shown))
        room = max(1, height - 4)
        more: list[str] = []
        if len(listed) > room:
            room -= 1
            more = [_("and %d more") % (len(listed) - room)]
        rows = [_row(host) for host in listed[:room]]
        columns = [_("HOST"), _("STATE"), _("STEP"), _("TIME"), _("WHY")]
        lines = [head, counts, *table(columns, rows), *more]
        return [cut(plain(line), width) for line in lines]


def told(link: Link, *, seq: int, gaps: int) -> str:
    """What is true of the connection."""
    match link:
        case Link.LIVE:
            return ngettext("live, %d gap", "live, %d gaps", gaps) % gaps if gaps else _("live")
        case Link.BEHIND:
            return _("behind, catching up")
        case Link.RECONNECTING:
            return _("reconnecting, nothing lost, resuming at #%d") % seq
        case Link.POLLING:
            return _("no socket, polling")
    return _("connecting")


def cut(text: str, width: int) -> str:
    """As much as fits into so many columns of a terminal."""
    used = 0
    for place, char in enumerate(text):
        used += 2 if unicodedata.east_asian_width(char) in "WF" else 1
        if used > width:
            return text[:place]
    return text


def _row(host: Host) -> Sequence[str]:
    step = f"{host.step} ({host.attempt})" if host.step and host.attempt > 1 else host.step
    running = host.since is not None and host.state not in HOST_ENDED
    spent = _clock(time.time() - host.since) if running and host.since else ""
    return [host.name, host.shown, step, spent, host.why]


def _clock(seconds: float) -> str:
    minutes, rest = divmod(max(0, int(seconds)), 60)
    return f"{minutes}:{rest:02}"


def _rank(shown: str) -> int:
    return FIRST.index(shown) if shown in FIRST else len(FIRST)


def _by_rank(count: tuple[str, int]) -> tuple[int, str]:
    return _rank(count[0]), count[0]


def _host(row: dict[str, Any]) -> Host:
    return Host(
        name=row["name"],
        state=row["state"],
        step=row["step"] or "",
        attempt=row["attempt"] or 1,
        why=row["error"] or row["reason"],
        link=row["link"] or "",
        since=_seconds(row["started_at"]),
    )


def _host_moved(host: Host, item: Item) -> None:
    if item.get("to", host.state) != host.state:
        host.state, host.why = item["to"], ""
    host.why = item.get("error") or item.get("reason") or host.why


def _step_moved(host: Host, item: Item) -> None:
    if (host.step, host.attempt) != (item["step"], item["n"]) or item["to"] == "running":
        host.since = _seconds(item["at"])
    host.step, host.attempt = item["step"], item["n"]


def _link_moved(host: Host, item: Item) -> None:
    host.link = item["to"]


def _seconds(at: str | None) -> float | None:
    return datetime.fromisoformat(at).timestamp() if at else None


MOVES: dict[str, Callable[[Host, Item], None]] = {
    "host": _host_moved,
    "step": _step_moved,
    "link": _link_moved,
}
