"""Why hosts failed: those with the same trouble in the same step, together."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import NamedTuple

from django.db.models import BooleanField, Exists, ExpressionWrapper, F, OuterRef, Q

from deploy_tasks import causes, floors, revisions
from deploy_tasks.models import Attempt, Event, HostRun, Job
from deploy_tasks.standing import NEVER_BEGUN
from deploy_tasks.states import AttemptKind, AttemptState, HostRunState
from webapp.shapes import CauseReport, FailureList, FailureReport

ROLLED_BACK = HostRunState.ROLLED_BACK
FAILED = (HostRunState.FAILED, ROLLED_BACK)
#: Bytes of an attempt's end that are looked at, and the most that one event holds.
END = 4096
EVENT = 8192
#: Attempts whose ends are held at a time.
SLICE = 200


@dataclass(frozen=True)
class Why:
    """Why a host run failed. ``line``: of what it ``printed`` last, what tells most, else what we
    say of it; ``cause``: what is left of that for all with the same trouble; ``step``: in which.
    """

    step: str | None
    cause: str
    line: str
    printed: bool

    @property
    def words(self) -> str:
        """Of a single host: also what differs from host to host."""
        return self.line if "…" in self.cause else self.cause


def failures(job: Job) -> FailureList:
    """``{as_of_seq, causes: […]}``, most hosts first. Rows are read after ``as_of_seq``.

    Costs three queries, and one for each `SLICE` of hosts that failed.
    """
    runs = HostRun.objects.filter(job=job, state__in=FAILED).order_by("position", "pk")
    still_down = ExpressionWrapper(floors.still_down(), BooleanField())
    rows = runs.annotate(still_down=still_down).values_list(*_Failed._fields, "still_down")
    failed = [(_Failed(*row), down) for *row, down in rows]
    known = _whys([run for run, _down in failed], Q(host_run__job=job))
    untouched = _untouched(job) if failed else set()
    found: dict[tuple[str | None, str], CauseReport] = {}
    for run, down in failed:
        why = known[run.pk]
        kept = run.pk in untouched or (run.state == ROLLED_BACK and not job.rolls_back_id)
        together = found.setdefault(
            (why.step, why.cause),
            {"step": why.step, "cause": why.cause, "sample": why.line, "hosts": []},
        )
        host: FailureReport = {
            "name": run.name,
            "line": why.line,
            "down": down,
            "left_at": run.previous or None if kept else None,
            "again": again(job, run.step),
            "excluded": run.excluded,
        }
        together["hosts"].append(host)
    ordered = sorted(found.values(), key=lambda one: -len(one["hosts"]))
    return {"as_of_seq": job.last_seq, "causes": ordered}


def again(job: Job, step: int) -> str | None:
    """The step that a retry of a host run which stands at ``step`` begins with; None: all of them
    stand, and only the version is asked again."""
    names = revisions.step_names(job.revision)
    return names[step] if step < len(names) else None


def whys(runs: Sequence[HostRun]) -> Mapping[int, Why]:
    """By host run, of those that failed. Asked again for the same ones it costs nothing."""
    return _kept(tuple((run.pk, run.ended_at, run.error) for run in runs if run.state in FAILED))


@lru_cache(maxsize=64)
def _kept(stand: tuple[tuple[int, datetime | None, str], ...]) -> Mapping[int, Why]:
    """Why a host run failed stays the same for as long as when, and what is said of it, does."""
    ids = [pk for pk, _ended_at, _error in stand]
    told = HostRun.objects.filter(pk__in=ids).values_list(*_Failed._fields)
    return _whys([_Failed(*row) for row in told], Q(host_run__in=ids)) if ids else {}


def _untouched(job: Job) -> set[int]:
    """Host runs that failed before a step that players feel could have begun."""
    felt = floors.felt(revisions.recipe_of(job.revision))
    if not felt or job.rolls_back_id:
        return set()
    failed = HostRun.objects.filter(job=job, state=HostRunState.FAILED, down=False)
    begun = Attempt.objects.filter(host_run=OuterRef("pk"), step__in=felt).exclude(
        state__in=NEVER_BEGUN
    )
    return set(failed.exclude(Exists(begun)).values_list("pk", flat=True))


class _Failed(NamedTuple):
    """Columns of a host run that failed."""

    pk: int
    name: str
    state: str
    step: int
    previous: str | None
    error: str
    excluded: bool
    host__address: str | None


def _whys(runs: Sequence[_Failed], theirs: Q) -> dict[int, Why]:
    """``theirs``: the attempts of these host runs."""
    broken = _broken(theirs)
    ends = _ends([one.pk for one in broken.values() if one.exit_status is not None])
    found = {}
    for run in runs:
        attempt = broken.get(run.pk)
        # Without an exit status it was we who ended it, and we say why.
        printed = causes.telling(ends.get(attempt.pk, "")) if attempt else ""
        line = printed or causes.plain(run.error)
        cause = causes.cause(line, names=(run.name, run.host__address or ""))
        found[run.pk] = Why(attempt.name if attempt else None, cause, line, bool(printed))
    return found


@dataclass(frozen=True)
class _Broken:
    pk: int
    name: str
    exit_status: int | None


def _broken(theirs: Q) -> dict[int, _Broken]:
    """By host run: the attempt that failed at the step where it stands, or at a later one that was
    undone since."""
    attempts = Attempt.objects.filter(
        theirs,
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
