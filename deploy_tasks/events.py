"""Reads a job's story: the events after a cursor, as watchers and the API get them.

Only the journal writes events, and it gives ``seq`` in commit order: who has read up to N never
finds N - 1 later.
"""

import json
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

from django.db.models import Count, Q, QuerySet, Sum
from pydantic_core import to_json

from deploy_tasks.models import Attempt, Event, HostRun, Job
from deploy_tasks.times import iso

#: Bytes of a page, as JSON.
PAGE_BYTES = 1024 * 1024
#: Items of a page.
PAGE_ROWS = 10_000
#: How far a page may reach: bounds the work where a filter leaves nearly everything out.
PAGE_SPAN = 20_000
#: Rows held at a time; an output event has at most 8 KiB. A page begins with few, for small ones.
SLICE = 256
FIRST_SLICE = 32
#: What an item weighs beside its output.
ENVELOPE = 128


class Item(NamedTuple):
    """One event as it is shown: ``{"s", "h"?, "k", …, "at"}``."""

    seq: int
    #: The host whose output this is; None for all other kinds, which no filter leaves out.
    output_of: str | None
    #: As JSON, and its length in bytes.
    text: str
    size: int

    @property
    def fields(self) -> dict[str, Any]:
        return dict(json.loads(self.text))


@dataclass(frozen=True)
class Page:
    """The events ``after`` < seq <= ``to``, less what the filter left out.

    ``last_seq`` and ``state`` are the job's, of one moment: with ``to == last_seq`` all that
    happened up to that state is here.
    """

    lines: list[Item]
    to: int
    last_seq: int
    state: str

    @property
    def items(self) -> list[dict[str, Any]]:
        return [line.fields for line in self.lines]


