"""What a person knows about steps whose outcome we cannot know."""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from typing import Any, Literal

from django.contrib.auth.models import User
from django.db import transaction
from django.db.models import F
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop

from deploy_tasks import bells, journal, revisions
from deploy_tasks.errors import HostsBusy, OrderRefused
from deploy_tasks.models import Attempt, HostRun, Job
from deploy_tasks.orders.giving_up import attempts_in_doubt, decide, give_up, leave_to_be_ended
from deploy_tasks.orders.naming import named
from deploy_tasks.orders.records import end_halt, rung, tell
from deploy_tasks.states import AttemptKind, AttemptState, HostRunState

Answer = Literal["it_ran", "it_did_not_run", "give_up"]

# What is stored is read by everybody: it is written in English, and told again where it is shown.
IT_RAN = gettext_noop("a person says that it ran")
#: Hosts that an order about several of them names; each host's own events tell of all.
NAMED = 100
UNKNOWN = [HostRunState.UNKNOWN]


@transaction.atomic
def answer(job: Job, *, by: User, hosts: Sequence[str], answer: Answer, note: str = "") -> Job:
    """Say the same of all these hosts, or, where one of them awaits no answer, of none.

    *It ran*: go on with the next step. *It did not run*: a new attempt. *Give up*: failed, and
    the host is free. Raises InvalidInput for a host that is not there, OrderRefused where no answer
    is awaited or the step allows it not, HostsBusy where the job cannot go on for others of it: who
    is given up is free all the same.
    """
    job = journal.lock(job.pk)
    runs = _awaiting(job, hosts)
    # An attempt that is not known to be lost is asked for on the host again: it knows best.
    attempts = attempts_in_doubt(runs)
    lost = {run.pk: _lost(run, attempts[run.pk]) for run in runs}
    if answer == "it_did_not_run":
        doubted = {one.step for found in lost.values() for one in found}
        _refuse_a_second_time(job, doubted | {run.step for run in runs})
    names = [run.name for run in runs]
    which = {"host": names[0]} if len(names) == 1 else {"hosts": len(names), "names": names[:NAMED]}
    tell(job, by, "answer", **which, answer=answer, note=note)
    if answer == "give_up":
        give_up(job, runs, attempts, by=by)
        # Where others of it are busy by now it stays halted; who is given up is free all the same.
        with suppress(HostsBusy), transaction.atomic():
            end_halt(job)
        return rung(job)
    leave_to_be_ended([run for run in runs if lost[run.pk]])
    steps = {run.pk: run.step for run in runs}
    if answer == "it_ran":
        all_lost = [one for found in lost.values() for one in found]
        decide(job, all_lost, AttemptState.SUCCEEDED, IT_RAN)
        steps |= _after(job, lost)
    for step, ids in _by_value(steps).items():
        fenced: dict[str, Any] = {"fence": F("fence") + 1, "step": step, "down": False}
        journal.move_host_runs(job, ids, UNKNOWN, HostRunState.QUEUED, **fenced)
    # What the last plan came to is decided: nobody asks about it again.
    HostRun.objects.filter(pk__in=[pk for pk, found in lost.items() if found]).update(plan="")
    transaction.on_commit(lambda: bells.ring_host_runs(list(steps)), robust=True)
    end_halt(job)
    return rung(job)


def _awaiting(job: Job, hosts: Sequence[str]) -> list[HostRun]:
    runs = named(job, hosts)
    for run in runs:
        if run.state != HostRunState.UNKNOWN:
            raise OrderRefused(_("%s awaits no answer") % run.name)
    return runs


def _lost(run: HostRun, attempts: Sequence[Attempt]) -> list[Attempt]:
    """Of the plan that was on the host last: older ones were decided before."""
    lost = [one for one in attempts if one.state == AttemptState.LOST]
    return [one for one in lost if one.uid.startswith(f"{run.plan}.")]


def _after(job: Job, lost: Mapping[int, Sequence[Attempt]]) -> dict[int, int]:
    """Where host runs go on whose lost attempts did run. What runs at every end moves nothing:
    what failed before it has still to be done, by a retry."""
    recipe = revisions.recipe_of(job.revision)
    last = {pk: found[-1] for pk, found in lost.items() if found}
    return {
        pk: one.step + (one.kind == AttemptKind.DO)
        for pk, one in last.items()
        if not recipe.steps[one.step].always
    }


def _refuse_a_second_time(job: Job, numbers: Collection[int]) -> None:
    for number, step in enumerate(revisions.recipe_of(job.revision).steps):
        if number in numbers and step.repeat == "never":
            raise OrderRefused(_("step “%s” must never be repeated") % step.name)


def _by_value(steps: Mapping[int, int]) -> Mapping[int, list[int]]:
    found: defaultdict[int, list[int]] = defaultdict(list)
    for pk, step in steps.items():
        found[step].append(pk)
    return found
