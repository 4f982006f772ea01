"""Takes a halted job back by itself, where its rollout says so.

The order is the one that a person gives: the same refusals, a job of its own, once. It is given as
soon as nothing of the halted job runs or is unknown; what is refused then stays for a person. Where
nothing stands, for the hosts took themselves back say, the job is only called off.
"""

from django.utils.translation import gettext as _

from deploy_tasks import journal, orders
from deploy_tasks.audit import AuditUnwritable
from deploy_tasks.errors import OrderRefused
from deploy_tasks.models import Job
from deploy_tasks.orders.rolling_back import NothingStands, under_way
from deploy_tasks.states import JobState


def announced(why: str) -> str:
    """The reason of a job that halts and is to go back."""
    return _("%(why)s; it is rolled back as soon as none of its hosts runs") % {"why": why}


def go_back(job: Job, why: str) -> bool:
    """Roll back a locked job that is halted; False where it stays as it is, for now or for good."""
    if job.no_way_back or under_way(job).exists():
        return False
    try:
        orders.rollback(job, by=None, note=why)
    except AuditUnwritable:
        return False  # tried again whenever the job is looked at
    except NothingStands as nothing:
        # Then it is back already, and nobody has to come for it.
        orders.cancel(job, by=None, note=f"{why}; {nothing}")
    except OrderRefused as refusal:
        reason = _("%(why)s; not rolled back: %(refusal)s") % {"why": why, "refusal": refusal}
        # Told anew: until now people had been told that it goes back.
        journal.move_job(job, [JobState.HALTED], JobState.HALTED, reason=reason, no_way_back=True)
        return False
    job.refresh_from_db(fields=["cancelled"])
    return True
