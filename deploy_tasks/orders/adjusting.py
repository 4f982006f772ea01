"""Orders that change a job's course: leave hosts out before they begin, set them aside after they
have failed, change how careful it goes on."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from django.contrib.auth.models import User
from django.db import transaction
from django.db.models import Q, QuerySet
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop
from pydantic import ValidationError

from deploy_tasks import clock, journal
from deploy_tasks.errors import InvalidInput, OrderRefused
from deploy_tasks.findings import said
from deploy_tasks.models import Event, HostRun, Job
from deploy_tasks.orders.giving_up import IN_DOUBT, attempts_in_doubt, give_up
from deploy_tasks.orders.naming import named
from deploy_tasks.orders.records import end_halt, opened, rung, tell
from deploy_tasks.rollout import Rollout
from deploy_tasks.states import HOST_FAILED, HOST_UNDER_WAY, Gate, HostRunState
from deploy_tasks.wishes import Wish

LEFT_OUT = gettext_noop("left out by %s")
EXCLUDED = gettext_noop("excluded by %s")
#: What of a rollout may be changed while it runs; the batches are cut.
CHANGEABLE = frozenset(
    {"parallel", "stage_parallel", "stagger", "max_failed", "max_failed_in_batch", "gate", "soak"}
)
BUDGETS = frozenset({"max_failed", "max_failed_in_batch"})
#: Nobody has claimed them, now or before a retry.
UNTOUCHED = Q(state__in=[HostRunState.WAITING, HostRunState.QUEUED], fence=0)
#: They have begun, and were not let in to go down: the conductor does that, and not before it has
#: the job's lock, as we do. In a rollback nothing comes before going down.
AHEAD = Q(state__in=HOST_UNDER_WAY, undoes=None, out=False, fence__gt=0) & ~Q(wish=Wish.LEAVE_OUT)
#: Where nothing holds it, a host run goes down by itself, and one without a border never does.
HELD = AHEAD & Q(held=True)


@transaction.atomic
def skip(
    job: Job, *, by: User, hosts: Sequence[str] | None = None, rest: bool = False, note: str = ""
) -> Job:
    """Leave out hosts that have not gone down: those named, or with ``rest`` all of them.

    Of those that have begun with what comes before that, a worker takes back what can be. Raises
    InvalidInput for a host that is not there, OrderRefused for one that has gone too far.
    """
    job = opened(job)
    if (hosts is None) != rest or hosts == []:
        raise InvalidInput(_("say which: either hosts or rest"), field="hosts")
    untouched, begun = job.host_runs.filter(UNTOUCHED), job.host_runs.filter(_not_down(job))
    if hosts is not None:
        _refuse_those_beyond(job, hosts, untouched, begun)
        untouched, begun = untouched.filter(name__in=hosts), begun.filter(name__in=hosts)
    ids, leaving = (list(found.values_list("pk", flat=True)) for found in (untouched, begun))
    if not (ids or leaving):
        return rung(job)
    tell(job, by, "skip", hosts=len(ids) + len(leaving), note=note)
    journal.move_host_runs(
        job,
        ids,
        [HostRunState.WAITING, HostRunState.QUEUED],
        HostRunState.SKIPPED,
        reason=LEFT_OUT % by.get_username(),
        holds_host=False,
        ended_at=clock.now(),
    )
    job.host_runs.filter(pk__in=leaving).update(wish=Wish.LEAVE_OUT)
    return rung(job)


def _not_down(job: Job) -> Q:
    return AHEAD if Rollout.model_validate(job.rollout).stages_ahead else HELD


def _refuse_those_beyond(job: Job, names: Sequence[str], *left: QuerySet[HostRun]) -> None:
    leaving = job.host_runs.filter(name__in=names, wish=Wish.LEAVE_OUT)
    fine = {name for found in (*left, leaving) for name in found.values_list("name", flat=True)}
    for run in named(job, names):
        if run.name not in fine and run.state != HostRunState.SKIPPED:
            raise OrderRefused(_("%s has begun already") % run.name)


@transaction.atomic
def exclude(job: Job, *, by: User, hosts: Sequence[str], note: str = "") -> Job:
    """Go on without hosts that have failed, are unknown or out of reach; these two are given up.

    They are failed, but no budget counts them any more and a retry of all hosts leaves them as they
    are; one that is retried by its name counts again. A job that was halted goes on, as far as the
    others let it. Raises InvalidInput for a host that is not there, OrderRefused for one that is
    well or has not begun, HostsBusy.
    """
    job = opened(job)
    failed = job.host_runs.filter(name__in=hosts, state__in=HOST_FAILED)
    doubted = list(job.host_runs.filter(IN_DOUBT, name__in=hosts).order_by("position"))
    _refuse_those_that_have_not_failed(job, hosts, failed, doubted)
    counting = failed.filter(excluded=False).values_list("pk", flat=True)
    ids = [*counting.order_by("position"), *(run.pk for run in doubted)]
    if not ids:
        return rung(job)
    tell(job, by, "exclude", hosts=len(ids), note=note)
    if doubted:
        give_up(job, doubted, attempts_in_doubt(doubted), by=by)
    reason = EXCLUDED % by.get_username()
    # What they refused was theirs alone: it says nothing of the hosts that are still to come.
    job.host_runs.filter(pk__in=ids).update(excluded=True, reason=reason, refused_credential="")
    told = {"excluded": True, "reason": reason}
    journal.append(job.pk, [journal.News(Event.Kind.HOST, told, host_run=pk) for pk in ids])
    end_halt(job)
    return rung(job)


def _refuse_those_that_have_not_failed(
    job: Job, names: Sequence[str], failed: QuerySet[HostRun], doubted: Sequence[HostRun]
) -> None:
    fine = {*failed.values_list("name", flat=True), *(run.name for run in doubted)}
    for run in named(job, names):
        if run.name not in fine:
            raise OrderRefused(_("%s has not failed") % run.name)


@transaction.atomic
def change(job: Job, *, by: User, note: str = "", **terms: Any) -> Job:
    """Go on with other terms: keys of the rollout in `CHANGEABLE`.

    A larger budget lets a job go on that was halted by it. Raises InvalidInput, OrderRefused,
    HostsBusy.
    """
    job = opened(job)
    before = Rollout.model_validate(job.rollout)
    try:
        after = Rollout.model_validate(job.rollout | terms)
    except ValidationError as error:
        first = error.errors()[0]
        raise InvalidInput(said(first), field=str(first["loc"][0])) from None
    changed = {name: terms[name] for name in terms if getattr(before, name) != getattr(after, name)}
    if not changed:
        return rung(job)
    Job.objects.filter(pk=job.pk).update(rollout=after.model_dump(mode="json"))
    tell(job, by, "change", terms=changed, note=note)
    _soak_as_long_as_said(job, before, after)
    if BUDGETS & changed.keys():
        end_halt(job)
    return rung(job)


def _soak_as_long_as_said(job: Job, before: Rollout, after: Rollout) -> None:
    """Also a batch that soaks already, counted from when that began."""
    for row in job.batches.filter(n__gte=1, gate=Gate.SOAKING).order_by("n"):
        longer = timedelta(seconds=after.soak_of(row.n) - before.soak_of(row.n))
        if longer and row.soak_until:
            until = row.soak_until + longer
            journal.move_gate(
                job, row.n, Gate.SOAKING, Gate.SOAKING, soak_until=until, told="soaking"
            )
