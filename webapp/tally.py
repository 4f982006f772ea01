"""How the hosts of jobs stand, counted: what is said of a job, and may be ordered, rests on it."""

from collections import Counter, defaultdict
from collections.abc import Iterable

from django.db.models import Count, Q

from deploy_tasks import floors
from deploy_tasks.checking import FIRST
from deploy_tasks.models import Batch, HostRun, Job
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
        return [BatchCounts(n, counts) for n, counts in sorted(self.of_batch.items())]


def tallies(jobs: Iterable[Job]) -> defaultdict[int, Tally]:
    """By the job's id, in three queries."""
    found: defaultdict[int, Tally] = defaultdict(Tally)
    rows = (
        HostRun.objects.filter(job__in=[job.pk for job in jobs])
        .values("job", "batch", "state")
        .annotate(
            runs=Count("pk"),
            downs=Count("pk", filter=floors.still_down()),
            excludeds=Count("pk", filter=Q(excluded=True, state__in=HOST_FAILED)),
            unreachables=Count("pk", filter=Q(link=Link.UNREACHABLE)),
        )
    )
    for row in rows:
        tally = found[row["job"]]
        tally.of_batch[row["batch"]][row["state"]] += row["runs"]
        tally.down += row["downs"]
        tally.excluded[row["batch"]] += row["excludeds"]
        if row["state"] not in HOST_ENDED:
            tally.unreachable += row["unreachables"]
    takers = Job.objects.filter(rolls_back__in=[job.pk for job in jobs])
    for taker, taken in takers.values_list("pk", "rolls_back"):
        found[int(taken or 0)].rolled_back_by = taker
    for job, n, canary, gate, soak_until in Batch.objects.filter(
        Q(canary=True) | Q(gate__in=GATES), job__in=[job.pk for job in jobs]
    ).values_list("job", "n", "canary", "gate", "soak_until"):
        tally = found[job]
        if canary:
            tally.canaries.add(n)
        if gate in GATES:
            tally.gates[n] = GATES[Gate(gate)]
        if soak_until:
            tally.soaks[n] = iso(soak_until)
    return found
