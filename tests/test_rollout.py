from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from deploy_tasks.rollout import BatchCounts, Decision, Rollout, batches, may_start


def rollout(**keys: Any) -> Rollout:
    return Rollout.model_validate(keys)


def sizes(hosts: int, **keys: Any) -> list[int]:
    return [len(batch) for batch in batches(range(hosts), rollout(**keys))]


@pytest.mark.parametrize(
    ("hosts", "keys", "cut"),
    [
        (10, {}, [10]),
        (0, {}, []),
        (1, {"canary": 1}, [1]),
        (10, {"canary": 1}, [1, 9]),
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
    cut = batches(range(hosts), plan)
    assert [host for batch in cut for host in batch] == list(range(hosts))
    assert all(cut)


@pytest.mark.parametrize(
    "keys",
    [
        {"canary": -1},
        {"canary": "1"},
        {"parallel": 0},
        {"batches": ["0%"]},
        {"batches": [0]},
        {"batches": ["101%"]},
        {"batches": ["ten"]},
        {"batches": ["50%", "10%"]},
        {"batches": ["50%", "50%"]},
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


def counts(n: int, **of: int) -> BatchCounts:
    return BatchCounts(n, canary=n == 0, **of)


@pytest.mark.parametrize(
    ("keys", "stand", "start"),
    [
        pytest.param({}, [counts(1, waiting=5)], {1: 5}, id="all at once"),
        pytest.param({"parallel": 2}, [counts(1, waiting=5)], {1: 2}, id="as many as allowed"),
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
    keys: dict[str, Any], stand: list[BatchCounts], start: dict[int, int]
) -> None:
    assert may_start(rollout(**keys), stand) == Decision(start=start)


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
def test_what_halts_a_job(keys: dict[str, Any], stand: list[BatchCounts], reason: str) -> None:
    assert may_start(rollout(**keys), stand) == Decision(halt=reason)


ENDS = st.lists(st.sampled_from(["succeeded", "failed", "unknown"]), min_size=60, max_size=60)


@given(
    hosts=st.integers(1, 60),
    canary=st.integers(0, 3),
    batch=st.integers(1, 20),
    parallel=st.integers(1, 10),
    max_failed=st.none() | st.integers(0, 5),
    ends=ENDS,
    data=st.data(),
)
def test_a_whole_job_never_starts_what_it_may_not(
    hosts: int,
    canary: int,
    batch: int,
    parallel: int,
    max_failed: int | None,
    ends: list[str],
    data: st.DataObject,
) -> None:
    """Host runs end one by one in any order; after each end the policy is asked again."""
    plan = rollout(canary=canary, batches=[batch], parallel=parallel, max_failed=max_failed)
    stand = [
        BatchCounts(n, waiting=len(cut), canary=bool(canary) and n == 0)
        for n, cut in enumerate(batches(range(hosts), plan))
    ]
    started = 0
    for end in ends:
        decision = may_start(plan, stand)
        failed = sum(one.failed for one in stand)
        budget_spent = max_failed is not None and failed > max_failed
        canary_failed = any(one.canary and one.failed for one in stand)
        if budget_spent or canary_failed:
            assert not decision.start
        for n, many in decision.start.items():
            assert 0 < many <= stand[n].waiting
            assert all(one.is_over for one in stand[:n])
            stand[n] = replace(
                stand[n], waiting=stand[n].waiting - many, active=stand[n].active + many
            )
            started += many
        active = sum(one.active for one in stand)
        assert active <= parallel
        if not active:
            break
        n = data.draw(st.sampled_from([one.n for one in stand if one.active]))
        stand[n] = replace(
            stand[n], active=stand[n].active - 1, **{end: getattr(stand[n], end) + 1}
        )
    waiting = sum(one.waiting for one in stand)
    assert started + waiting == hosts
    if not sum(one.active for one in stand):
        # Nothing runs and nothing may start: the job is over, or it says why it is not.
        left = waiting + sum(one.unknown for one in stand)
        assert bool(left) == (may_start(plan, stand).halt is not None)
