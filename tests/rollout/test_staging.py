"""Hosts that stage ahead of the switch."""

import pytest

from deploy_tasks.rollout import BatchStand
from deploy_tasks.states import Pause
from tests.rollout.situations import DONE, LATER, NOW, ask, counts, gates

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
