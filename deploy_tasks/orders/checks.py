"""Orders about the check of a job's hosts before its first batch."""

from django.contrib.auth.models import User
from django.db import transaction
from django.utils.translation import gettext as _

from deploy_tasks import journal
from deploy_tasks.checking import FIRST
from deploy_tasks.errors import OrderRefused
from deploy_tasks.models import Job
from deploy_tasks.orders.records import rung, tell
from deploy_tasks.states import JOB_ENDED, Gate, JobState


@transaction.atomic
def check(job: Job, *, by: User, note: str = "") -> Job:
    """Look at the hosts again: what was wrong is mended. Safe to press twice.

    Raises OrderRefused where the job does not check its hosts, or is through with that.
    """
    job = journal.lock(job.pk)
    row = job.batches.filter(n=FIRST).first()
    over = job.cancelled or job.state in (*JOB_ENDED, JobState.HALTED)
    if row is None or row.gate == Gate.OPEN or over:
        raise OrderRefused(_("there is no check of the hosts to repeat"))
    if row.gate == Gate.WAITING:
        tell(job, by, "check", note=note)
        journal.move_gate(job, FIRST, Gate.WAITING, Gate.CLOSED, told=JobState.RUNNING.value)
    return rung(job)
