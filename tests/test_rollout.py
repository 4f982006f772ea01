from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from deploy_tasks.rollout import BatchStand, Decision, Placed, Rollout, Situation, batches, decide
from deploy_tasks.states import Gate, Pause


def rollout(**keys: Any) -> Rollout:
    return Rollout.model_validate(keys)


def placed(hosts: int) -> list[Placed]:
    return [Placed(f"h{n}") for n in range(hosts)]


def names(hosts: list[Placed], **keys: Any) -> list[list[str]]:
    return batches(hosts, rollout(**keys)).batches


def sizes(hosts: int, **keys: Any) -> list[int]:
    return [len(batch) for batch in names(placed(hosts), **keys)]


@pytest.mark.parametrize(
    ("hosts", "keys", "cut"),
    [
        (10, {}, [10]),
        (0, {}, []),
        (1, {"canary": 1}, [1]),
        (10, {"canary": 1}, [1, 9]),
        (30, {"canary": "5%", "batches": ["50%"]}, [2, 13, 15]),
        (3, {"canary": 5}, [3]),
        (10, {"canary": 1, "batches": ["10%", "50%", "100%"]}, [1, 4, 5]),
        (10, {"canary": 2, "batches": ["10%", "50%", "100%"]}, [2, 3, 5]),
        (24, {"canary": 1, "batches": ["10%", "50%", "100%"]}, [1, 2, 9, 12]),
        (7, {"batches": ["25%"]}, [2, 5]),
        (7, {"batches": ["1%", "2%", "100%"]}, [1, 6]),
        (300, {"batches": ["7%"]}, [21, 279]),
        (10, {"batches": [2, 3]}, [2, 3, 5]),
        (10, {"batches": [2, "50%", 4]}, [2, 3, 4, 1]),
        (4, {"batches": [2, 3, 4]}, [2, 2]),
        (10, {"batches": []}, [10]),
        (11, {"batches": [5, "repeat"]}, [5, 5, 1]),
        (20, {"canary": 1, "batches": ["double"]}, [1, 2, 4, 8, 5]),
        (10, {"batches": ["double"]}, [1, 2, 4, 3]),
        (30, {"batches": [1, 5, "repeat"]}, [1, 5, 5, 5, 5, 5, 4]),
        (30, {"batches": [2, "+3"]}, [2, 5, 8, 11, 4]),
        (30, {"batches": ["10%", "*3"]}, [3, 9, 18]),
        (6, {"batches": ["+2"]}, [2, 4]),
    ],
)
def test_hosts_are_cut_into_batches(hosts: int, keys: dict[str, Any], cut: list[int]) -> None:
    assert sizes(hosts, **keys) == cut


@given(
    hosts=st.integers(0, 400),
    canary=st.integers(0, 20),
    shares=st.sets(st.integers(1, 100), max_size=5),
    counts=st.lists(st.integers(1, 50), max_size=5),
)
def test_every_host_is_in_exactly_one_batch_in_order(
    hosts: int, canary: int, shares: set[int], counts: list[int]
) -> None:
    plan = rollout(canary=canary, batches=[*counts, *(f"{share}%" for share in sorted(shares))])
    there = placed(hosts)
    cut = batches(there, plan)
    assert [name for batch in cut.batches for name in batch] == [host.name for host in there]
    assert all(cut.batches)
    assert cut.canary == bool(canary and hosts)


def test_a_canary_is_chosen_by_name_or_label_too() -> None:
    there = [Placed(f"h{n}", {"tier": "test" if n == 2 else "live"}) for n in range(4)]
    assert names(there, canary=["h3", "h1"]) == [["h1", "h3"], ["h0", "h2"]]
    assert names(there, canary={"tier": "test"}) == [["h2"], ["h0", "h1", "h3"]]
    nobody = batches(there, rollout(canary={"tier": "none"}))
    assert (len(nobody.batches), nobody.canary) == (1, False)


def test_a_label_orders_the_hosts_as_people_count() -> None:
    there = [Placed(f"h{n}", {"shard": f"s{n}"}) for n in (10, 2, 1)]
    assert names(there, order_by="shard", batches=[1, "repeat"]) == [["h1"], ["h2"], ["h10"]]

    assert names(there, order_by="-shard", batches=[1, "repeat"]) == [["h10"], ["h2"], ["h1"]]


@pytest.mark.parametrize("nobody", [[], {}])
def test_a_canary_of_nobody_is_a_slip(nobody: object) -> None:
    with pytest.raises(ValidationError, match="more than nothing"):
        rollout(canary=nobody)


