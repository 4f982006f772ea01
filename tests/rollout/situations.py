"""Hosts in batches, and how they stand."""

from datetime import UTC, datetime, timedelta
from typing import Any

from deploy_tasks.rollout import BatchStand, Decision, Placed, Rollout, Situation, batches, decide


def rollout(**keys: Any) -> Rollout:
    return Rollout.model_validate(keys)


def placed(hosts: int) -> list[Placed]:
    return [Placed(f"h{n}") for n in range(hosts)]


def names(hosts: list[Placed], **keys: Any) -> list[list[str]]:
    return batches(hosts, rollout(**keys)).batches


def sizes(hosts: int, **keys: Any) -> list[int]:
    return [len(batch) for batch in names(placed(hosts), **keys)]


NOW = datetime(2026, 1, 31, 4, tzinfo=UTC)
LATER = NOW + timedelta(seconds=60)


def counts(n: int, **of: Any) -> BatchStand:
    """Batch 0 is a canary."""
    return BatchStand(n, canary=n == 0, **of)


def ask(keys: dict[str, Any], stand: list[BatchStand], **situation: Any) -> Decision:
    return decide(rollout(**keys), stand, Situation(**{"now": NOW} | situation))


def gates(decision: Decision) -> dict[int, str]:
    return {batch.n: batch.gate.value for batch in decision.gates}


DONE = {"succeeded": 3}
NEXT = counts(2, waiting=3)
