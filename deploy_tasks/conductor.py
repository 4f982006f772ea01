"""Derives a job's state from its host runs and its rollout, and lets the next host runs start.

The one place where both is decided. It looks at rows, never at who rang: two workers that finish
together may both ring, and the second finds nothing to do.
"""

from collections import Counter
from functools import partial

from django.db import transaction
from django.db.models import Count
from django.utils.translation import gettext as _

from deploy_tasks import bells, clock, journal, refusals, rollout
from deploy_tasks.failpoints import failpoint
from deploy_tasks.models import Event, HostRun, Job
from deploy_tasks.rollout import BatchCounts, Rollout
from deploy_tasks.states import HOST_ACTIVE, HOST_ENDED, JOB_ENDED, HostRunState, JobState

GOING = (JobState.WAITING, JobState.RUNNING)
SUCCEEDED = (HostRunState.SUCCEEDED, HostRunState.SKIPPED)
FAILED = (HostRunState.FAILED, HostRunState.ROLLED_BACK)


def conduct(job_id: int) -> None:
    """Bring a job forward as far as its rows allow."""
    with transaction.atomic():
        job = journal.lock(job_id)
        if job.state in JOB_ENDED or (job.start_at and job.start_at > clock.now()):
            return
        batches = tally(job)
        if job.state in GOING and not job.cancelled:
            _let_start(job, batches)
            batches = tally(job)
        _end_if_over(job, batches)
        failpoint("conduct.decided")


def tally(job: Job) -> list[BatchCounts]:
    """How the batches of a job stand, in their order. Cancelled host runs count in none."""
    counts: dict[int, Counter[str]] = {}
    rows = job.host_runs.values_list("batch", "state").annotate(hosts=Count("pk"))
    for batch, state, hosts in rows.order_by("batch"):
        counts.setdefault(batch, Counter())[state] += hosts
    canary = bool(Rollout.model_validate(job.rollout).canary)
    return [
        BatchCounts(
            n=batch,
            waiting=found[HostRunState.WAITING],
            active=sum(found[state] for state in HOST_ACTIVE),
            succeeded=sum(found[state] for state in SUCCEEDED),
            failed=sum(found[state] for state in FAILED),
            unknown=found[HostRunState.UNKNOWN],
            canary=canary and batch == 1,
        )
        for batch, found in counts.items()
    ]


def _let_start(job: Job, batches: list[BatchCounts]) -> None:
    if any(batch.failed for batch in batches) and (name := refusals.burnt_credential(job)):
        halt(
            job, _("%(n)s hosts refused credential %(name)s") % {"n": refusals.LIMIT, "name": name}
        )
        return
    decision = rollout.may_start(Rollout.model_validate(job.rollout), batches)
    if decision.halt:
        halt(job, decision.halt)
        return
    if job.state == JobState.WAITING and decision.start:
        journal.move_job(job, [JobState.WAITING], JobState.RUNNING, started_at=clock.now())
    for number, hosts in decision.start.items():
        _tell_opening(job, number, batches)
        waiting = job.host_runs.filter(batch=number, state=HostRunState.WAITING)
        ids = list(waiting.order_by("position").values_list("pk", flat=True)[:hosts])
        moved = journal.move_host_runs(
            job, ids, [HostRunState.WAITING], HostRunState.QUEUED, rung_at=clock.now()
        )
        transaction.on_commit(partial(bells.ring_host_runs, moved), robust=True)


def _tell_opening(job: Job, number: int, batches: list[BatchCounts]) -> None:
    """The first start of a batch opens it, and closes the one before it."""
    for before, batch in zip([None, *batches], batches, strict=False):
        if batch.n != number or batch.waiting != batch.hosts:
            continue
        if before:
            _tell_batch(job, before)
        opened = {"n": batch.n, "to": JobState.RUNNING.value}
        journal.append(job.pk, [journal.News(Event.Kind.BATCH, opened)])


def _tell_batch(job: Job, batch: BatchCounts) -> None:
    ended = JobState.FAILED if batch.failed else JobState.SUCCEEDED
    journal.append(job.pk, [journal.News(Event.Kind.BATCH, {"n": batch.n, "to": ended.value})])


def halt(job: Job, reason: str) -> None:
    """Nothing new starts; what runs ends; waiting hosts are free for another job."""
    journal.move_job(job, GOING, JobState.HALTED, reason=reason)
    job.host_runs.filter(state=HostRunState.WAITING).update(holds_host=False)


def _end_if_over(job: Job, batches: list[BatchCounts]) -> None:
    left = HostRun.objects.filter(job=job).exclude(state__in=HOST_ENDED)
    if left.exists():
        return
    if batches:
        _tell_batch(job, batches[-1])
    everyone_well = not job.host_runs.exclude(state__in=SUCCEEDED).exists()
    if everyone_well:
        end, reason = JobState.SUCCEEDED, ""
    elif job.cancelled:
        end, reason = JobState.CANCELLED, ""
    else:
        failed = sum(batch.failed for batch in batches)
        end, reason = JobState.FAILED, _("failed hosts: %(count)s") % {"count": failed}
    not_ended = [state for state in JobState if state not in JOB_ENDED]
    journal.move_job(job, not_ended, end, reason=reason, ended_at=clock.now())
