"""Gates and soaks between batches."""

from typing import Any

import pytest

from deploy_tasks.states import Gate
from tests.rollout.situations import DONE, LATER, NEXT, NOW, ask, counts, gates


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
