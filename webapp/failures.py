"""Why hosts failed: those with the same trouble in the same step, together."""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import lru_cache
from typing import NamedTuple

from django.db.models import BooleanField, Exists, ExpressionWrapper, F, OuterRef, Q

from deploy_tasks import causes, floors, revisions
from deploy_tasks.models import Attempt, HostRun, Job, RecipeRevision
from deploy_tasks.standing import NEVER_BEGUN
from deploy_tasks.states import AttemptKind, AttemptState, HostRunState
from webapp import earlier, facts, printed
from webapp.differs import Failed, differs
from webapp.shapes import CauseReport, FailureList, FailureReport, UndoReport
from webapp.usual import Usual, usual

ROLLED_BACK = HostRunState.ROLLED_BACK
FAILED = (HostRunState.FAILED, ROLLED_BACK)
#: Exit statuses of a script that was ended, such as by its time limit: SIGKILL and SIGTERM.
ENDED = (128 + 9, 128 + 15)
#: Before the names of steps, in what is said of a host.
BY_HAND = "left to undo by hand: "
#: In which step hosts failed, in which that is told, and what.
_Alike = tuple[str | None, str | None, str]


@dataclass(frozen=True)
class Undo:
    """What was to be taken back after the failure was not: in which step, and what tells why."""

    step: str
    line: str


@dataclass(frozen=True)
class Why:
    """Why a host run failed. ``line``: of what it ``printed``, what tells most, with the one right
    ``above`` it that tells as much, else what we say of it; ``cause``: what is left of that for all
    with the same trouble; ``step``: in which it failed.

    Where that one tells but a ``sign``, the line may stand in another that ended well before it:
    ``found_in``, the recipe's step number ``place``. Where it ``is_open``, none tells of a cause.
    """

    step: str | None
    cause: str
    line: str
    printed: bool
    above: str = ""
    found_in: str | None = None
    place: int | None = None
    sign: str = ""
    undo: Undo | None = None
    is_open: bool = False

    @property
    def words(self) -> str:
        """Of a single host: also what differs from host to host."""
        return self.line if "…" in self.cause else self.cause


def failures(job: Job) -> FailureList:
    """``{as_of_seq, causes: […]}``, most hosts first. Rows are read after ``as_of_seq``.

    Costs six queries, and one for each slice of hosts that failed; a bounded number more where
    hosts are well, see webapp/usual.py, and where steps tell but a sign, see webapp/earlier.py, or
    nothing, see webapp/differs.py.
    """
    runs = HostRun.objects.filter(job=job, state__in=FAILED).order_by("position", "pk")
    still_down = ExpressionWrapper(floors.still_down(), BooleanField())
    rows = runs.annotate(still_down=still_down).values_list(*_Failed._fields, "still_down")
    failed = [(_Failed(*row), down) for *row, down in rows]
    known = _whys([run for run, _down in failed], Q(host_run__job=job))
    untouched = _untouched(job) if failed else set()
    found: dict[_Alike, CauseReport] = {}
    groups: defaultdict[_Alike, list[int]] = defaultdict(list)
    unlike: defaultdict[_Alike, list[Failed]] = defaultdict(list)
    for run, down in failed:
        why = known[run.pk]
        kept = run.pk in untouched or (run.state == ROLLED_BACK and not job.rolls_back_id)
        alike = (why.step, why.found_in, why.cause)
        together = found.setdefault(
            alike,
            {
                "step": why.step,
                "cause": why.cause,
                "told": "",
                "sample": why.line,
                "above": why.above,
                "found_in": why.found_in,
                "sign": why.sign,
                "differs": [],
                "unlike_since": None,
                "shared": [],
                "hosts": [],
            },
        )
        host: FailureReport = {
            "name": run.name,
            "line": why.line,
            "down": down,
            "left_at": run.previous or None if kept else None,
            "again": again(job, run.step),
            "back_to": _back_to(job, run.step, why),
            "undo": _undo(run, why),
            "excluded": run.excluded,
        }
        together["hosts"].append(host)
        groups[alike].append(run.pk)
        if why.is_open:
            unlike[alike].append(Failed(run.pk, run.name, run.names, why.step, why.line))
    for alike, differences in differs(job.pk, unlike).items():
        found[alike]["differs"] = differences
        if since := _unlike_since(job, found[alike]):
            found[alike]["unlike_since"] = since
            for host in found[alike]["hosts"]:
                host["back_to"] = since
    for alike, shared in facts.shared(job, groups).items():
        found[alike]["shared"] = shared
    for cause in found.values():
        cause["told"] = _told(cause)
    ordered = sorted(found.values(), key=lambda one: -len(one["hosts"]))
    return {"as_of_seq": job.last_seq, "causes": ordered}


def _told(cause: CauseReport) -> str:
    """The line as all of them have printed it, or what is left of it for all of them."""
    said = {causes.opened(host["line"]) for host in cause["hosts"]}
    alike = len(said) == 1 and "…" in cause["cause"]
    return said.pop()[: causes.LONGEST] if alike else cause["cause"]


def _unlike_since(job: Job, cause: CauseReport) -> str | None:
    """The first step in which they are unlike others, where a retry may go back there."""
    names = revisions.step_names(job.revision)
    begins = {names.index(one["again"]) if one["again"] else len(names) for one in cause["hosts"]}
    place = min((names.index(one["step"]) for one in cause["differs"]), default=len(names))
    return names[place] if all(_may_go_back(job, place, begin) for begin in begins) else None


def again(job: Job, step: int) -> str | None:
    """The step that a retry of a host run which stands at ``step`` begins with; None: all of them
    stand, and only the version is asked again."""
    names = revisions.step_names(job.revision)
    return names[step] if step < len(names) else None


