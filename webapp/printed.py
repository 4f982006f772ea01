"""The last of what attempts printed, of many at a time."""

from collections import defaultdict
from collections.abc import Iterator, Sequence

from django.db.models import F

from deploy_tasks.models import Event

#: Bytes of an attempt's end that are looked at, and the most that one event holds.
END = 4096
EVENT = 8192
#: Attempts whose ends are held at a time.
SLICE = 200


def ends(attempts: Sequence[int], *, size: int = END) -> dict[int, str]:
    """The last of what each attempt printed. A query for each `SLICE` of them."""
    parts = (attempts[at : at + SLICE] for at in range(0, len(attempts), SLICE))
    return {attempt: text for part in parts for attempt, text in _some(part, size)}


def _some(attempts: Sequence[int], size: int) -> Iterator[tuple[int, str]]:
    last = Event.objects.filter(
        attempt__in=attempts,
        kind=Event.Kind.OUTPUT,
        offset__gte=F("attempt__log_offset") - (size + EVENT),
    )
    pieces: defaultdict[int, list[bytes]] = defaultdict(list)
    for attempt, output in last.order_by("offset").values_list("attempt", "output"):
        pieces[attempt].append(bytes(output or b""))
    for attempt, all_of_them in pieces.items():
        yield attempt, _end(b"".join(all_of_them), size).decode("utf-8", "replace")


def _end(output: bytes, size: int) -> bytes:
    """Whole lines, where there are any: half a line tells something else."""
    end = output[-size:]
    _half, _, lines = end.partition(b"\n") if len(output) > size else (b"", b"", end)
    return lines or end
