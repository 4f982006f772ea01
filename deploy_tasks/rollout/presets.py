"""Rollouts that have a name: those that every game has, and a game's own, which come before."""

from collections.abc import Mapping
from typing import Any

from deploy_tasks.rollout.value import Rollout

BUILT_IN: dict[str, Rollout] = {
    "standard": Rollout(canary=1, batches=("10%", "50%", "100%")),
    "careful": Rollout(
        canary=1,
        batches=("5%", "25%", "50%", "100%"),
        parallel=10,
        max_failed=0,
        gate="manual",
    ),
    "at_once": Rollout(),
}


def presets(own: Mapping[str, Any]) -> dict[str, Rollout]:
    """``own``: a game's, as they are stored."""
    return {**BUILT_IN, **{name: Rollout.model_validate(given) for name, given in own.items()}}
