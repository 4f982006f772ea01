"""Why hosts failed: those with the same trouble in the same step, together."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from django.db.models import F, Q

from deploy_tasks import causes
from deploy_tasks.models import Attempt, Event, HostRun, Job
from deploy_tasks.states import AttemptKind, AttemptState, HostRunState
from webapp.shapes import CauseReport, FailureList, FailureReport

FAILED = (HostRunState.FAILED, HostRunState.ROLLED_BACK)
#: Bytes of an attempt's end that are looked at, and the most that one event holds.
END = 4096
EVENT = 8192
#: Attempts whose ends are held at a time.
SLICE = 200


def failures(job: Job) -> FailureList:
    """``{as_of_seq, causes: […]}``, most hosts first. Rows are read after ``as_of_seq``.

    Costs two queries, and one for each `SLICE` of hosts that failed.
    """
    runs = list(
        HostRun.objects.filter(job=job, state__in=FAILED)
        .order_by("position", "pk")
        .values_list("pk", "name", "error", "down", "excluded", "host__address")
    )
    broken = _broken(job)
    ends = _ends([one.pk for one in broken.values() if one.exit_status is not None])
    found: dict[tuple[str | None, str], CauseReport] = {}
    for pk, name, error, down, excluded, address in runs:
        attempt = broken.get(pk)
        # Without an exit status it was we who ended it, and we say why.
        line = causes.telling(ends.get(attempt.pk, "")) if attempt else ""
        line = line or causes.plain(error)
        step = attempt.name if attempt else None
        cause = causes.cause(line, names=(name, address or ""))
        together = found.setdefault(
            (step, cause), {"step": step, "cause": cause, "sample": line, "hosts": []}
        )
        host: FailureReport = {"name": name, "line": line, "down": down, "excluded": excluded}
        together["hosts"].append(host)
    ordered = sorted(found.values(), key=lambda one: -len(one["hosts"]))
    return {"as_of_seq": job.last_seq, "causes": ordered}


@dataclass(frozen=True)
class _Broken:
    pk: int
    name: str
    exit_status: int | None


def _broken(job: Job) -> dict[int, _Broken]:
    """By host run: the attempt that failed at the step where it stands, or at a later one that was
    undone since."""
    attempts = Attempt.objects.filter(
        host_run__job=job,
        host_run__state__in=FAILED,
        step__gte=F("host_run__step"),
        kind=AttemptKind.DO,
        state=AttemptState.FAILED,
    )
    here = Q(step=F("host_run__step"))
    rows = (
        attempts.annotate(here=here)
        .order_by("pk")
        .values_list("host_run", "pk", "name", "exit_status", "here", "reason", "host_run__error")
    )
    return {
        run: _Broken(pk, name, status)
        for run, pk, name, status, here, reason, error in rows
        # What failed before a retry went back is not what it says of itself now.
        if here or (reason and error.startswith(reason))
    }


def _ends(attempts: Sequence[int]) -> dict[int, str]:
    """The last of what each attempt printed."""
    return {attempt: text for part in _slices(attempts) for attempt, text in _some_ends(part)}


def _slices(attempts: Sequence[int]) -> Iterator[Sequence[int]]:
    return (attempts[at : at + SLICE] for at in range(0, len(attempts), SLICE))


def _some_ends(attempts: Sequence[int]) -> Iterator[tuple[int, str]]:
    last = Event.objects.filter(
        attempt__in=attempts,
        kind=Event.Kind.OUTPUT,
        offset__gte=F("attempt__log_offset") - (END + EVENT),
    )
    pieces: defaultdict[int, list[bytes]] = defaultdict(list)
    for attempt, output in last.order_by("offset").values_list("attempt", "output"):
        pieces[attempt].append(bytes(output or b""))
    for attempt, all_of_them in pieces.items():
        yield attempt, b"".join(all_of_them)[-END:].decode("utf-8", "replace")
