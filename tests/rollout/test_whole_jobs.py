"""Whole jobs, whatever happens in whatever order."""

from datetime import datetime, timedelta
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from deploy_tasks.rollout import BatchStand, Decision, Rollout, Situation, batches, decide
from deploy_tasks.states import Gate, Pause
from tests.rollout.situations import NOW, placed, rollout

ENDS = ["succeeded", "failed", "unknown"]
LEFT = ["waiting", "staging", "staged", "active", "unknown"]
PRESSED = [
    "switch",
    "pause",
    "pause after batch",
    "resume",
    "promote",
    "retry",
    "answer",
    "wait",
    "lose",
    "worker",
]


class Fleet:
    """A job's host runs as the rows would have them, moved by what may happen to them."""

    def __init__(self, plan: Rollout, hosts: int) -> None:
        self.plan, self.now = plan, NOW
        self.cut = batches(placed(hosts), plan)
        self.states = [["waiting"] * len(batch) for batch in self.cut.batches]
        self.gates = [Gate.CLOSED for _ in self.states]
        self.soaks: list[datetime | None] = [None for _ in self.states]
        self.pause = Pause.NONE
        self.halted = False
        self.switch_at: datetime | None = None
        #: Let in to go down: where hosts stage ahead, no other one is past the switch.
        self.gone: set[tuple[int, int]] = set()

    def stand(self) -> list[BatchStand]:
        return [
            BatchStand(
                n,
                **{name: states.count(name) for name in (*LEFT, "succeeded", "failed")},
                canary=self.cut.canary and n == 0,
                gate=self.gates[n],
                soak_until=self.soaks[n],
            )
            for n, states in enumerate(self.states)
        ]

    def count(self, state: str) -> int:
        return sum(states.count(state) for states in self.states)

    def places(self, *states: str) -> list[tuple[int, int]]:
        return [
            (n, i) for n, row in enumerate(self.states) for i, s in enumerate(row) if s in states
        ]

    def conduct(self) -> Decision:
        situation = Situation(self.now, self.pause, switch_at=self.switch_at)
        decision = decide(self.plan, self.stand(), situation)
        self.halted = self.halted or decision.halt is not None
        for batch in decision.gates:
            self.gates[batch.n], self.soaks[batch.n] = batch.gate, batch.soak_until
        for n, many in decision.start.items():
            self.check(n, many)
            for i in [i for i, s in enumerate(self.states[n]) if s == self.ready][:many]:
                self.states[n][i] = "active"
                self.gone.add((n, i))
        if decision.stage:
            self.check_stage(decision.stage)
        for n, i in self.places("waiting")[: decision.stage]:
            self.states[n][i] = "staging"
        return decision

    @property
    def ready(self) -> str:
        return "staged" if self.plan.stages_ahead else "waiting"

    def check_stage(self, many: int) -> None:
        """What must be true whenever hosts begin to stage."""
        assert not self.halted
        assert self.pause not in (Pause.HOST, Pause.STEP)
        assert self.count("staging") + many <= self.plan.stage_width(sum(map(len, self.states)))

    def check(self, n: int, many: int) -> None:
        """What must be true whenever hosts start."""
        assert not self.halted
        assert self.pause not in (Pause.HOST, Pause.STEP)
        assert 0 < many <= self.states[n].count(self.ready)
        if self.plan.stages_ahead:
            assert self.switch_at is not None
            assert self.switch_at <= self.now
        assert self.count("active") + many <= self.plan.width(sum(map(len, self.states)))
        budget = self.plan.budget(sum(map(len, self.states)))
        assert budget is None or self.count("failed") <= budget
        for before, batch in enumerate(self.states[:n]):
            assert not set(LEFT) & set(batch)
            assert self.gates[before] == Gate.OPEN
        of_batch = self.plan.batch_budget(len(self.states[n]))
        assert of_batch is None or self.states[n].count("failed") <= of_batch
        assert not (self.cut.canary and n == 0 and "failed" in self.states[0])


