"""Orders for a job that is there: retry, cancel."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from django.contrib.auth.models import User
from django.db import IntegrityError, transaction
from django.db.models import BooleanField, ExpressionWrapper, F, Q
from django.utils.translation import gettext as _

from deploy_tasks import journal, revisions
from deploy_tasks.errors import InvalidInput, OrderRefused
from deploy_tasks.models import Attempt, HostRun, Job
from deploy_tasks.orders.naming import named
from deploy_tasks.orders.records import busy_elsewhere, rung, stop, take_hosts, tell
from deploy_tasks.orders.taken import refuse_those_that_moved_on
from deploy_tasks.recipes import Step
from deploy_tasks.standing import standing
from deploy_tasks.states import (
    HOST_RETRYABLE,
    JOB_ENDED,
    AttemptKind,
    AttemptState,
    HostRunState,
    JobState,
)

#: A retry brings these back to life.
REOPENED = [*JOB_ENDED, JobState.HALTED]
#: What a host run is again before it is tried again.
AGAIN: dict[str, Any] = {
    "holds_host": True,
    "fence": F("fence") + 1,
    "error": "",
    "wish": "",
    "activity": "",
    "refused_credential": "",
    # What the last one came to is decided: nobody asks about it again.
    "plan": "",
    # Until it has gone through: its host is not up again by being tried again.
    "out": ExpressionWrapper(Q(down=True) | Q(out=True), output_field=BooleanField()),
    "held": False,
    "down": False,
    "warned": False,
    "excluded": False,
    "ended_at": None,
}


@transaction.atomic
def retry(
    job: Job,
    *,
    by: User,
    hosts: Sequence[str] | None = None,
    from_step: str | None = None,
    back: Mapping[str, str] | None = None,
    note: str = "",
) -> Job:
    """Go on with failed and cancelled host runs, each from the first step that does not stand;
    with those that were set aside only where they are named.

    ``from_step``: all begin with that one; ``back``: the hosts in it go back to an earlier one.

    Raises InvalidInput for a host or a step that is not there, OrderRefused where nothing can be
    retried or a newer job has touched a host since, HostsBusy.
    """
    job = journal.lock(job.pk)
    if job.cancelled and job.state not in JOB_ENDED:
        raise OrderRefused(_("the job is being cancelled"))
    again = _retryable(job, hosts)
    begins = _begins(job, again, from_step, back or {})
    refuse_those_that_moved_on(job, again)
    _refuse_what_must_not_be_repeated(job, begins)
    _refuse_going_back_over(job, begins)
    _refuse_to_repeat_what_stands(job, begins)
    try:
        with transaction.atomic():
            for step in sorted(set(begins.values())):
                there = [run.pk for run in again if begins[run] == step]
                changes = AGAIN | {"step": step}
                journal.move_host_runs(job, there, HOST_RETRYABLE, HostRunState.WAITING, **changes)
            take_hosts(job)
    except IntegrityError:
        raise busy_elsewhere(job) from None
    journal.close_gates(job, {run.batch for run in again})
    said = from_step or _only([(back or {}).get(run.name) for run in again])
    tell(job, by, "retry", hosts=len(again), from_step=said, note=note)
    Job.objects.filter(pk=job.pk).update(cancelled=False, ended_at=None)
    journal.move_job(job, REOPENED, JobState.RUNNING)
    return rung(job)


def _retryable(job: Job, hosts: Sequence[str] | None) -> list[HostRun]:
    if hosts is None:
        runs = list(job.host_runs.filter(state__in=HOST_RETRYABLE))
        if not runs and job.state != JobState.HALTED:
            raise OrderRefused(_("no host of this job has failed or was cancelled"))
        again = [run for run in runs if not run.excluded]
        if not again and job.state != JobState.HALTED:
            raise OrderRefused(_("all hosts that failed are excluded: name those to retry"))
        return again
    runs = named(job, hosts)
    for run in runs:
        if run.state not in HOST_RETRYABLE:
            raise OrderRefused(_("%s has not failed and was not cancelled") % run.name)
    return runs


def _begins(
    job: Job, runs: Iterable[HostRun], from_step: str | None, back: Mapping[str, str]
) -> dict[HostRun, int]:
    """The step with which each begins. Raises OrderRefused for one in a rollback: what is left to
    undo there says with which it goes on."""
    if job.rolls_back_id and (from_step is not None or back):
        raise OrderRefused(
            _("a rollback undoes what still stands, last first: it cannot begin at a step")
        )
    if from_step is not None:
        return dict.fromkeys(runs, _step_number(job, from_step))
    return {
        run: min(run.step, _step_number(job, back[run.name])) if run.name in back else run.step
        for run in runs
    }


def _only(steps: Iterable[str | None]) -> str | None:
    found = set(steps)
    return found.pop() if len(found) == 1 else None


def _step_number(job: Job, name: str) -> int:
    recipe = revisions.recipe_of(job.revision)
    for number, step in enumerate(recipe.steps):
        if step.name == name:
            return number
    raise InvalidInput(_("the recipe has no step “%s”") % name, field="from_step")


def _refuse_going_back_over(job: Job, begins: Mapping[HostRun, int]) -> None:
    """Going back would repeat what stands between there and where a host run is."""
    steps = revisions.recipe_of(job.revision).steps
    for run, begin in begins.items():
        never = [one for one in steps[begin : run.step] if one.repeat == "never"]
        if never:
            raise _stands(never[0], run)


def _refuse_what_must_not_be_repeated(job: Job, begins: Mapping[HostRun, int]) -> None:
    """What did not end well, and a retry would come to again."""
    steps = revisions.recipe_of(job.revision).steps
    never = [number for number, step in enumerate(steps) if step.repeat == "never"]
    tried = Attempt.objects.filter(host_run__in=list(begins), step__in=never, kind=AttemptKind.DO)
    ended_badly = tried.filter(state__in=[AttemptState.FAILED, AttemptState.LOST])
    for one in ended_badly.select_related("host_run"):
        if steps[one.step].always or one.step >= begins[one.host_run]:
            raise OrderRefused(_("step “%s” must never be repeated") % one.name)


def _refuse_to_repeat_what_stands(job: Job, begins: Mapping[HostRun, int]) -> None:
    """Of a host that was taken back by half: all that came after a step that was undone."""
    steps = revisions.recipe_of(job.revision).steps
    never = [n for n, step in enumerate(steps) if step.repeat == "never" and not step.always]
    tried: defaultdict[int, list[Attempt]] = defaultdict(list)
    for one in Attempt.objects.filter(host_run__in=list(begins), step__in=never).order_by("pk"):
        tried[one.host_run_id].append(one)
    for run, begin in begins.items():
        again = [n for n in standing(tried[run.pk]) if n >= begin]
        if again:
            raise _stands(steps[again[-1]], run)


def _stands(step: Step, run: HostRun) -> OrderRefused:
    return OrderRefused(
        _("step “%(step)s” stands on %(host)s and must never be repeated")
        % {"step": step.name, "host": run.name}
    )


@transaction.atomic
def cancel(
    job: Job, *, by: User | None, undo: bool | None = None, force: bool = False, note: str = ""
) -> Job:
    """Start none of the hosts that wait, and ask those that run to stop. ``by`` None: no person
    asks for it, the job's rollout does.

    A running step is ended on the host, unless it must not be interrupted; ``force`` ends that,
    too. What was launched is then undone, unless ``undo`` is False. Safe to press twice.
    Raises OrderRefused for a job that is over.
    """
    job = journal.lock(job.pk)
    if job.state in JOB_ENDED:
        raise OrderRefused(_("the job is over"))
    tell(job, by, "cancel", force=force, note=note)
    stop(job, undo=undo is not False, force=force)
    return rung(job)
