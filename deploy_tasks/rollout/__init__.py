"""In which order hosts are updated, and which of them may start now. Plain values, pure policy."""

from deploy_tasks.rollout.cutting import Cut, Placed, batches
from deploy_tasks.rollout.policy import (
    BatchStand,
    Decision,
    Situation,
    decide,
    failed_too_much,
    room_for,
    switch_is_open,
)
from deploy_tasks.rollout.presets import presets
from deploy_tasks.rollout.value import Rollout

__all__ = [
    "BatchStand",
    "Cut",
    "Decision",
    "Placed",
    "Rollout",
    "Situation",
    "batches",
    "decide",
    "failed_too_much",
    "presets",
    "room_for",
    "switch_is_open",
]
