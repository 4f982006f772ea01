"""A table at the foot of the terminal that is drawn anew in place, and lines that pass above it."""

import os
import time
from collections.abc import Callable, Sequence
from typing import TextIO

from webapp.env import variable

#: Seconds between two drawings.
EVERY = 0.1
#: To the first column so many lines up, and away with everything from there on.
_UP = "\x1b[{}F\x1b[J"

Draw = Callable[[int, int], Sequence[str]]


def is_one(stream: TextIO) -> bool:
    """Whether it can be drawn on: a terminal that knows how to move."""
    return stream.isatty() and variable("TERM") not in (None, "", "dumb")


class Screen:
    """``draw(width, height)`` gives the table's lines."""

    def __init__(self, stream: TextIO, draw: Draw) -> None:
        self._stream, self._draw = stream, draw
        self._height = 0
        self._drawn = float("-inf")
        self._waiting: list[str] = []

    def pass_by(self, *lines: str) -> None:
        self._waiting += lines

    def paint(self, *, now: bool = False) -> None:
        """Shows what is new, unless that was done a moment ago."""
        if not now and time.monotonic() - self._drawn < EVERY:
            return
        self._drawn = time.monotonic()
        size = os.get_terminal_size(self._stream.fileno())
        table = self._draw(size.columns, size.lines)
        away = _UP.format(self._height) if self._height else ""
        self._stream.write(away + "".join(f"{line}\n" for line in [*self._waiting, *table]))
        self._stream.flush()
        self._height = len(table)
        self._waiting.clear()
