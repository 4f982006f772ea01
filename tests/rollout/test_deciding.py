"""What may start, what halts a job, what a pause holds."""

from typing import Any

import pytest

from deploy_tasks.rollout import BatchStand, Decision
from deploy_tasks.states import Gate, Pause
from tests.rollout.situations import DONE, LATER, NEXT, ask, counts, gates


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


def test_a_canary_that_a_person_has_promoted_halts_nothing() -> None:
    accepted = counts(0, succeeded=2, failed=1, gate=Gate.OPEN)
    assert ask({}, [accepted, NEXT]).start == {2: 3}


@pytest.mark.parametrize("pause", [Pause.HOST, Pause.STEP])
def test_a_pause_starts_nothing(pause: Pause) -> None:
    decision = ask({}, [counts(1, waiting=3)], pause=pause, paused_by="mira")
    assert (decision.start, decision.hold) == ({}, "paused by mira")


@pytest.mark.parametrize("max_failed", [None, 0])
def test_a_pause_is_told_also_where_nothing_is_left_to_start(max_failed: int | None) -> None:
    """One host stands still, and another has spent the budget."""
    batches = [counts(1, failed=1, active=1)]
    decision = ask({"max_failed": max_failed}, batches, pause=Pause.STEP, paused_by="mira")
    assert decision.hold == "paused by mira"


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
