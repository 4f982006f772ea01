"""How the host runs of a job stand, counted by one question whatever their number."""

from collections import Counter
from dataclasses import dataclass
from datetime import datetime

from django.db.models import Count, Max

from deploy_tasks.models import Batch, HostRun, Job
from deploy_tasks.prepared import Given, Prepared
from deploy_tasks.rollout import BatchStand, Rollout
from deploy_tasks.states import HOST_ACTIVE, HOST_FAILED, Gate, HostRunState

#: Among the states of host runs that are counted: paused until it may go down; on its way to the
#: switch; before it, or past it and tried again.
HELD, STAGING, STAGED = "held", "staging", HostRunState.STAGED.value
SUCCEEDED = (HostRunState.SUCCEEDED, HostRunState.SKIPPED)
#: It stands still, without a worker.
STILL = (HostRunState.PAUSED, HostRunState.STAGED)


@dataclass(frozen=True)
class Tally:
    """``batches`` in their order; cancelled host runs count in none. ``some_stand_still``: paused
    or staged; ``some_have_locks``: see `deploy_tasks.locks`."""

    batches: list[BatchStand]
    some_stand_still: bool
    some_have_locks: bool


_runs = Prepared(
    lambda: (
        HostRun.objects.filter(job=Given("job"))
        .values_list("batch", "state", "excluded", "held", "out")
        .annotate(hosts=Count("pk"), a_lock=Max("lock"))
    )
)
_batches = Prepared(
    lambda: (
        Batch.objects.filter(job=Given("job"))
        .order_by("n")
        .values_list("n", "canary", "gate", "soak_until")
    )
)


def count(job: Job) -> Tally:
    ahead = Rollout.model_validate(job.rollout).stages_ahead
    counts: dict[int, Counter[str]] = {}
    locks = still = False
    for batch, state, excluded, held, out, hosts, a_lock in _runs(job=job.pk):
        stands = _stands(state, held=held, out=out, ahead=ahead)
        if excluded and state in HOST_FAILED:
            stands = HostRunState.SKIPPED
        counts.setdefault(batch, Counter())[stands] += hosts
        locks, still = locks or bool(a_lock), still or state in STILL
    batches = [
        _batch(n, counts[n], canary=canary, gate=gate, soak_until=soak_until)
        for n, canary, gate, soak_until in _batches(job=job.pk)
        if n in counts
    ]
    return Tally(batches, some_stand_still=still, some_have_locks=locks)


def _stands(state: str, *, held: bool, out: bool, ahead: bool) -> str:
    if not ahead:
        return HELD if held and state == HostRunState.PAUSED else state
    if state in HOST_ACTIVE and (held or not out):
        return STAGING
    # Its host is down from before a retry: it waits for no more than its batch.
    return STAGED if state == HostRunState.WAITING and out else state


def _batch(
    n: int, found: Counter[str], *, canary: bool, gate: str, soak_until: datetime | None
) -> BatchStand:
    return BatchStand(
        n=n,
        waiting=found[HostRunState.WAITING],
        staging=found[STAGING],
        staged=found[STAGED],
        active=sum(found[state] for state in HOST_ACTIVE),
        held=found[HELD],
        succeeded=sum(found[state] for state in SUCCEEDED),
        failed=sum(found[state] for state in HOST_FAILED),
        unknown=found[HostRunState.UNKNOWN],
        canary=canary,
        gate=Gate(gate),
        soak_until=soak_until,
    )