def test_room_is_made_for_no_more_hosts_than_there_are() -> None:
    plan = rollout(parallel=10**30, stage_parallel=10**30, stage="ahead")
    assert (plan.width(3), plan.stage_width(3), plan.width(0)) == (3, 3, 1)


def test_a_label_may_be_a_number_that_python_does_not_read() -> None:
    there = [
        Placed("long", {"shard": "9" * 5000}),
        Placed("09", {"shard": "09"}),
        Placed("8", {"shard": "8"}),
    ]
    assert names(there, order_by="shard") == [["8", "09", "long"]]


def test_one_value_of_a_label_is_updated_after_the_other() -> None:
    regions = ["us", "eu", "us", "eu", "us", "eu", "us"]
    there = [Placed(f"h{n}", {"region": region}) for n, region in enumerate(regions)]
    assert names(there, batch_by="region") == [["h1", "h3", "h5"], ["h0", "h2", "h4", "h6"]]
    plan = {"batch_by": "region", "canary": ["h3"], "batches": ["50%"]}
    assert names(there, **plan) == [["h3"], ["h1"], ["h5"], ["h0", "h2"], ["h4", "h6"]]
    unlabelled = [*there, Placed("h7")]
    assert names(unlabelled, batch_by="region")[0] == ["h7"]


