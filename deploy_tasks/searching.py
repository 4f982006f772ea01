"""Looks for a text in what the hosts of a job printed, a bounded part of it at a time."""

import re
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby
from operator import itemgetter
from typing import Any, NamedTuple

from django.db.models import QuerySet, Sum

from deploy_tasks.models import Attempt, Event, Job

#: Of one look: bytes, seconds, and rows held at a time.
BYTES = 8 * 1024 * 1024
SECONDS = 1.0
SLICE = 256
#: Attempts that one look begins.
ATTEMPTS = 1000
#: Bytes of attempts that are read with one query.
TOGETHER = 1024 * 1024
#: A line that is longer is looked through in parts.
LONGEST = 64 * 1024
#: Characters of a line that are given, with what was found in their midst.
SHOWN = 300

_COLOUR = re.compile(r"\x1b\[[0-9;:]*m")


class Place(NamedTuple):
    """A look goes on at this byte of this attempt's output, where line ``line`` begins."""

    attempt: int = 0
    offset: int = 0
    line: int = 1

    @classmethod
    def parse(cls, text: str) -> "Place":
        """The reverse of ``str``. Raises ValueError."""
        return cls(*map(int, text.split("."))) if text else cls()

    def __str__(self) -> str:
        return f"{self.attempt}.{self.offset}.{self.line}"


@dataclass(frozen=True)
class Hit:
    host: str
    step: str
    number: int
    kind: str
    line: int
    at: datetime
    text: str


@dataclass(frozen=True)
class Look:
    """``after``: where the next look goes on; None: all was looked through. ``searched`` bytes of
    ``of`` were, with those of the looks before."""

    hits: list[Hit]
    after: Place | None
    searched: int
    of: int


def search(
    job: Job, text: str, *, host: str | None = None, after: Place | None = None, limit: int = 200
) -> Look:
    """Lines that hold ``text``, whatever its case, in the order in which attempts began.

    A look ends after about `BYTES`, `SECONDS` or ``limit`` hits, where a line ends.
    """
    attempts = Attempt.objects.filter(host_run__job=job, log_offset__gt=0)
    if host is not None:
        attempts = attempts.filter(host_run__name=host)
    hits: list[Hit] = []
    size, until = 0, time.monotonic() + SECONDS
    place: Place | None = None
    for stop in _stops(attempts, text.lower(), after or Place()):
        hits += stop.hits
        size += stop.size
        place = stop.place
        if len(hits) >= limit or size >= BYTES or time.monotonic() >= until:
            break
    else:
        place = None
    of = _size(attempts)
    if place is None:
        return Look(hits, None, of, of)
    searched = _size(attempts.filter(pk__lt=place.attempt)) + place.offset
    return Look(hits, place, min(searched, of), of)


def _size(attempts: QuerySet[Attempt, Attempt]) -> int:
    return attempts.aggregate(Sum("log_offset"))["log_offset__sum"] or 0


class _Begun(NamedTuple):
    pk: int
    host: str
    step: str
    number: int
    kind: str
    size: int


class _Stop(NamedTuple):
    """A look may end here: what was found since the last stop, in so many bytes."""

    hits: list[Hit]
    size: int
    place: Place


def _stops(attempts: QuerySet[Attempt, Attempt], needle: str, after: Place) -> Iterator[_Stop]:
    begun = [
        _Begun(*row)
        for row in attempts.filter(pk__gte=after.attempt)
        .order_by("pk")
        .values_list("pk", "host_run__name", "name", "number", "kind", "log_offset")[:ATTEMPTS]
    ]
    for attempts_together in _groups(begun):
        rows = _rows(attempts_together, after)
        by_attempt = groupby(rows, key=itemgetter(0))
        named = {one.pk: one for one in attempts_together}
        for pk, events in by_attempt:
            line = after.line if pk == after.attempt else 1
            reading = _Reading(named[pk], needle, line)
            for _pk, offset, raw_length, at, output in events:
                reading.take(bytes(output or b""), at)
                if reading.is_between_lines:
                    yield _Stop(
                        *reading.taken(), Place(pk, (offset or 0) + (raw_length or 0), reading.line)
                    )
            reading.end()
            yield _Stop(*reading.taken(), Place(pk + 1))
    more = len(begun) == ATTEMPTS
    if more:
        yield _Stop([], BYTES, Place(begun[-1].pk + 1))


def _groups(begun: list[_Begun]) -> Iterator[list[_Begun]]:
    """Many small ones are read with one query, a large one by itself."""
    together: list[_Begun] = []
    for one in begun:
        if together and sum(other.size for other in together) + one.size > TOGETHER:
            yield together
            together = []
        together.append(one)
    if together:
        yield together


def _rows(attempts: list[_Begun], after: Place) -> Iterator[tuple[Any, ...]]:
    """Attempt, offset, raw length, time and bytes of output events, from a place on."""
    first = attempts[0].pk
    offset = after.offset if first == after.attempt else 0
    told = Event.objects.filter(kind=Event.Kind.OUTPUT).values_list(
        "attempt", "offset", "raw_length", "at", "output"
    )
    while rows := list(told.filter(attempt=first, offset__gte=offset).order_by("offset")[:SLICE]):
        yield from rows
        offset = (rows[-1][1] or 0) + 1
    rest = [one.pk for one in attempts[1:]]
    if rest:
        yield from told.filter(attempt__in=rest).order_by("attempt", "offset")


class _Reading:
    """One attempt, line by line."""

    def __init__(self, attempt: _Begun, needle: str, line: int) -> None:
        self.line = line
        self._attempt = attempt
        self._needle = needle
        self._hits: list[Hit] = []
        self._size = 0
        self._held = b""
        self._at: datetime | None = None

    @property
    def is_between_lines(self) -> bool:
        return not self._held

    def taken(self) -> tuple[list[Hit], int]:
        """What was found since this was asked last, in so many bytes."""
        hits, size = self._hits, self._size
        self._hits, self._size = [], 0
        return hits, size

    def take(self, output: bytes, at: datetime) -> None:
        self._size += len(output)
        self._at = self._at or at
        whole, feed, rest = (self._held + output).rpartition(b"\n")
        if feed:
            self._look(whole, self._at)
            self.line += whole.count(b"\n") + 1
            self._at = at if rest else None
        self._held = rest
        if len(rest) > LONGEST:
            self._look(rest, at)
            self._held = rest[-4 * len(self._needle) :]

    def end(self) -> None:
        if self._held:
            self._look(self._held, self._at)

    def _look(self, output: bytes, at: datetime | None) -> None:
        text = output.decode("utf-8", "replace")
        if "\x1b" in text:
            text = _COLOUR.sub("", text)
        if self._needle not in text.lower():
            return
        for n, line in enumerate(text.split("\n"), self.line):
            place = line.lower().find(self._needle)
            # A long line is looked through in parts that overlap.
            known = self._hits and self._hits[-1].line == n
            if place >= 0 and at and not known:
                begin = max(0, place - SHOWN // 3)
                shown = line[begin : begin + SHOWN].strip()
                _pk, host, step, number, kind, _size = self._attempt
                self._hits.append(Hit(host, step, number, kind, n, at, shown))
