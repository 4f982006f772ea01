"""A job in a terminal: what matters as lines, and below them, where it is one, how far it is."""

import shutil
import sys
import time
from collections import Counter
from typing import TextIO

from webapp.cli.story import Item
from webapp.cli.telling import Teller
from webapp.words import _

WIDTH = 24
#: Seconds between two drawings; in a log file, between two lines.
REDRAW, REPEAT = 0.1, 5.0
CLEAR = "\r\033[K"

WELL = {"succeeded", "skipped"}
NOT_WELL = {"failed", "rolled_back", "unknown"}


class Progress:
    """``take`` every item of a job's story; ``rest`` before something else is printed."""

    def __init__(self, hosts: int, version: str, out: TextIO = sys.stdout) -> None:
        self._hosts, self._version, self._out = hosts, version, out
        self._states: dict[str, str] = {}
        self._steps: dict[str, str] = {}
        self._teller = Teller()
        self._live = out.isatty()
        self._drawn_at = 0.0
        self._drawn = ""

    def take(self, item: Item) -> None:
        if item["k"] == "host" and item.get("to"):
            self._states[item["h"]] = item["to"]
        if item["k"] == "step":
            self._steps[item["h"]] = item["step"]
        if _is_told(item):
            self._tell(item)
        self._draw()

    def rest(self) -> None:
        """Leave the last state of things on a line of its own."""
        self._draw(now=True)
        if self._live and self._drawn:
            self._out.write("\n")
            self._drawn = ""
        self._out.flush()

    def summary(self) -> str:
        counts = Counter(self._states.values())
        well = sum(counts[state] for state in WELL)
        bar = "#" * (WIDTH * well // self._hosts)
        parts = [_("%(n)s of %(all)s at %(version)s") % self._words(well)]
        at_work = [host for host, state in self._states.items() if state in ("queued", "running")]
        if at_work:
            parts.append(_("%(n)s at work") % {"n": len(at_work)} + self._where(at_work))
        if bad := sum(counts[state] for state in NOT_WELL):
            parts.append(_("%(n)s failed") % {"n": bad})
        return f"[{bar:.<{WIDTH}}] {', '.join(parts)}"

    def _words(self, n: int) -> dict[str, object]:
        return {"n": n, "all": self._hosts, "version": self._version}

    def _where(self, hosts: list[str]) -> str:
        """The steps they are at, most hosts first."""
        steps = Counter(self._steps[host] for host in hosts if host in self._steps)
        named = ", ".join(f"{step} {n}" for step, n in steps.most_common(4))
        return f" ({named})" if named else ""

    def _tell(self, item: Item) -> None:
        for line in self._teller.lines(item):
            self._out.write(f"{CLEAR if self._live else ''}{line}\n")
        self._drawn = ""

    def _draw(self, *, now: bool = False) -> None:
        passed = time.monotonic() - self._drawn_at
        if not now and passed < (REDRAW if self._live else REPEAT):
            return
        summary = self.summary()
        if summary == self._drawn:
            return
        # A line that wraps could not be drawn over.
        room = shutil.get_terminal_size().columns - 1
        self._out.write(f"{CLEAR}{summary[:room]}" if self._live else f"{summary}\n")
        self._out.flush()
        self._drawn, self._drawn_at = summary, time.monotonic()


def _is_told(item: Item) -> bool:
    """One line for each host would be too many: of these only what needs a person."""
    if item["k"] == "host":
        return item.get("to") in NOT_WELL
    return item["k"] in ("order", "batch", "job", "note")