@pytest.mark.parametrize(
    "keys",
    [
        {"canary": -1},
        {"canary": "1"},
        {"parallel": 0},
        {"parallel": "0%"},
        {"stage": "now"},
        {"stage_parallel": 0},
        {"batches": ["0%"]},
        {"batches": [0]},
        {"batches": ["101%"]},
        {"batches": ["ten"]},
        {"batches": ["50%", "10%"]},
        {"batches": ["50%", "50%"]},
        {"batches": ["double", 5]},
        {"batches": ["*0"]},
        {"canary": [1]},
        {"canary": "5"},
        {"gate": []},
        {"soak": []},
        {"gate": ["manual", "never"]},
        {"canary": {"tier": 1}},
        {"max_failed_in_batch": "ten"},
        {"stagger": "soon"},
        {"max_down": {"region": 0}},
        {"max_down": {"region": "0%"}},
        {"per_machine": 0},
        {"max_failed": -1},
        {"max_failed": "5 %"},
        {"max_failed": True},
        {"gate": "open"},
        {"soak": "soon"},
        {"speed": 1},
    ],
)
def test_a_rollout_that_cannot_be_is_refused(keys: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        rollout(**keys)


def test_what_is_left_out_has_the_documented_default() -> None:
    plan = rollout()
    assert (plan.canary, plan.batches, plan.parallel, plan.max_failed) == (0, ("100%",), 50, None)
    assert (plan.gate, plan.soak, plan.order_by) == ("auto", 0, None)


def test_a_soak_is_a_duration_or_seconds_and_survives_being_stored() -> None:
    plan = rollout(soak="60s", batches=[1, "50%"], max_failed="5%")
    assert plan.soak == 60
    assert Rollout.model_validate(plan.model_dump(mode="json")) == plan


@pytest.mark.parametrize(
    ("max_failed", "hosts", "budget"),
    [(None, 100, None), (0, 100, 0), (3, 100, 3), ("5%", 100, 5), ("5%", 39, 1), ("5%", 19, 0)],
)
def test_the_budget_is_a_number_or_a_share_rounded_down(
    max_failed: object, hosts: int, budget: int | None
) -> None:
    assert rollout(max_failed=max_failed).budget(hosts) == budget


NOW = datetime(2026, 1, 31, 4, tzinfo=UTC)
LATER = NOW + timedelta(seconds=60)


def counts(n: int, **of: Any) -> BatchStand:
    """Batch 0 is a canary."""
    return BatchStand(n, canary=n == 0, **of)


def ask(keys: dict[str, Any], stand: list[BatchStand], **situation: Any) -> Decision:
    return decide(rollout(**keys), stand, Situation(**{"now": NOW} | situation))


def gates(decision: Decision) -> dict[int, str]:
    return {batch.n: batch.gate.value for batch in decision.gates}


@pytest.mark.parametrize(
    ("keys", "stand", "start"),
    [
        pytest.param({}, [counts(1, waiting=5)], {1: 5}, id="all at once"),
        pytest.param({"parallel": 2}, [counts(1, waiting=5)], {1: 2}, id="as many as allowed"),
        pytest.param({"parallel": "40%"}, [counts(1, waiting=5)], {1: 2}, id="or a share of all"),
        pytest.param({"parallel": "1%"}, [counts(1, waiting=5)], {1: 1}, id="but at least one"),
        pytest.param(
            {"parallel": 2}, [counts(1, waiting=4, active=1)], {1: 1}, id="with those under way"
        ),
        pytest.param({"parallel": 2}, [counts(1, waiting=3, active=2)], {}, id="no more for now"),
        pytest.param(
            {"parallel": 1}, [counts(1, waiting=3, active=2)], {}, id="more under way than allowed"
        ),
        pytest.param(
            {}, [counts(0, waiting=1), counts(1, waiting=9)], {0: 1}, id="the canary alone"
        ),
        pytest.param(
            {}, [counts(0, active=1), counts(1, waiting=9)], {}, id="wait for the canary"
        ),
        pytest.param(
            {}, [counts(0, succeeded=1), counts(1, waiting=9)], {1: 9}, id="after the canary"
        ),
        pytest.param(
            {}, [counts(1, succeeded=4, active=1), counts(2, waiting=9)], {}, id="batch not over"
        ),
        pytest.param(
            {},
            [counts(1, succeeded=4, failed=1), counts(2, waiting=9)],
            {2: 9},
            id="failures within the budget",
        ),
        pytest.param(
            {},
            [counts(1, active=1, unknown=1), counts(2, waiting=9)],
            {},
            id="an unknown host holds its batch",
        ),
        pytest.param(
            {}, [counts(1, waiting=2, unknown=1)], {1: 2}, id="but not the others of that batch"
        ),
        pytest.param(
            {},
            [counts(1, waiting=1, succeeded=4), counts(2, active=3, waiting=6)],
            {1: 1},
            id="a retried host of an earlier batch goes first",
        ),
        pytest.param(
            {"max_failed": 1},
            [counts(1, waiting=3, failed=1)],
            {1: 3},
            id="at the budget it still goes on",
        ),
        pytest.param({}, [counts(1, active=3)], {}, id="nothing waits"),
        pytest.param({}, [counts(1, succeeded=3)], {}, id="all over"),
        pytest.param({"max_failed": 0}, [counts(1, failed=3)], {}, id="over with failures"),
        pytest.param({}, [], {}, id="no hosts"),
    ],
)  # fmt: skip
def test_what_may_start(
    keys: dict[str, Any], stand: list[BatchStand], start: dict[int, int]
) -> None:
    decision = ask(keys, stand)
    assert (decision.start, decision.halt, decision.hold) == (start, None, None)


@pytest.mark.parametrize(
    ("keys", "stand", "reason"),
    [
        pytest.param(
            {"max_failed": 1},
            [counts(1, waiting=3, failed=2)],
            "2 hosts failed, at most 1 may",
            id="one more than the budget",
        ),
        pytest.param(
            {"max_failed": 0},
            [counts(1, waiting=3, active=2, failed=1)],
            "1 host failed, at most 0 may",
            id="also inside a batch, while others run",
        ),
        pytest.param(
            {"max_failed": "10%"},
            [counts(1, failed=2), counts(2, waiting=17)],
            "2 hosts failed, at most 1 may",
            id="a share of all hosts, rounded down",
        ),
        pytest.param(
            {"max_failed": 9},
            [counts(0, failed=1, succeeded=2), counts(1, waiting=3)],
            "a canary host failed",
            id="any failure in the canary",
        ),
        pytest.param(
            {"max_failed_in_batch": 1},
            [counts(1, succeeded=3, failed=1), counts(2, waiting=3, failed=2)],
            "2 hosts of batch 2 failed, at most 1 may",
            id="the budget of one batch",
        ),
        pytest.param(
            {"max_failed_in_batch": "20%"},
            [counts(1, succeeded=7, failed=2), counts(2, waiting=9)],
            "2 hosts of batch 1 failed, at most 1 may",
            id="spent at the batch's end, its share rounded down",
        ),
        pytest.param(
            {},
            [counts(1, succeeded=3, unknown=2), counts(2, waiting=3)],
            "the outcome of 2 hosts is unknown; only a person's answer leads on",
            id="only unknown hosts hold the next batch",
        ),
        pytest.param(
            {},
            [counts(1, succeeded=3, unknown=1)],
            "the outcome of 1 host is unknown; only a person's answer leads on",
            id="only unknown hosts are left",
        ),
    ],
)
def test_what_halts_a_job(keys: dict[str, Any], stand: list[BatchStand], reason: str) -> None:
    assert ask(keys, stand) == Decision(halt=reason)


DONE = {"succeeded": 3}
NEXT = counts(2, waiting=3)


@pytest.mark.parametrize(
    ("keys", "batch", "gate", "start"),
    [
        pytest.param({}, {}, "open", {2: 3}, id="no gate, no soak"),
        pytest.param({"gate": "manual"}, {}, "waiting", {}, id="a person is waited for"),
        pytest.param({"soak": 60}, {}, "soaking", {}, id="first it soaks"),
        pytest.param(
            {"soak": 60, "gate": "manual"}, {}, "soaking", {}, id="it soaks before a person"
        ),
        pytest.param(
            {"soak": 60},
            {"gate": Gate.SOAKING, "soak_until": LATER},
            None,
            {},
            id="and goes on soaking",
        ),
        pytest.param(
            {"soak": 60}, {"gate": Gate.SOAKING, "soak_until": NOW}, "open", {2: 3}, id="to its end"
        ),
        pytest.param(
            {"soak": 60, "gate": "manual"},
            {"gate": Gate.SOAKING, "soak_until": NOW},
            "waiting",
            {},
            id="then a person is asked",
        ),
        pytest.param(
            {"gate": "manual"}, {"gate": Gate.OPEN}, None, {2: 3}, id="who has promoted it"
        ),
        pytest.param(
            {}, {"gate": Gate.WAITING}, "open", {2: 3}, id="nobody is waited for any more"
        ),
    ],
)  # fmt: skip
def test_the_gate_after_a_batch(
    keys: dict[str, Any], batch: dict[str, Any], gate: str | None, start: dict[int, int]
) -> None:
    decision = ask(keys, [counts(1, **DONE, **batch), NEXT])
    assert gates(decision) == ({1: gate} if gate else {})
    assert decision.start == start
    assert (decision.hold is not None) == (gate == "waiting")


def test_each_batch_has_a_gate_and_a_soak_of_its_own_and_the_last_holds_on() -> None:
    keys = {"gate": ["manual", "auto"], "soak": [0, "1m"]}
    assert gates(ask(keys, [counts(1, **DONE), NEXT])) == {1: "waiting"}
    behind = counts(1, **DONE, gate=Gate.OPEN)
    for n in (2, 3):
        decision = ask(keys, [behind, counts(n, **DONE), counts(n + 1, waiting=3)])
        assert (gates(decision), decision.look_at) == ({n: "soaking"}, LATER)


def test_a_soak_says_when_to_look_again() -> None:
    decision = ask({"soak": 60}, [counts(1, **DONE), NEXT])
    assert decision.look_at == LATER
    assert decision.gates[0].soak_until == LATER


def test_the_last_batch_soaks_but_waits_for_nobody() -> None:
    assert gates(ask({"soak": 60, "gate": "manual"}, [counts(1, **DONE)])) == {1: "soaking"}
    soaked = counts(1, **DONE, gate=Gate.SOAKING, soak_until=NOW)
    decision = ask({"soak": 60, "gate": "manual"}, [soaked])
    assert gates(decision) == {1: "open"}
    assert decision.over


def test_where_nothing_succeeded_there_is_nothing_to_soak() -> None:
    assert gates(ask({"soak": 60}, [counts(1, failed=2), NEXT])) == {1: "open"}


def test_a_soak_ends_with_the_last_host_that_could_stay_well() -> None:
    soaking = counts(1, failed=2, gate=Gate.SOAKING, soak_until=LATER)
    assert gates(ask({"soak": 60}, [soaking, NEXT])) == {1: "open"}


def test_a_batch_that_loses_a_host_while_it_soaks_stops_the_job() -> None:
    soaking = counts(1, succeeded=2, failed=1, gate=Gate.SOAKING, soak_until=LATER)
    assert ask({"soak": 60, "max_failed": 0}, [soaking, NEXT]).halt == (
        "1 host failed, at most 0 may"
    )


def test_a_canary_that_a_person_has_promoted_halts_nothing() -> None:
    accepted = counts(0, succeeded=2, failed=1, gate=Gate.OPEN)
    assert ask({}, [accepted, NEXT]).start == {2: 3}


@pytest.mark.parametrize("pause", [Pause.HOST, Pause.STEP])
def test_a_pause_starts_nothing(pause: Pause) -> None:
    decision = ask({}, [counts(1, waiting=3)], pause=pause, paused_by="mira")
    assert (decision.start, decision.hold) == ({}, "paused by mira")


def test_a_pause_after_the_batch_lets_it_end_and_holds_the_next() -> None:
    assert ask({}, [counts(1, waiting=3), NEXT], pause=Pause.BATCH).start == {1: 3}
    decision = ask({}, [counts(1, **DONE), NEXT], pause=Pause.BATCH)
    assert (gates(decision), decision.start) == ({1: "waiting"}, {})


def test_a_job_that_is_done_is_over_though_it_is_paused() -> None:
    assert ask({}, [counts(1, **DONE)], pause=Pause.HOST).over


def test_nothing_starts_before_its_time() -> None:
    decision = ask({}, [counts(1, waiting=3)], not_before=LATER)
    assert (decision.start, decision.look_at) == ({}, LATER)


def test_staggered_hosts_start_one_by_one() -> None:
    decision = ask({"stagger": 60}, [counts(1, waiting=3)])
    assert (decision.start, decision.look_at) == ({1: 1}, LATER)


AHEAD = {"stage": "ahead", "stage_parallel": 3, "parallel": 2}


@pytest.mark.parametrize(
    ("stand", "stage", "start"),
    [
        pytest.param([counts(0, waiting=1), counts(1, waiting=9)], 3, {}, id="of all batches"),
        pytest.param(
            [counts(0, staging=1), counts(1, staging=1, waiting=9)], 1, {}, id="with those that do"
        ),
        pytest.param(
            [counts(0, staged=1), counts(1, staging=3, waiting=9)], 0, {}, id="no more for now"
        ),
        pytest.param(
            [counts(0, succeeded=1), counts(1, staged=2, failed=1, waiting=1)],
            1,
            {},
            id="a failure within the budget stops nobody",
        ),
    ],
)  # fmt: skip
def test_hosts_stage_ahead_and_nobody_goes_down(
    stand: list[BatchStand], stage: int, start: dict[int, int]
) -> None:
    for switch_at in (None, LATER):
        decision = ask(AHEAD, stand, switch_at=switch_at)
        assert (decision.stage, decision.start, decision.hold) == (stage, start, None)
        assert decision.look_at == switch_at


@pytest.mark.parametrize(
    ("stand", "stage", "start"),
    [
        pytest.param(
            [counts(0, staged=1), counts(1, staged=9)], 0, {0: 1}, id="the canary goes down alone"
        ),
        pytest.param(
            [counts(0, succeeded=1), counts(1, staged=9)], 0, {1: 2}, id="then as many as allowed"
        ),
        pytest.param(
            [counts(0, succeeded=1), counts(1, staged=1, active=1, staging=3, waiting=1)],
            0,
            {1: 1},
            id="those that stage take nobody's place",
        ),
        pytest.param(
            [counts(0, waiting=1), counts(1, staged=9)], 1, {}, id="one that is late stages first"
        ),
        pytest.param(
            [counts(0, unknown=1), counts(1, staged=3, waiting=1)], 1, {}, id="an unknown one holds"
        ),
    ],
)  # fmt: skip
def test_from_the_switch_on_staged_hosts_go_down_in_batches(
    stand: list[BatchStand], stage: int, start: dict[int, int]
) -> None:
    decision = ask(AHEAD, stand, switch_at=NOW)
    assert (decision.stage, decision.start, decision.halt) == (stage, start, None)


def test_a_staged_fleet_says_that_it_waits_for_the_switch() -> None:
    decision = ask(AHEAD, [counts(0, staged=1), counts(1, staged=8, unknown=1)], switch_at=LATER)
    assert (decision.hold, decision.look_at) == ("staged; the switch has not begun", LATER)


def test_failures_while_staging_count() -> None:
    assert ask(AHEAD, [counts(0, failed=1), counts(1, staged=9)]).halt == "a canary host failed"
    spent = [counts(1, failed=2, staged=9)]
    assert ask(AHEAD | {"max_failed": 1}, spent).halt == "2 hosts failed, at most 1 may"


def test_a_pause_ends_staging_too() -> None:
    decision = ask(AHEAD, [counts(1, waiting=9)], pause=Pause.HOST, paused_by="mira")
    assert (decision.stage, decision.hold) == (0, "paused by mira")


def test_only_unknown_hosts_hold_the_switch() -> None:
    stand = [counts(0, unknown=1), counts(1, staged=9)]
    assert "only a person's answer leads on" in str(ask(AHEAD, stand, switch_at=NOW).halt)


def test_a_gate_holds_staged_hosts_as_it_holds_those_that_wait() -> None:
    decision = ask(AHEAD | {"gate": "manual"}, [counts(1, **DONE), counts(2, staged=3)])
    assert gates(decision) == {1: "waiting"}


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
