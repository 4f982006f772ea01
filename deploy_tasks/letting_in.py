"""Lets host runs of a job begin, go down, and go on where they stood still.

How many is the policy's affair, and each function gives how many there were room for: locks and
every job's limits hold for them, and who has to wait is told why.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from django.db import transaction
from django.db.models import Q, QuerySet
from django.utils.translation import gettext as _

from deploy_tasks import bells, clock, floors, journal, locks
from deploy_tasks.models import HostRun, Job
from deploy_tasks.states import HostRunState, Pause
from deploy_tasks.tally import STILL, Tally
from deploy_tasks.wishes import Wish

#: From these a host run is let in to go down.
NOT_IN = (HostRunState.PAUSED, HostRunState.STAGED, HostRunState.WAITING)


def wake(job: Job) -> bool:
    """Let those go on that stood still for a pause which is over, also where they had not yet heard
    so, and those that have to end; gives whether there were any."""
    still = job.host_runs.filter(state__in=STILL)
    if not job.cancelled:
        leave = Q(wish=Wish.LEAVE_OUT)
        go_on = Q(state=HostRunState.PAUSED, held=False)
        still = still.filter(leave if job.pause == Pause.STEP else leave | go_on)
    ids = list(still.values_list("pk", flat=True))
    _queue(job, ids, *STILL)
    return bool(ids)


def let_in_held(job: Job, tally: Tally, *, room: int) -> int:
    """Let host runs go down that have stopped before their first disruptive step."""
    held = job.host_runs.filter(state=HostRunState.PAUSED, held=True)
    return _let_in(job, held, tally, room=room)


def bring_up(job: Job, tally: Tally, *, room: int) -> int:
    """Let hosts begin again that are down from before, whatever their batch: others wait for their
    places."""
    return _begin(job, job.host_runs.filter(out=True), tally, max(0, room))


def start(job: Job, tally: Tally, hosts: Mapping[int, int]) -> int:
    """Let so many ``hosts`` of each batch begin."""
    some = ((job.host_runs.filter(batch=n), most) for n, most in hosts.items())
    return sum(_begin(job, among, tally, most) for among, most in some)


def stage(job: Job, tally: Tally, hosts: int) -> int:
    """Let hosts do what comes before their switch."""
    return _begin(job, job.host_runs.filter(out=False), tally, hosts) if hosts else 0


def switch(job: Job, tally: Tally, hosts: Mapping[int, int]) -> int:
    """Let so many staged ``hosts`` of each batch go down."""
    ready = Q(state=HostRunState.STAGED) | Q(state=HostRunState.WAITING, out=True)
    staged = job.host_runs.filter(ready)
    some = ((staged.filter(batch=n), room) for n, room in hosts.items())
    return sum(_let_in(job, ready, tally, room=room) for ready, room in some)


def _begin(job: Job, among: QuerySet[HostRun], tally: Tally, most: int) -> int:
    waiting = among.filter(state=HostRunState.WAITING).order_by("position")
    waiting = waiting.only("job", "name", "state", "reason", "lock")
    # Where some have to be passed over, those further back take their places.
    wanting = list(waiting if tally.some_have_locks else waiting[:most])
    waits = _kept_apart(wanting)
    ids = [run.pk for run in wanting if run.pk not in waits][:most]
    _queue(job, ids, HostRunState.WAITING)
    _tell_waits(job, wanting, waits)
    return len(ids)


def _let_in(job: Job, held: QuerySet[HostRun], tally: Tally, *, room: int) -> int:
    """As many as every job's limits allow."""
    room = max(0, room)
    in_order = held.select_related("host__machine").order_by("position")
    # Of thousands, those further back need not be read where nobody has to be passed over.
    nobody_waits = floors.holds_nobody(job) and not tally.some_have_locks
    wanting = list(in_order[:room] if nobody_waits else in_order)
    admission = floors.let_in(job, wanting)
    waits = {run.pk: admission.wait[run.name] for run in wanting if run.name in admission.wait}
    waits |= _kept_apart([run for run in wanting if run.name in admission.enter])
    entering = [run.pk for run in wanting if run.pk not in waits][:room]
    _queue(job, entering, *NOT_IN, out=True)
    _tell_waits(job, wanting, waits)
    return len(entering)


def _kept_apart(wanting: list[HostRun]) -> dict[int, str]:
    """Why they have to wait, by id: for one with the same lock."""
    says = _("waits until %(host)s is through: the two share an installation")
    return {pk: says % {"host": name} for pk, name in locks.kept(wanting).items()}


def _queue(job: Job, ids: list[int], *come_from: HostRunState, **changes: Any) -> None:
    if not ids:
        return
    changes = {"held": False, "rung_at": clock.now(), **changes}
    moved = journal.move_host_runs(job, ids, come_from, HostRunState.QUEUED, **changes)
    transaction.on_commit(lambda: bells.ring_host_runs(moved), robust=True)


def _tell_waits(job: Job, wanting: Iterable[HostRun], waits: Mapping[int, str]) -> None:
    for run in wanting:
        why = waits.get(run.pk)
        if why and run.reason != why:
            state = HostRunState(run.state)
            journal.move_host_runs(job, [run.pk], [state], state, reason=why)
