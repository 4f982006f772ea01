"""Writes down who has to be told of what a job does, in the transaction in which it does it; and
that a disk is nearly full.

Nothing is told here: a worker does that, later and as often as it takes (webapp.calls).
"""

from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import Max, Q

from deploy_tasks import bells, clock
from deploy_tasks.models import Call, Job, Moment, Pager
from deploy_tasks.states import JobState

#: Hosts become unknown one after the other, when a worker's network is gone say: one call.
GATHER = timedelta(seconds=10)
#: Between two calls that a job has unknown hosts.
AGAIN = timedelta(minutes=5)
A_DAY = timedelta(days=1)
#: Bells rung at a time.
MOST = 50

OF_STATE = {
    JobState.HALTED: Moment.HALTED,
    JobState.SUCCEEDED: Moment.SUCCEEDED,
    JobState.FAILED: Moment.FAILED,
    JobState.CANCELLED: Moment.CANCELLED,
}


def note_state(job: Job, to: JobState) -> None:
    """A job has moved."""
    if to in OF_STATE and not (to == JobState.CANCELLED and _went_back_by_itself(job)):
        note(job.pk, job.game_id, OF_STATE[to])


def _went_back_by_itself(job: Job) -> bool:
    """It was told as halted, and whatever comes of it is told of the job that takes it back."""
    return Job.objects.filter(rolls_back=job, by=None).exists()


def note_unknown(job_id: int) -> None:
    """The outcome on a host of this job has become unknown."""
    note(job_id, Job.objects.values_list("game", flat=True).get(pk=job_id), Moment.UNKNOWN)


def note(job_id: int, game_id: int, moment: Moment) -> None:
    """Inside the caller's transaction."""
    there = Pager.objects.filter(Q(game=game_id) | Q(game=None))
    pagers = [pk for pk, moments in there.values_list("pk", "moments") if moment in moments]
    if not pagers:
        return
    now = clock.now()
    due = dict.fromkeys(pagers, now)
    if moment == Moment.UNKNOWN:
        due = dict.fromkeys(pagers, now + GATHER) | _not_again_before(job_id, pagers, now)
    Call.objects.bulk_create(
        [
            Call(pager_id=pager, job_id=job_id, moment=moment, at=now, due_at=due_at)
            for pager, due_at in due.items()
        ],
        ignore_conflicts=True,
    )
    if moment != Moment.UNKNOWN:
        # The journal must not wait for the broker; what is due later is rung for later anyway.
        transaction.on_commit(ring_due, robust=True)


def note_disk(*, machine: str, free: int) -> None:
    """For those that hear of all games; each is told once a day of each machine."""
    now = clock.now()
    with transaction.atomic():
        # Held, so that two who look at the same moment do not both call.
        there = Pager.objects.select_for_update().filter(game=None).values_list("pk", "moments")
        wanting = {pk for pk, moments in there if Moment.DISK in moments}
        lately = Call.objects.filter(moment=Moment.DISK, at__gt=now - A_DAY)
        told = lately.filter(about__machine=machine).values_list("pager", flat=True)
        about = {"machine": machine, "free": free}
        Call.objects.bulk_create(
            Call(pager_id=pager, moment=Moment.DISK, at=now, due_at=now, about=about)
            for pager in sorted(wanting - set(told))
        )
    transaction.on_commit(ring_due, robust=True)


def test(pager: Pager) -> None:
    """Tell this pager that it works."""
    now = clock.now()
    Call.objects.create(pager=pager, moment=Moment.TEST, at=now, due_at=now)
    transaction.on_commit(ring_due, robust=True)


def ring_due() -> None:
    """Ring for calls whose time has come. Anybody may, at any time."""
    due = Call.objects.filter(state=Call.State.WAITING, due_at__lte=clock.now())
    if ids := list(due.order_by("due_at").values_list("pk", flat=True)[:MOST]):
        bells.ring_calls(ids)


def _not_again_before(job_id: int, pagers: list[int], now: datetime) -> dict[int, datetime]:
    told = Call.objects.filter(
        job=job_id, pager__in=pagers, moment=Moment.UNKNOWN, ended_at__gt=now - AGAIN
    )
    last = told.values_list("pager").annotate(Max("ended_at"))
    return {pager: max(at + AGAIN, now + GATHER) for pager, at in last}
