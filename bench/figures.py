"""What a benchmark found, and whether that is good enough."""

from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class Figure:
    """``ratio``: ours to the peer's, where that is what the budget is for; else ours is."""

    name: str
    unit: str
    ours: float | None
    peer: float | None = None
    ratio: float | None = None
    budget: float | None = None
    #: Why there is no figure. Then nothing holds.
    failure: str = ""

    @property
    def holds(self) -> bool | None:
        if self.failure:
            return False
        measured = self.ours if self.ratio is None else self.ratio
        return None if measured is None or self.budget is None else measured <= self.budget

    def as_json(self) -> dict[str, Any]:
        return asdict(self) | {"holds": self.holds}


def table(figures: list[Figure]) -> str:
    rows = [("", "ours", "peer", "", "ratio", "budget", "holds")]
    for one in figures:
        holds = {True: "yes", False: "NO", None: ""}[one.holds]
        numbers = (one.ours, one.peer, one.unit, one.ratio, one.budget, holds)
        rows.append((one.name, *(_shown(value) for value in numbers)))
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    failures = [f"{one.name}: {one.failure}" for one in figures if one.failure]
    return "\n".join([*(_line(row, widths) for row in rows), *failures])


def _line(row: tuple[str, ...], widths: list[int]) -> str:
    first, *rest = (
        word.ljust(width) if i in (0, 3) else word.rjust(width)
        for i, (word, width) in enumerate(zip(row, widths, strict=True))
    )
    return "  ".join([first, *rest]).rstrip()


def _shown(value: float | str | None) -> str:
    if value is None:
        return ""
    return value if isinstance(value, str) else f"{value:.3g}" if value < 100 else f"{value:.0f}"
