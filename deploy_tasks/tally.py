"""How the host runs of a job stand, counted by one question whatever their number."""

from collections import Counter
from dataclasses import dataclass

from django.db.models import Count, Max

from deploy_tasks.models import Batch, Job
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


def count(job: Job) -> Tally:
    ahead = Rollout.model_validate(job.rollout).stages_ahead
    counts: dict[int, Counter[str]] = {}
    locks = still = False
    columns = ("batch", "state", "excluded", "held", "out")
    rows = job.host_runs.values_list(*columns).annotate(hosts=Count("pk"), a_lock=Max("lock"))
    for batch, state, excluded, held, out, hosts, a_lock in rows:
        stands = _stands(state, held=held, out=out, ahead=ahead)
        if excluded and state in HOST_FAILED:
            stands = HostRunState.SKIPPED
        counts.setdefault(batch, Counter())[stands] += hosts
        locks, still = locks or bool(a_lock), still or state in STILL
    batches = [_batch(row, counts[row.n]) for row in job.batches.order_by("n") if row.n in counts]
    return Tally(batches, some_stand_still=still, some_have_locks=locks)


def _stands(state: str, *, held: bool, out: bool, ahead: bool) -> str:
    if not ahead:
        return HELD if held and state == HostRunState.PAUSED else state
    if state in HOST_ACTIVE and (held or not out):
        return STAGING
    # Its host is down from before a retry: it waits for no more than its batch.
    return STAGED if state == HostRunState.WAITING and out else state


def _batch(row: Batch, found: Counter[str]) -> BatchStand:
    return BatchStand(
        n=row.n,
        waiting=found[HostRunState.WAITING],
        staging=found[STAGING],
        staged=found[STAGED],
        active=sum(found[state] for state in HOST_ACTIVE),
        held=found[HELD],
        succeeded=sum(found[state] for state in SUCCEEDED),
        failed=sum(found[state] for state in HOST_FAILED),
        unknown=found[HostRunState.UNKNOWN],
        canary=row.canary,
        gate=Gate(row.gate),
        soak_until=row.soak_until,
    )
