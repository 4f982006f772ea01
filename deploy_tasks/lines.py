"""Where the lines of an attempt's output are: any of a million is read without the others.

A line's number is counted, once per process: marks are kept in memory every so many bytes, and a
number between two of them is counted on from the first. Output only ever grows.
"""

import re
from bisect import bisect_left, bisect_right
from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from operator import attrgetter
from threading import Lock
from typing import NamedTuple

from deploy_tasks.models import Attempt, Event

#: Bytes between two marks, and rows held at a time.
STRIDE = 256 * 1024
SLICE = 256
#: Beyond so many bytes lines are not counted: their end is shown, and all of it is in the file.
COUNTED = 256 * 1024 * 1024
#: Attempts whose marks are kept.
KEPT = 256
#: Characters of a line that are given, lines, and characters of all of them.
LONGEST = 8192
AT_ONCE = 500
TOGETHER = 1024 * 1024
#: Colours that are in force together.
COLOURS = 16

_COLOUR = re.compile(rb"\x1b\[[0-9;:]*m")


class Line(NamedTuple):
    """``cut``: how many characters more it has."""

    at: datetime
    text: str
    cut: int


class Mark(NamedTuple):
    """An event begins at byte ``offset``, ``ended`` lines have ended before it, and ``colours`` are
    in force there, as they were printed."""

    offset: int
    ended: int
    colours: tuple[bytes, ...] = ()


BEGINNING = Mark(0, 0)


@dataclass
class _Counted:
    """Of one attempt; grows with it."""

    marks: list[Mark] = field(default_factory=lambda: [BEGINNING])
    #: Where counting goes on.
    end: Mark = BEGINNING
    unended: bool = False
    lock: Lock = field(default_factory=Lock)

    def read_on(self, attempt: Attempt) -> None:
        with self.lock:
            for offset, raw_length, _at, output in _pieces(attempt, self.end.offset):
                if offset - self.marks[-1].offset >= STRIDE:
                    self.marks.append(Mark(offset, *self.end[1:]))
                self.end = _after(self.end, offset + raw_length, output)
                self.unended = not output.endswith(b"\n")

    def before(self, number: int) -> Mark:
        """The last mark before the beginning of a line; at its very place one may be amid it."""
        place = bisect_left(self.marks, number - 1, key=attrgetter("ended"))
        return self.marks[max(0, place - 1)]

    def at(self, offset: int) -> Mark:
        return self.marks[bisect_right(self.marks, offset, key=attrgetter("offset")) - 1]


_counted: OrderedDict[int, _Counted] = OrderedDict()
_lock = Lock()


def total(attempt: Attempt) -> int | None:
    """How many lines it has printed, the last maybe unended; None: too many to count."""
    if (counted := _count(attempt)) is None:
        return None
    return counted.end.ended + counted.unended


def number_at(attempt: Attempt, offset: int) -> int | None:
    """The number of the line in which an event that begins at this byte begins, from 1 on."""
    if (counted := _count(attempt)) is None:
        return None
    mark = counted.at(offset)
    for begin, raw_length, _at, output in _pieces(attempt, mark.offset):
        if begin >= offset:
            break
        mark = _after(mark, begin + raw_length, output)
    return mark.ended + 1


def read(attempt: Attempt, first: int, count: int) -> tuple[list[Line], str]:
    """Lines from number ``first`` on, and the colours in force where they begin.

    At most ``count``, `AT_ONCE` and `TOGETHER`, at least one where there is one.
    """
    if (counted := _count(attempt)) is None:
        return [], ""
    mark = counted.before(first)
    found: list[Line] = []
    size = 0
    colours = b""
    for line, begins in _lines(attempt, mark):
        mark = begins
        if begins.ended < first - 1:
            continue
        if not found:
            colours = b"".join(begins.colours)
        found.append(line)
        size += len(line.text)
        if len(found) >= min(count, AT_ONCE) or size >= TOGETHER:
            break
    return found, colours.decode("ascii")


def _count(attempt: Attempt) -> _Counted | None:
    if attempt.log_offset > COUNTED:
        return None
    with _lock:
        counted = _counted.setdefault(attempt.pk, _Counted())
        _counted.move_to_end(attempt.pk)
        while len(_counted) > KEPT:
            _counted.popitem(last=False)
    counted.read_on(attempt)
    return counted


def _lines(attempt: Attempt, mark: Mark) -> Iterator[tuple[Line, Mark]]:
    """Each line after a mark with the mark of its own beginning. What stands before the first line
    end may be the rest of a line that began earlier."""
    begun: list[bytes] = []
    began: datetime | None = None
    for offset, _raw_length, at, output in _pieces(attempt, mark.offset):
        for piece in _split(output):
            began = began or at
            begun.append(piece)
            if not piece.endswith(b"\n"):
                continue
            text = b"".join(begun)
            yield _line(began, text), mark
            mark = _after(mark, offset, text)
            begun, began = [], None
    if begun and began:
        yield _line(began, b"".join(begun)), mark


def _split(output: bytes) -> list[bytes]:
    """At line feeds alone: a carriage return begins no line."""
    pieces = output.split(b"\n")
    return [piece + b"\n" for piece in pieces[:-1]] + ([pieces[-1]] if pieces[-1] else [])


def _line(at: datetime, output: bytes) -> Line:
    text = output.removesuffix(b"\n").decode("utf-8", "replace")
    return Line(at, text[:LONGEST], max(0, len(text) - LONGEST))


def _after(mark: Mark, offset: int, output: bytes) -> Mark:
    """The mark that stands after ``output``."""
    return Mark(offset, mark.ended + output.count(b"\n"), _carried(mark.colours, output))


def _carried(colours: tuple[bytes, ...], output: bytes) -> tuple[bytes, ...]:
    if b"\x1b[" not in output:
        return colours
    reset = max(output.rfind(b"\x1b[0m"), output.rfind(b"\x1b[m"))
    if reset >= 0:
        colours, output = (), output[reset + 3 :]
    return (*colours, *_COLOUR.findall(output))[-COLOURS:]


def _pieces(attempt: Attempt, offset: int) -> Iterator[tuple[int, int, datetime, bytes]]:
    """Offset, raw length, time and bytes of its output events, from one that begins there on."""
    told = Event.objects.filter(attempt=attempt, kind=Event.Kind.OUTPUT).order_by("offset")
    while True:
        rows = list(
            told.filter(offset__gte=offset).values_list("offset", "raw_length", "at", "output")[
                :SLICE
            ]
        )
        for begin, raw_length, at, output in rows:
            offset = begin or 0
            yield offset, raw_length or 0, at, bytes(output or b"")
        if len(rows) < SLICE:
            return
        offset += 1