# No deadline: a machine that is busy with other tests is no finding.
@settings(deadline=None)
@given(
    hosts=st.integers(1, 30),
    keys=st.fixed_dictionaries(
        {
            "canary": st.integers(0, 3),
            "batches": st.lists(st.integers(1, 9), max_size=2).flatmap(
                lambda sizes: st.sampled_from([sizes, [*sizes, "double"], [*sizes, "repeat"]])
            ),
            "parallel": st.integers(1, 10) | st.sampled_from(["10%", "50%"]),
            "max_failed": st.none() | st.integers(0, 5) | st.sampled_from(["10%", "50%"]),
            "max_failed_in_batch": st.none() | st.integers(0, 3),
            "gate": st.sampled_from(["auto", "manual", ["manual", "auto"]]),
            "soak": st.sampled_from([0, 30, [30, 0, 10]]),
            "stage": st.sampled_from(["in_batch", "ahead"]),
            "stage_parallel": st.integers(1, 10),
        }
    ),
    events=st.lists(
        st.tuples(st.sampled_from([*ENDS, *ENDS, *PRESSED]), st.integers(0, 99)), max_size=50
    ),
)
def test_a_whole_job_never_starts_what_it_may_not(
    hosts: int, keys: dict[str, Any], events: list[tuple[str, int]]
) -> None:
    """Host runs end in any order, people press what they like, workers are lost."""
    fleet = Fleet(rollout(**keys), hosts)
    for event, which in events:
        fleet.conduct()
        happen(fleet, event, which)
        assert sum(map(len, fleet.states)) == hosts
    settle(fleet)


def happen(fleet: Fleet, event: str, which: int) -> None:
    def some(*states: str) -> list[tuple[int, int]]:
        there = fleet.places(*states)
        return [there[which % len(there)]] if there else []

    match event:
        case "pause":
            fleet.pause = Pause.HOST
        case "pause after batch":
            fleet.pause = Pause.BATCH
        case "resume":
            fleet.pause = Pause.NONE
        case "promote":
            for n, gate in enumerate(fleet.gates):
                # A halted job refuses the order.
                if gate in (Gate.SOAKING, Gate.WAITING) and not fleet.halted:
                    fleet.gates[n], fleet.soaks[n] = Gate.OPEN, None
                    break
        case "switch":
            fleet.switch_at = fleet.now + timedelta(seconds=which % 50)
        case "wait":
            fleet.now += timedelta(seconds=20)
        case "retry":
            fleet.halted = False
            for n, i in some("failed"):
                # One that is down waits for no more than its batch.
                down = fleet.plan.stages_ahead and (n, i) in fleet.gone
                fleet.states[n][i] = "staged" if down else "waiting"
                fleet.gates[n], fleet.soaks[n] = Gate.CLOSED, None
        case "answer":
            fleet.halted = False
            for n, i in some("unknown"):
                fleet.states[n][i] = "active" if (n, i) in fleet.gone else "staging"
        case "lose":
            # A success is taken back while its batch soaks.
            for n, i in some("succeeded"):
                if fleet.gates[n] == Gate.SOAKING:
                    fleet.states[n][i] = "failed"
        case "worker":
            pass  # another attaches: the rows do not change
        case end:
            for n, i in some("active", "staging"):
                through = end == "succeeded" and fleet.states[n][i] == "staging"
                fleet.states[n][i] = "staged" if through else end


def settle(fleet: Fleet) -> None:
    """From here on all goes well: it comes to an end, or says why it does not."""
    fleet.pause, fleet.halted, fleet.switch_at = Pause.NONE, False, fleet.now
    for _ in range(200):
        decision = fleet.conduct()
        if decision.over or decision.halt:
            assert decision.halt or not fleet.places(*LEFT)
            return
        for n, i in fleet.places("staging"):
            fleet.states[n][i] = "staged"
        for n, i in fleet.places("active"):
            fleet.states[n][i] = "succeeded"
        fleet.now += timedelta(seconds=30)
        fleet.gates = [Gate.OPEN if gate == Gate.WAITING else gate for gate in fleet.gates]
    raise AssertionError("it stands still and does not say why")
