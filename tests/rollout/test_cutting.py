"""A rollout as it is written, and the batches that it cuts."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from deploy_tasks.rollout import Placed, Rollout, batches
from tests.rollout.situations import names, placed, rollout, sizes


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
