"""What a worker's host runs are asked and told while it carries them: wishes, and that it lives."""

from collections.abc import Collection, Mapping
from datetime import timedelta

from django.db.models import QuerySet

from deploy_tasks import clock, owner
from deploy_tasks.journal import change_host_runs
from deploy_tasks.models import HostRun, Worker
from deploy_tasks.runner import LEASE, Carriage
from deploy_tasks.states import HostRunState
from deploy_tasks.wishes import Wish

FORGET_WORKERS = timedelta(days=1)


def heed_wishes(mine: Mapping[int, Carriage]) -> set[int]:
    """Tell whoever carries one of these host runs what people wish of it, and whether somebody else
    has it by now. Gives those that are ours by their rows.

    By their owner: a list of a thousand ids costs more than its answer.
    """
    known = {pk: carriage.wish for pk, carriage in mine.items()}
    told = ("pk", "fence", "wish")
    rows = list(_held().values_list(*told)) if mine else []
    held = {pk for pk, _fence, _wish in rows}
    # Their claim is not committed yet, they have just ended, or somebody else has them.
    if others := mine.keys() - held:
        rows += HostRun.objects.filter(pk__in=others).values_list(*told)
    for pk, fence, wish in rows:
        carriage = mine.get(pk)
        # Where its own thread was quicker, what was read may be older than that.
        if carriage is None or carriage.wish != known[pk]:
            continue
        lost = fence > carriage.fence
        if (carriage.wish, carriage.lost) != (wish, lost):
            carriage.wish, carriage.lost = Wish(wish), lost
            carriage.wake()
    return held


def renew(*, but: Collection[int]) -> None:
    """All leases of this worker, but those of host runs that nobody carries any more. A claim that
    somebody else has taken since has another owner, and is not renewed."""
    clock.adjust()
    now = clock.now()
    if not Worker.objects.filter(owner=owner.me()).update(seen_at=now):
        Worker.objects.get_or_create(owner=owner.me(), defaults={"seen_at": now})
    running = _held()
    if but:
        running = running.exclude(pk__in=but)
    change_host_runs(running, lease_until=now + timedelta(seconds=LEASE))


def forget_workers() -> None:
    Worker.objects.filter(seen_at__lt=clock.now() - FORGET_WORKERS).delete()


def _held() -> QuerySet[HostRun]:
    """Under way, and claimed by this worker."""
    return HostRun.objects.filter(state=HostRunState.RUNNING, owner=owner.me())
