"""Lets go of what hosts printed long ago. The rest of a job's story stays for good.

A few rows in each transaction, so that nobody waits for it; what is left is for the next time.
"""

import time
from datetime import datetime, timedelta

from django.conf import settings
from django.db import transaction
from django.db.models import Exists, OuterRef
from django.utils.translation import gettext_noop

from deploy_tasks import clock, journal
from deploy_tasks.models import Event, Job
from deploy_tasks.states import JOB_ENDED

#: Rows in one transaction: some 20 ms for others.
ROWS = 1000
#: Seconds for one go.
LIMIT = 60.0


def drop_old_output() -> int:
    """Drop the output of jobs that ended before the days that are kept; gives how many jobs."""
    if not settings.KEEP_OUTPUT_DAYS:
        return 0
    deadline = time.monotonic() + LIMIT
    before = clock.now() - timedelta(days=settings.KEEP_OUTPUT_DAYS)
    dropped = 0
    for job_id in _jobs_with_output(before):
        while _drop_some(job_id, before):
            if time.monotonic() > deadline:
                return dropped
        dropped += 1
    return dropped


def _jobs_with_output(before: datetime) -> list[int]:
    """Oldest first. The note that it was dropped is the last event of a job that has none left."""
    note = Event.objects.filter(
        job=OuterRef("pk"), seq=OuterRef("last_seq"), kind=Event.Kind.NOTE, data__dropped="output"
    )
    jobs = Job.objects.filter(state__in=JOB_ENDED, ended_at__lt=before).exclude(Exists(note))
    return list(jobs.order_by("ended_at").values_list("pk", flat=True))


@transaction.atomic
def _drop_some(job_id: int, before: datetime) -> bool:
    """False when nothing is left to drop, or the job was opened again."""
    job = journal.lock(job_id)
    if job.state not in JOB_ENDED or job.ended_at is None or job.ended_at >= before:
        return False
    output = Event.objects.filter(job=job, kind=Event.Kind.OUTPUT)
    some = list(output.values_list("pk", flat=True)[:ROWS])
    Event.objects.filter(pk__in=some).delete()
    if len(some) == ROWS:
        return True
    text = gettext_noop("the output was dropped: it was older than %s days")
    note = {"text": text % settings.KEEP_OUTPUT_DAYS, "dropped": "output"}
    journal.append(job.pk, [journal.News(Event.Kind.NOTE, note)])
    return False
