"""The rows. They import no runner, no SSH and no journal: arrows point inwards."""

from deploy_tasks.models.audit import AuditEntry, AuditHead, LateAudit
from deploy_tasks.models.calls import MOMENTS, Call, Moment, Pager
from deploy_tasks.models.instance import Instance, Worker
from deploy_tasks.models.inventory import (
    Credential,
    Game,
    Host,
    HostCheck,
    HostKey,
    KeyRule,
    Machine,
    Release,
    Sighting,
)
from deploy_tasks.models.jobs import Attempt, Batch, Event, HostRun, Job
from deploy_tasks.models.recipes import Recipe, RecipeRevision

__all__ = [
    "MOMENTS",
    "Attempt",
    "AuditEntry",
    "AuditHead",
    "Batch",
    "Call",
    "Credential",
    "Event",
    "Game",
    "Host",
    "HostCheck",
    "HostKey",
    "HostRun",
    "Instance",
    "Job",
    "KeyRule",
    "LateAudit",
    "Machine",
    "Moment",
    "Pager",
    "Recipe",
    "RecipeRevision",
    "Release",
    "Sighting",
    "Worker",
]
