"""The check of a job's hosts before its first batch, where its rollout says so.

It stands before the batches as gate 0: closed -> soaking (workers look at the hosts) -> waiting
(for a person: leave out who is not fit, mend and check again, or promote) -> open.
"""

from datetime import timedelta

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from deploy_tasks import clock, hosts, journal
from deploy_tasks.models import Batch, Event, Host, HostCheck, HostRun, Job
from deploy_tasks.models.inventory import ANSWER_WITHIN
from deploy_tasks.rollout import Rollout
from deploy_tasks.states import JOB_ENDED, Gate, HostRunState, JobState

#: The number of the gate.
FIRST = 0
#: How often it is looked whether all looks have ended.
LOOK_AGAIN = timedelta(seconds=2)
#: Hosts whose findings are told as notes, and named in one sentence.
TOLD, NAMED = 50, 5

NOT_ENDED = tuple(state for state in JobState if state not in JOB_ENDED)


def passed(job: Job) -> bool:
    """Whether the batches may begin; else what is due now has been done."""
    row = job.batches.filter(n=FIRST).first()
    if row is None or row.gate == Gate.OPEN:
        return True
    now = clock.now()
    ahead = Rollout.model_validate(job.rollout).stages_ahead
    if job.start_at and job.start_at > now and not ahead:
        return True  # nothing starts before that anyway
    runs = _waiting(job)
    if row.gate == Gate.CLOSED:
        return _begin(job, runs)
    checks = {one.host_id: one for one in HostCheck.objects.filter(host__in=[*runs])}
    pending = any(pk not in checks or checks[pk].ended_at is None for pk in runs)
    if row.gate == Gate.SOAKING and pending and row.soak_until and now < row.soak_until:
        Job.objects.filter(pk=job.pk).update(wake_at=now + LOOK_AGAIN)
        return False
    unfit = {run: why for pk, run in runs.items() if (why := _problem(checks.get(pk)))}
    if not unfit:
        journal.move_gate(job, FIRST, Gate(row.gate), Gate.OPEN, told=JobState.SUCCEEDED.value)
        return True
    _hold(job, row, unfit, len(runs))
    return False


def _waiting(job: Job) -> dict[int, HostRun]:
    """Those that would start, by their host."""
    waiting = job.host_runs.filter(state=HostRunState.WAITING, host__isnull=False)
    return {run.host_id: run for run in waiting.order_by("position") if run.host_id}


def _begin(job: Job, runs: dict[int, HostRun]) -> bool:
    now = clock.now()
    hosts.test(Host.objects.filter(pk__in=[*runs]))
    journal.move_gate(
        job, FIRST, Gate.CLOSED, Gate.SOAKING, soak_until=now + ANSWER_WITHIN, told="soaking"
    )
    if job.state != JobState.RUNNING:
        began = job.started_at or now
        journal.move_job(job, NOT_ENDED, JobState.RUNNING, started_at=began)
    Job.objects.filter(pk=job.pk).update(wake_at=now + LOOK_AGAIN)
    return False


def _problem(check: HostCheck | None) -> str:
    """What stands in the job's way; empty for nothing."""
    if check is None or check.ended_at is None:
        return _("no worker has looked at it")
    return check.problem["says"] if check.problem else ""


def _hold(job: Job, row: Batch, unfit: dict[HostRun, str], of: int) -> None:
    names = [run.name for run in unfit]
    reason = ngettext(
        "%(n)s of %(of)s hosts is not fit: %(names)s",
        "%(n)s of %(of)s hosts are not fit: %(names)s",
        len(unfit),
    ) % {
        "n": len(unfit),
        "of": of,
        "names": ", ".join(names[:NAMED]) + (" …" if len(names) > NAMED else ""),
    }
    if row.gate == Gate.SOAKING:
        journal.move_gate(job, FIRST, Gate.SOAKING, Gate.WAITING, told="gate")
        news = [
            journal.News(Event.Kind.NOTE, {"text": _("not fit: %s") % why}, host_run=run.pk)
            for run, why in list(unfit.items())[:TOLD]
        ]
        journal.append(job.pk, news)
    if (job.state, job.reason) != (JobState.PAUSED, reason):
        journal.move_job(job, NOT_ENDED, JobState.PAUSED, reason=reason, wake_at=None)
