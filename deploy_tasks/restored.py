"""What must not happen after the rows of an older moment have been put back.

A job that was open then may have gone on since, here or on its hosts: nothing of it is known. So
nothing of it goes on by itself.
"""

from datetime import datetime

from django.db import transaction
from django.db.models import F
from django.utils.translation import gettext_noop

from deploy_tasks import conductor, journal
from deploy_tasks.models import Job
from deploy_tasks.states import JOB_ENDED, HostRunState


def hold_open_jobs(made_at: datetime) -> None:
    """Halt them; what ran is *unknown* and waits for a person's answer."""
    reason = gettext_noop("restored from a backup of %s; what has happened since is not known") % (
        made_at.strftime("%Y-%m-%d %H:%M UTC")
    )
    for job_id in Job.objects.exclude(state__in=JOB_ENDED).values_list("pk", flat=True):
        with transaction.atomic():
            _hold(journal.lock(job_id), reason)


def _hold(job: Job, reason: str) -> None:
    every = list(job.host_runs.values_list("pk", flat=True))
    journal.move_host_runs(
        job, every, [HostRunState.QUEUED], HostRunState.WAITING, reason=reason, rung_at=None
    )
    journal.move_host_runs(
        job,
        every,
        [HostRunState.RUNNING, HostRunState.PAUSED, HostRunState.STAGED],
        HostRunState.UNKNOWN,
        reason=reason,
        owner="",
        lease_until=None,
        wake_at=None,
        fence=F("fence") + 1,
    )
    conductor.halt(job, reason)
    # Where its hosts stand by now only a person can find out: it does not go back by itself.
    Job.objects.filter(pk=job.pk).update(no_way_back=True)
