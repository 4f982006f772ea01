"""What every order leaves behind: its event, its audit entry, and the bell."""

from functools import partial
from typing import Any

from django.contrib.auth.models import User
from django.db import transaction

from deploy_tasks import audit, bells, journal
from deploy_tasks.failpoints import failpoint
from deploy_tasks.models import Event, Job

#: Orders that begin nothing.
CALMING = frozenset({"cancel", "pause"})


def tell(job: Job, by: User, what: str, **details: Any) -> None:
    """``details`` that are empty are left out, of the event and of the audit."""
    given = {name: value for name, value in details.items() if value not in (None, False, "")}
    story = {"who": by.get_username(), "what": what, **given}
    journal.append(job.pk, [journal.News(Event.Kind.ORDER, story)])
    # What ends harm must not wait for the audit; what begins something must.
    record = audit.record_anyway if what in CALMING else audit.record
    record(by, f"{what}_job", str(job), game=job.game, **given)


def rung(job: Job) -> Job:
    """The job as it stands now; it is looked at as soon as this is committed."""
    failpoint("order.written")
    transaction.on_commit(partial(bells.ring_job, job.pk), robust=True)
    return Job.objects.select_related("game", "release", "revision__recipe").get(pk=job.pk)
