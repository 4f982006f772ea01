"""Finds host runs that somebody ought to carry and nobody does: a bell was lost, a worker has
died, or none had a hand free."""

import logging
from collections.abc import Sequence
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import Q, QuerySet

from deploy_tasks import bells, calls, clock, conductor, desk, hosts, owner
from deploy_tasks.failpoints import failpoint
from deploy_tasks.journal import change_host_runs
from deploy_tasks.models import HostRun, Job
from deploy_tasks.runner import LONGEST_LEASE
from deploy_tasks.states import JOB_OPEN, HostRunState

log = logging.getLogger(__name__)

#: A queued host run whose bell was rung that long ago is rung for again.
RING_AGAIN = timedelta(seconds=20)


def reconcile(*, take: bells.Take = list) -> None:
    """Ring for what ought to be carried and is not: a bell was lost, or a worker has died.

    Anybody may call it at any time: it only rings. ``take`` is offered them first.
    """
    now = clock.now()
    _free_those_of_dead_owners()
    failpoint("reconcile.freed")
    lapsed = _lapsed(now)
    # A clock that was set back leaves times that are to come: they are not waited for.
    unrung = Q(rung_at__lt=now - RING_AGAIN) | Q(rung_at__gt=now + RING_AGAIN)
    # One that was left (no ``rung_at``) needs no bell: whoever has a hand free looks for it.
    unheard = Q(state=HostRunState.QUEUED) & unrung
    # Two who look at nearly the same moment ring once.
    recently = Q(rung_at__gt=now - RING_AGAIN / 8, rung_at__lt=now + RING_AGAIN)
    left = HostRun.objects.filter(lapsed | unheard).exclude(recently)
    marked = _marked(left, now)
    failpoint("reconcile.marked")
    with bells.offered(take):
        bells.ring_host_runs(marked)
        for job_id in _jobs_that_stand_still():
            _conduct_alone(job_id)
    calls.ring_due()
    hosts.ring_for_looks()


def _conduct_alone(job_id: int) -> None:
    """A job that cannot be conducted keeps nobody from the others."""
    try:
        conductor.conduct(job_id)
    except desk.AWAY:
        raise
    except Exception:
        log.exception("could not conduct job %s", job_id)


def _lapsed(now: datetime) -> Q:
    """Under way, and carried by nobody."""
    awake = Q(wake_at=None) | Q(wake_at__lte=now)
    over = Q(lease_until=None) | Q(lease_until__lt=now) | Q(lease_until__gt=now + LONGEST_LEASE)
    return Q(state=HostRunState.RUNNING) & over & awake


@desk.asked
def left_behind(most: int) -> list[int]:
    """Those that no worker had a hand for."""
    left = Q(state=HostRunState.QUEUED) | _lapsed(clock.now())
    ids = HostRun.objects.filter(left, rung_at=None).order_by("pk").values_list("pk", flat=True)
    return list(ids[:most])


@desk.asked
def mark(ids: Sequence[int]) -> list[int]:
    """Of several workers that see the same one, one takes it: gives those that are ours."""
    return _marked(HostRun.objects.filter(pk__in=ids, rung_at=None), clock.now())


def _marked(left: QuerySet[HostRun], now: datetime) -> list[int]:
    """Of several that see the same row, one rings for it. A row that somebody else has locked is
    somebody else's; SQLite has one writer at a time, and no locks of rows."""
    if not left.exists():
        return []  # which is usual, and keeps no writer waiting
    with transaction.atomic():
        mine = left.order_by("pk").select_for_update(skip_locked=True)
        ids = list(mine.values_list("pk", flat=True))
        HostRun.objects.filter(pk__in=ids).update(rung_at=now)
    return ids


def _free_those_of_dead_owners() -> None:
    """A worker that died on this machine is known to be dead: its lease need not run out."""
    running = HostRun.objects.filter(state=HostRunState.RUNNING, lease_until__isnull=False)
    for name in running.exclude(owner="").values_list("owner", flat=True).distinct():
        if owner.is_dead(name):
            change_host_runs(running.filter(owner=name), lease_until=None, rung_at=None)


def _jobs_that_stand_still() -> list[int]:
    """Open jobs of which nothing is queued or running: their bell was lost, or their time came."""
    open_jobs = Job.objects.filter(state__in=JOB_OPEN)
    moving = HostRun.objects.filter(state__in=[HostRunState.QUEUED, HostRunState.RUNNING])
    return list(open_jobs.exclude(pk__in=moving.values("job")).values_list("pk", flat=True))