def read(
    job_id: int,
    *,
    after: int,
    limit: int = PAGE_BYTES,
    hosts: Collection[str] | None = None,
) -> Page:
    """The next page after a cursor: at most ``limit`` bytes and `PAGE_ROWS` items, at least one.

    ``hosts``: leave out the output of all others. Raises Job.DoesNotExist.
    """
    last_seq, state = head(job_id)
    to = min(last_seq, after + PAGE_SPAN)
    lines: list[Item] = []
    size, many = 0, FIRST_SLICE
    while after < to:
        told = _between(job_id, after, to, hosts).order_by("seq").values_list(*_COLUMNS)[:many]
        found = [_item(*row) for row in told]
        for item in found:
            size += item.size
            if lines and (size > limit or len(lines) >= PAGE_ROWS):
                return Page(lines, item.seq - 1, last_seq, state)
            lines.append(item)
        if len(found) < many:
            break
        # No more than will fit, by what came: a row that is read and not wanted costs the same.
        after, many = found[-1].seq, min(SLICE, (limit - size) * len(lines) // size)
        if many <= 0:
            return Page(lines, after, last_seq, state)
    return Page(lines, to, last_seq, state)


def chapters(
    job_id: int,
    *,
    before: int | None = None,
    rows: int,
    kinds: Collection[str] = (),
    host: str | None = None,
    step: str | None = None,
    to: str | None = None,
) -> list[Item]:
    """All but output, newest first: ``rows`` before a cursor, of these kinds, about this host or
    step, that tell of a move ``to`` this state."""
    # Asking for data lets the index be used that leaves output out.
    told = Event.objects.filter(job_id=job_id, data__isnull=False)
    if before is not None:
        told = told.filter(seq__lt=before)
    if kinds:
        told = told.filter(kind__in=kinds)
    if host is not None:
        told = told.filter(host_run__name=host)
    if step is not None:
        told = told.filter(data__step=step)
    if to is not None:
        told = told.filter(data__to=to)
    return [_item(*row) for row in told.order_by("-seq").values_list(*_COLUMNS)[:rows]]


def jsonl(job_id: int) -> Iterator[bytes]:
    """The whole story as far as it has come, with its output, an item a line."""
    after, (last, _state) = 0, head(job_id)
    while after < last:
        page = read(job_id, after=after)
        yield "".join(f"{item.text}\n" for item in page.lines if item.seq <= last).encode()
        after = page.to


def head(job_id: int) -> tuple[int, str]:
    """The number of the newest event, and the job's state then. Raises Job.DoesNotExist."""
    return Job.objects.values_list("last_seq", "state").get(pk=job_id)


def weigh(job_id: int, *, after: int, to: int, hosts: Collection[str] | None = None) -> int:
    """About how many bytes the events ``after`` < seq <= ``to`` are."""
    found = _between(job_id, after, to, hosts).aggregate(Count("pk"), Sum("raw_length"))
    return int(found["pk__count"] * ENVELOPE + (found["raw_length__sum"] or 0))


def output(attempt: Attempt, *, before: int | None = None, limit: int = PAGE_BYTES) -> list[Item]:
    """The last output of an attempt, up to the byte ``before``: in order, about ``limit`` bytes."""
    told = Event.objects.filter(attempt=attempt, kind=Event.Kind.OUTPUT)
    if before is not None:
        told = told.filter(offset__lt=before)
    found: list[Item] = []
    size = 0
    rows = FIRST_SLICE
    while True:
        newest = list(told.order_by("-offset").values_list(*_COLUMNS)[:rows])
        for row in newest:
            item = _item(*row)
            size += item.size
            if found and size > limit:
                return found[::-1]
            found.append(item)
        if len(newest) < rows:
            return found[::-1]
        told, rows = told.filter(offset__lt=found[-1].fields["o"]), SLICE


def log_bytes(
    job: Job, host_name: str, step: str | None = None, attempt: int | None = None
) -> Iterator[bytes]:
    """A host's stored output, byte for byte, attempts in order; one query for each piece."""
    host_run = HostRun.objects.filter(job=job, name=host_name).first()
    output = Event.objects.filter(host_run=host_run, kind=Event.Kind.OUTPUT).order_by("seq")
    if step is not None:
        output = output.filter(attempt__name=step)
    if attempt is not None:
        output = output.filter(attempt__number=attempt)
    after = 0
    while found := list(output.filter(seq__gt=after).values_list("seq", "output")[:SLICE]):
        yield b"".join(bytes(piece or b"") for _, piece in found)
        after = found[-1][0]


def _between(
    job_id: int, after: int, to: int, hosts: Collection[str] | None
) -> QuerySet[Event, Event]:
    events = Event.objects.filter(job_id=job_id, seq__gt=after, seq__lte=to)
    if hosts is None:
        return events
    return events.filter(~Q(kind=Event.Kind.OUTPUT) | Q(host_run__name__in=hosts))


# The names come with the row: a page costs one query for each SLICE, however many hosts it has.
_COLUMNS = (
    "seq",
    "kind",
    "at",
    "host_run__name",
    "attempt__name",
    "attempt__number",
    "offset",
    "output",
    "data",
)


def _item(
    seq: int,
    kind: str,
    at: datetime,
    host: str | None,
    step: str | None,
    number: int | None,
    offset: int | None,
    output: bytes | None,
    data: dict[str, Any] | None,
) -> Item:
    fields: dict[str, Any] = {"s": seq}
    if host is not None:
        fields["h"] = host
    fields["k"] = kind
    is_output = kind == Event.Kind.OUTPUT
    if is_output:
        text = bytes(output or b"").decode("utf-8", "replace")
        fields |= {"step": step, "n": number, "o": offset, "d": text}
    else:
        fields |= data or {}
    fields["at"] = iso(at)
    if is_output:
        # Decoded output has no lone surrogates, so it can go as it is: half the size of escapes,
        # and four times as fast as by the encoder that knows them.
        written = to_json(fields)
        return Item(seq, host, written.decode(), len(written) + len(","))
    text = json.dumps(fields, separators=(",", ":"))
    return Item(seq, None, text, len(text) + len(","))
