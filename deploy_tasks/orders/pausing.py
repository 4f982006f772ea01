"""Orders that hold a job and let it go on: pause, resume, promote, switch. Each is safe to press
twice."""

from datetime import datetime

from django.contrib.auth.models import User
from django.db import transaction
from django.utils.translation import gettext as _

from deploy_tasks import clock, journal
from deploy_tasks.errors import InvalidInput, OrderRefused
from deploy_tasks.models import Batch, Job
from deploy_tasks.orders.adjusting import change
from deploy_tasks.orders.records import opened, rung, tell
from deploy_tasks.rollout import Rollout, switch_is_open
from deploy_tasks.states import HOST_FAILED, Gate, HostRunState, JobState, Pause
from deploy_tasks.times import iso
from deploy_tasks.wishes import Wish


@transaction.atomic
def pause(job: Job, *, by: User, after: Pause = Pause.HOST, note: str = "") -> Job:
    """Start nothing more: after this batch, after the hosts that run, or after the steps that run.

    Raises OrderRefused for a job that is over, halted, or being cancelled.
    """
    job = opened(job)
    if job.state == JobState.HALTED:
        raise OrderRefused(_("the job is halted: nothing new starts"))
    if job.pause == after:
        return rung(job)
    Job.objects.filter(pk=job.pk).update(pause=after, paused_by=by.get_username())
    tell(job, by, "pause", after=after.value, note=note)
    if after != Pause.BATCH:
        # Nobody has claimed them yet, so nothing of them runs.
        queued = job.host_runs.filter(state=HostRunState.QUEUED, fence=0)
        ids = list(queued.values_list("pk", flat=True))
        journal.move_host_runs(job, ids, [HostRunState.QUEUED], HostRunState.WAITING)
    if after == Pause.STEP:
        # One that is unknown hears of it once a person has answered.
        going = [HostRunState.QUEUED, HostRunState.RUNNING, HostRunState.UNKNOWN]
        job.host_runs.filter(state__in=going, wish=Wish.NONE).update(wish=Wish.PAUSE)
    else:
        # Also of those that stand still by now: they go on to their end.
        job.host_runs.filter(wish=Wish.PAUSE).update(wish=Wish.NONE)
    return rung(job)


@transaction.atomic
def resume(job: Job, *, by: User, note: str = "") -> Job:
    """Take a pause back. A gate that waits for a person is opened by `promote` alone.

    Raises OrderRefused where nobody has paused the job, though it stands at a gate or is halted.
    """
    job = opened(job)
    if not job.pause:
        if job.state in (JobState.PAUSED, JobState.HALTED) and job.reason:
            raise OrderRefused(_("nobody has paused the job: %s") % job.reason)
        return rung(job)
    tell(job, by, "resume", note=note)
    _unpause(job)
    return rung(job)


@transaction.atomic
def promote(
    job: Job, *, by: User, batch: int | None = None, rest: bool = False, note: str = ""
) -> Job:
    """Open the gate after a batch now: no longer soak, no longer wait for a person.

    ``batch``: the one whose gate is meant; pressed again, it does not open the next one's.
    ``rest``: and no later gate waits for a person; what soaks, soaks, and budgets hold.

    Raises OrderRefused where no gate can be opened, InvalidInput for a batch that is not there.
    """
    job = opened(job)
    row = _gate(job, batch)
    if rest:
        job = change(job, by=by, note=note, gate="auto")
    if row is None:
        return rung(job)
    tell(job, by, "promote", batch=row.n, note=note)
    ended = JobState.FAILED if _has_failed(job, row) else JobState.SUCCEEDED
    journal.move_gate(job, row.n, Gate(row.gate), Gate.OPEN, told=ended.value)
    _unpause(job)
    return rung(job)


@transaction.atomic
def switch(job: Job, *, by: User, at: datetime | None = None, note: str = "") -> Job:
    """Let staged hosts go down, batch after batch, from now on, or not before ``at``.

    Raises OrderRefused for a job that stages nothing ahead, one that is halted, and where another
    time is wanted while hosts go down already.
    """
    job = opened(job)
    if not Rollout.model_validate(job.rollout).stages_ahead:
        raise OrderRefused(_("the job stages nothing ahead"))
    if at is None and job.state == JobState.HALTED:
        raise OrderRefused(_("the job is halted: %s") % job.reason)
    now = clock.now()
    has_begun = switch_is_open(job.start_at, now)
    if has_begun and at is not None:
        raise OrderRefused(_("the switch has begun; pause the job to hold it"))
    if has_begun or (at is not None and job.start_at == at):
        return rung(job)
    opens = max(at or now, now)
    Job.objects.filter(pk=job.pk).update(start_at=opens)
    tell(job, by, "switch", opens=iso(opens), note=note)
    return rung(job)


def _gate(job: Job, n: int | None) -> Batch | None:
    """The row of the gate that is to be opened; None where it is open already."""
    if n is None:
        found = job.batches.filter(gate__in=[Gate.SOAKING, Gate.WAITING]).order_by("n").first()
    else:
        found = job.batches.filter(n=n).first()
        if found is None:
            raise InvalidInput(_("the job has no batch %s") % n, field="batch")
        if found.gate == Gate.OPEN:
            return None
    if job.state == JobState.HALTED:
        raise OrderRefused(_("the job is halted: %s") % job.reason)
    if found is None or found.gate == Gate.CLOSED:
        raise OrderRefused(_("there is no gate to open: no batch that is done soaks or waits"))
    return found


def _has_failed(job: Job, batch: Batch) -> bool:
    return job.host_runs.filter(batch=batch.n, state__in=HOST_FAILED).exists()


def _unpause(job: Job) -> None:
    """Why it stood still is over, though no worker has looked yet: pressed again, that is known."""
    Job.objects.filter(pk=job.pk).update(pause=Pause.NONE, paused_by="")
    Job.objects.filter(pk=job.pk, state=JobState.PAUSED).update(reason="")
    job.host_runs.filter(wish=Wish.PAUSE).update(wish=Wish.NONE)
