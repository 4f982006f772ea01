"""A rollout in words."""

from typing import Any

import pytest

from deploy_tasks.rollout import Rollout
from webapp.terms import terms


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        ({}, "batches 100%, 50 at a time"),
        ({"canary": 1, "batches": [2, "double"]}, "1 host first, batches 2, double, 50 at a time"),
        ({"canary": {"tier": "test"}}, "tier=test first, batches 100%, 50 at a time"),
        ({"canary": ["eu-1", "us-1"]}, "eu-1, us-1 first, batches 100%, 50 at a time"),
        (
            {"max_failed": "5%", "max_failed_in_batch": 1, "gate": "manual", "soak": "5m"},
            "batches 100%, 50 at a time, at most 5% may fail, at most 1 of a batch may fail,"
            " each batch stays well for 5 min, each next batch waits to be promoted",
        ),
        (
            {"max_down": {"region": "25%"}, "per_machine": 1},
            "batches 100%, 50 at a time, at most 25% of each region down,"
            " at most 1 down on a machine",
        ),
        (
            {"canary": "5%", "gate": ["manual", "auto"], "soak": ["1h", "5m"]},
            "5% first, batches 100%, 50 at a time, batch after batch stays well for 1 h,"
            " 5 min, after batch 1 the next one waits to be promoted",
        ),
        (
            {"gate": ["auto", "manual"], "batch_by": "region", "order_by": "-shard"},
            "batches 100%, 50 at a time, after batch 2 … the next one waits to be promoted,"
            " one region after the other, in the order of shard, last first",
        ),
        (
            {"stage": "ahead", "stage_parallel": "10%"},
            "batches 100%, staged ahead, 10% at a time, 50 at a time",
        ),
        ({"max_failed": 0}, "batches 100%, 50 at a time, the first failure halts it"),
        (
            {"stagger": "10s", "order_by": "shard"},
            "batches 100%, 50 at a time, 10 s between two starts, in the order of shard",
        ),
    ],
)
def test_a_rollout_is_said_in_words(keys: dict[str, Any], said: str) -> None:
    assert terms(Rollout.model_validate(keys)) == said
