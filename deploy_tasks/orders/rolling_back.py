"""Take a whole job back: a job of its own, as careful as the first, that undoes its steps."""

from collections import defaultdict
from typing import Any

from django.contrib.auth.models import User
from django.db import IntegrityError, transaction
from django.db.models import Q, QuerySet
from django.utils.translation import gettext as _

from deploy_tasks import journal, revisions
from deploy_tasks.errors import OrderRefused
from deploy_tasks.models import Attempt, HostRun, Job
from deploy_tasks.orders.choosing import in_batches
from deploy_tasks.orders.records import add_batches, add_host_runs, name_of, ring, stop, tell
from deploy_tasks.orders.taken import busy, hosts_busy, refuse_those_that_moved_on
from deploy_tasks.rollout import Rollout
from deploy_tasks.standing import irreversible, standing
from deploy_tasks.states import JOB_ENDED, HostRunState, JobState

#: Where something may stand that can be taken back: also where one was to be tried again.
AT_REST_WITH_WORK = [
    HostRunState.SUCCEEDED,
    HostRunState.FAILED,
    HostRunState.CANCELLED,
    HostRunState.WAITING,
]
#: Of a job that stands still these have to end before it goes back. Where one merely stands still
#: itself, the job takes it back once it is called off.
UNDER_WAY = [HostRunState.QUEUED, HostRunState.RUNNING, HostRunState.UNKNOWN]
#: Such as one that a person has paused after a step.
STOPPED = Q(state=HostRunState.PAUSED, held=False)


class NothingStands(OrderRefused):
    """There is nothing to take back."""


def rollback(job: Job, *, by: User | None, note: str = "") -> tuple[Job, bool]:
    """The job that takes ``job`` back, and whether it is new: there is one of each job.

    ``by`` None: no person asks for it, its rollout does. A halted job is ended by it. Raises
    OrderRefused where the job still runs, a host has moved on or a step cannot be undone;
    HostsBusy.
    """
    try:
        with transaction.atomic():
            locked = journal.lock(job.pk)
            # Only now: somebody may have pressed at the same moment.
            if earlier := Job.objects.filter(rolls_back=job).first():
                return earlier, False
            return _create(locked, by, note), True
    except IntegrityError:
        # Somebody was quicker with one of these hosts.
        hosts = [run.host for run in job.host_runs.select_related("host") if run.host]
        raise hosts_busy(hosts) from None


def _create(job: Job, by: User | None, note: str) -> Job:
    _refuse_what_still_runs(job)
    runs = _to_take_back(job)
    hosts = [run.host for run in runs if run.host]
    if busy(hosts):
        raise hosts_busy(hosts)
    back = Job.objects.create(
        game=job.game,
        release=job.release,
        revision=job.revision,
        rollout=_terms(job, by),
        vars=job.vars,
        note=note,
        rolls_back=job,
        by=by,
        by_name=name_of(by),
    )
    if job.state == JobState.HALTED:
        # What stands still has no part in the new job.
        stop(job, undo=True)
    by_name = {run.name: run for run in runs}
    cut = in_batches(job.game, hosts, Rollout.model_validate(back.rollout))
    add_batches(back, cut)
    numbered = [(n, by_name[name]) for n, names in enumerate(cut.batches, 1) for name in names]
    add_host_runs(back, [_undoing(run) | {"batch": n} for n, run in numbered])
    tell(job, by, "rollback", hosts=len(runs), by_job=back.pk, note=note)
    tell(back, by, "start", hosts=len(runs), rolls_back=job.pk, note=note)
    for one in (job, back):
        ring(one)
    back.refresh_from_db(fields=["last_seq"])
    return back


def under_way(job: Job) -> QuerySet[HostRun]:
    """Those of a job that stands still which have to end before it goes back."""
    return job.host_runs.filter(state__in=UNDER_WAY)


def _undoing(run: HostRun) -> dict[str, Any]:
    """Columns of the host run that takes ``run`` back."""
    return {
        "host_id": run.host_id,
        "name": run.name,
        "undoes_id": run.pk,
        "lock": run.lock,
        "previous": run.previous,
        "step": run.step,
    }


def _terms(job: Job, by: User | None) -> dict[str, Any]:
    """As careful as the first. Where nobody is there to promote, gates open by themselves; what
    takes a job back is not taken back itself; and nothing of it can be done ahead."""
    terms: dict[str, Any] = {key: term for key, term in job.rollout.items() if key != "stage"}
    if terms.get("on_halt"):
        terms = terms | {"on_halt": "wait"}
    return terms if by else terms | {"gate": "auto"}


def _refuse_what_still_runs(job: Job) -> None:
    if job.rolls_back_id:
        raise OrderRefused(_("the job is a rollback itself: start the update again"))
    if job.state not in (*JOB_ENDED, JobState.HALTED):
        raise OrderRefused(_("the job is not over: cancel it first"))
    if run := under_way(job).first():
        raise OrderRefused(_("%s has not ended yet: wait for it, or answer for it") % run.name)


def _to_take_back(job: Job) -> list[HostRun]:
    """Host runs of which something stands, and nothing runs; at the step that is undone first.
    Raises OrderRefused for one that cannot go back, also of those that the job itself takes back.
    """
    touched = job.host_runs.filter(Q(state__in=AT_REST_WITH_WORK) | STOPPED).order_by("position")
    runs = {run.pk: run for run in touched.select_related("host__machine")}
    attempts: defaultdict[int, list[Attempt]] = defaultdict(list)
    for attempt in Attempt.objects.filter(host_run__in=runs).order_by("pk"):
        attempts[attempt.host_run_id].append(attempt)
    recipe = revisions.recipe_of(job.revision)
    found = []
    for pk, run in runs.items():
        steps = standing(attempts[pk])
        if reason := irreversible(recipe, steps, previous=run.previous or ""):
            raise OrderRefused(f"{run.name}: {reason}")
        undone = [n for n in steps if recipe.steps[n].undo]
        if run.state in AT_REST_WITH_WORK and undone:
            run.step = undone[0]
            found.append(run)
    if not found:
        raise NothingStands(_("nothing stands on any host that could be taken back"))
    refuse_those_that_moved_on(job, found)
    return found
