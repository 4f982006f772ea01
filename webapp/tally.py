"""How the hosts of jobs stand, counted: what is said of a job, and may be ordered, rests on it."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from typing import Any

from django.db.models import Count, Q, QuerySet

from deploy_tasks import floors
from deploy_tasks.checking import FIRST
from deploy_tasks.models import Batch, HostRun, Job
from deploy_tasks.orders.adjusting import AHEAD, HELD, UNTOUCHED
from deploy_tasks.orders.rolling_back import AT_REST_WITH_WORK
from deploy_tasks.prepared import Given, Prepared
from deploy_tasks.states import HOST_ENDED, HOST_FAILED, Gate, HostRunState, Link
from deploy_tasks.times import iso
from webapp.verdict import BatchCounts

#: Gates as the batch's state tells them.
GATES = {Gate.SOAKING: "soaking", Gate.WAITING: "gate"}


class Tally:
    """How the host runs of one job stand."""

    def __init__(self) -> None:
        self.of_batch: defaultdict[int, Counter[str]] = defaultdict(Counter)
        self.canaries: set[int] = set()
        #: What is said of batches that are done, and whose gate is not open yet.
        self.gates: dict[int, str] = {}
        self.soaks: dict[int, str] = {}
        self.rolled_back_by: int | None = None
        self.excluded: Counter[int] = Counter()
        self.unreachable = 0
        self.down = 0
        self.broken = 0  # of those that failed, down
        self.doubted = 0  # of those that are unknown, down
        #: Those that can be left out; the same where hosts stage ahead of the switch.
        self.to_leave_out = self.to_leave_out_ahead = 0
        #: Those on which something may stand that can be taken back.
        self.to_take_back = 0

    @property
    def counts(self) -> dict[str, int]:
        total: Counter[str] = sum(self.of_batch.values(), Counter())
        return {state.value: total[state.value] for state in HostRunState}

    def counts_of(self, *states: HostRunState) -> int:
        return sum(found[state] for found in self.of_batch.values() for state in states)

    @property
    def check(self) -> str:
        """Of the hosts, before the first batch."""
        return self.gates.get(FIRST, "")

    @property
    def batches(self) -> list[BatchCounts]:
        return [
            BatchCounts(n, counts, self.gates.get(n, ""))
            for n, counts in sorted(self.of_batch.items())
        ]


def _runs(of: Q) -> QuerySet[HostRun, tuple[Any, ...]]:
    return (
        HostRun.objects.filter(of)
        .values_list("job", "batch", "state")
        .annotate(
            runs=Count("pk"),
            downs=Count("pk", filter=floors.still_down()),
            excludeds=Count("pk", filter=Q(excluded=True, state__in=HOST_FAILED)),
            unreachables=Count("pk", filter=Q(link=Link.UNREACHABLE)),
            held=Count("pk", filter=UNTOUCHED | HELD),
            ahead=Count("pk", filter=UNTOUCHED | AHEAD),
            done=Count("pk", filter=Q(state__in=AT_REST_WITH_WORK, fence__gt=0)),
        )
    )


def _takers(of: Q) -> QuerySet[Job, tuple[Any, ...]]:
    return Job.objects.filter(of).values_list("pk", "rolls_back")


def _batches(of: Q) -> QuerySet[Batch, tuple[Any, ...]]:
    told = Q(canary=True) | Q(gate__in=GATES)
    return Batch.objects.filter(told, of).values_list("job", "n", "canary", "gate", "soak_until")


#: The same of one job, which is asked for several times a second.
_runs_of_one = Prepared(lambda: _runs(Q(job=Given("job"))))
_takers_of_one = Prepared(lambda: _takers(Q(rolls_back=Given("job"))))
_batches_of_one = Prepared(lambda: _batches(Q(job=Given("job"))))


def tallies(jobs: Sequence[Job]) -> defaultdict[int, Tally]:
    """By the job's id, in three queries."""
    ids = [job.pk for job in jobs]
    if len(ids) == 1:
        one = ids[0]
        return _told(_runs_of_one(job=one), _takers_of_one(job=one), _batches_of_one(job=one))
    of = Q(job__in=ids)
    return _told(_runs(of), _takers(Q(rolls_back__in=ids)), _batches(of))


def _told(
    runs: Iterable[tuple[Any, ...]],
    takers: Iterable[tuple[Any, ...]],
    batches: Iterable[tuple[Any, ...]],
) -> defaultdict[int, Tally]:
    found: defaultdict[int, Tally] = defaultdict(Tally)
    for job, batch, state, hosts, down, excluded, unreachable, *orderable in runs:
        tally = found[job]
        held, ahead, done = orderable
        tally.to_leave_out += held
        tally.to_leave_out_ahead += ahead
        tally.to_take_back += done
        tally.of_batch[batch][state] += hosts
        tally.down += down
        if state in HOST_FAILED:
            tally.broken += down
        elif state == HostRunState.UNKNOWN:
            tally.doubted += down
        tally.excluded[batch] += excluded
        if state not in HOST_ENDED:
            tally.unreachable += unreachable
    for taker, taken in takers:
        found[taken].rolled_back_by = taker
    for job, n, canary, gate, soak_until in batches:
        tally = found[job]
        if canary:
            tally.canaries.add(n)
        if gate in GATES:
            tally.gates[n] = GATES[Gate(gate)]
        if soak_until:
            tally.soaks[n] = iso(soak_until)
    return found