def _back_to(job: Job, step: int, why: Why) -> str | None:
    """The step in which the cause stands, where a retry may go back to it."""
    may = why.place is not None and _may_go_back(job, why.place, step)
    return why.found_in if may else None


def _may_go_back(job: Job, place: int, step: int) -> bool:
    """Whether a retry of what stands at ``step`` may begin at ``place``, before it."""
    over = revisions.recipe_of(job.revision).steps[place:step]
    return place < step and not job.rolls_back_id and all(one.repeat != "never" for one in over)


def _undo(run: "_Failed", why: Why) -> UndoReport | None:
    if why.undo is None:
        return None
    _said, _found, names = run.error.partition(BY_HAND)
    left = names.partition(";")[0].split(", ") if names else []
    return {"step": why.undo.step, "line": why.undo.line, "by_hand": left}


def ways_back(job: Job, hosts: Collection[str] | None = None) -> dict[str, str]:
    """The steps to which those of the hosts go back that do, when they are retried."""
    told = (host for cause in failures(job)["causes"] for host in cause["hosts"])
    return {
        host["name"]: host["back_to"]
        for host in told
        if host["back_to"] and (hosts is None or host["name"] in hosts)
    }


def back_to(run: HostRun, why: Why | None) -> str | None:
    return _back_to(run.job, run.step, why) if why else None


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
    job: int
    job__revision: int

    @property
    def names(self) -> tuple[str, ...]:
        return (self.name, self.host__address or "")


def _whys(runs: Sequence[_Failed], theirs: Q) -> dict[int, Why]:
    """``theirs``: the attempts of these host runs."""
    broken, undos = _broken(theirs)
    read = [one for one in broken.values() if one.exit_status is not None]
    ends = printed.ends([one.pk for one in [*read, *undos.values()]])
    common = usual({run.job for run in runs})
    found = {run.pk: _why(run, broken.get(run.pk), ends, common) for run in runs}
    for run, undo in undos.items():
        if run in found:
            output = ends.get(undo.pk, "")
            line = causes.telling(output) or causes.last(output)
            found[run] = replace(found[run], undo=Undo(undo.name, line))
    unnamed = [run for run in runs if not causes.is_named(found[run.pk].line)]
    signs = _signs(unnamed, broken, found)
    names = {sign.run: sign.names for sign in signs}
    for pk, told in earlier.named(signs, common).items():
        found[pk] = replace(
            found[pk],
            cause=causes.cause(told.line, names=names[pk]),
            line=told.line,
            printed=True,
            above=told.above,
            found_in=told.step,
            place=told.place,
            sign=found[pk].cause,
        )
    for one in unnamed:
        why = found[one.pk]
        if not why.sign and (one.pk in names or not (why.printed and causes.is_precise(why.line))):
            found[one.pk] = replace(why, is_open=True)
    return found


def _why(run: _Failed, attempt: "_Broken | None", ends: Mapping[int, str], common: Usual) -> Why:
    # Without an exit status it was we who ended it, and we say why.
    output = ends.get(attempt.pk, "") if attempt else ""
    told = common.get((run.job, attempt.step), set()) if attempt else set()
    said = causes.telling(output, usual=told, names=run.names)
    # What was printed last tells nothing of a script that was ended by somebody else.
    if not said and not (attempt and attempt.exit_status in ENDED):
        said = causes.last(output)
    line = said or causes.plain(run.error)
    step = attempt.name if attempt else None
    cause = causes.cause(line, names=run.names)
    above = causes.above(output, said)
    return Why(step, cause, line, bool(said), above, found_in=step if said else None)


def _signs(
    runs: Sequence[_Failed], broken: Mapping[int, "_Broken"], known: Mapping[int, Why]
) -> list[earlier.Sign]:
    """Of those that do not name what they died of: who waited in vain, was asked in vain, or is not
    at the version after all its steps."""
    wanted = {run.job__revision for run in runs}
    recipes = RecipeRevision.objects.in_bulk(wanted) if wanted else {}
    signs = []
    for run in runs:
        steps = revisions.recipe_of(recipes[run.job__revision]).steps
        attempt = broken.get(run.pk)
        at = attempt.step if attempt else run.step
        was_asked = known[run.pk].printed and causes.is_sign(known[run.pk].line)
        if was_asked or (steps[at].wait if attempt else at >= len(steps)):
            signs.append(earlier.Sign(run.pk, run.job, at, run.names))
    return signs


class _Broken(NamedTuple):
    pk: int
    name: str
    exit_status: int | None
    step: int


def _broken(theirs: Q) -> tuple[dict[int, _Broken], dict[int, _Broken]]:
    """By host run: the attempt that failed at the step where it stands, or at a later one that was
    undone since; and the undo that failed after it. In a rollback an undo is what failed."""
    here, undo = Q(step=F("host_run__step")), Q(kind=AttemptKind.UNDO, host_run__undoes=None)
    rows = (
        Attempt.objects.filter(theirs, host_run__state__in=FAILED, state=AttemptState.FAILED)
        .filter(undo | Q(step__gte=F("host_run__step")))
        .annotate(here=here, undo=undo)
        .order_by("pk")
        .values_list("host_run", "reason", "host_run__error", "here", "undo", *_Broken._fields)
    )
    broken, undos = {}, {}
    for run, reason, error, is_here, is_undo, *attempt in rows:
        if is_undo:
            undos[run] = _Broken(*attempt)
        # What failed before a retry went back is not what it says of itself now.
        elif is_here or (reason and error.startswith(reason)):
            broken[run] = _Broken(*attempt)
            undos.pop(run, None)
    return broken, {run: one for run, one in undos.items() if run in broken}
