"""What a benchmark found, and whether that is good enough."""

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Figure:
    """``part``: what of the benchmark, where it has more than one figure.

    ``theirs``: the same of ``peer``, measured in the same run. ``ratio``: ours to the peer's; the
    budget is for that where there is one, unless it is ``absolute``.
    """

    name: str
    unit: str
    ours: float | None
    part: str = ""
    hosts: int | None = None
    peer: str = ""
    theirs: float | None = None
    ratio: float | None = None
    budget: float | None = None
    absolute: bool = False
    #: Why there is no figure. Then nothing holds.
    failure: str = ""

    @property
    def holds(self) -> bool | None:
        if self.failure:
            return False
        measured = self.ours if self.absolute or self.ratio is None else self.ratio
        return None if measured is None or self.budget is None else measured <= self.budget

    @property
    def title(self) -> str:
        hosts = f", {self.hosts:,} hosts" if self.hosts else ""
        return f"{self.name}{hosts}{': ' if self.part else ''}{self.part}"

    def as_json(self) -> dict[str, Any]:
        """``ours_s`` and ``peer_s`` where the figure is a time; of others ``ours`` and ``theirs``,
        in ``unit``."""
        seconds = self.unit == "s"
        return {
            "name": self.name,
            "part": self.part,
            "hosts": self.hosts,
            "unit": self.unit,
            "ours": self.ours,
            "ours_s": self.ours if seconds else None,
            "peer": self.peer,
            "theirs": self.theirs,
            "peer_s": self.theirs if seconds else None,
            "ratio": self.ratio,
            "budget": self.budget,
            "holds": self.holds,
            "failure": self.failure,
        }


def table(figures: list[Figure]) -> str:
    rows = [("", "ours", "peer", "", "ratio", "budget", "holds", "")]
    for one in figures:
        holds = {True: "yes", False: "NO", None: ""}[one.holds]
        numbers = (one.ours, one.theirs, one.unit, one.ratio, one.budget, holds, one.peer)
        rows.append((one.title, *(_shown(value) for value in numbers)))
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    failures = [f"{one.title}: {one.failure}" for one in figures if one.failure]
    return "\n".join([*(_line(row, widths) for row in rows), *failures])


def _line(row: tuple[str, ...], widths: list[int]) -> str:
    words = (
        word.ljust(width) if i in (0, 3, 7) else word.rjust(width)
        for i, (word, width) in enumerate(zip(row, widths, strict=True))
    )
    return "  ".join(words).rstrip()


def _shown(value: float | str | None) -> str:
    if value is None:
        return ""
    return value if isinstance(value, str) else f"{value:.3g}" if value < 100 else f"{value:.0f}"
