"""What people ask for: start, retry, cancel, answer, pause, resume, promote, switch, and others. An
order changes rows, writes its event and its audit entry, and rings; its effect comes back as events
like everybody else's.

Whoever calls has checked the permission. Refusals are `OrderRefused`, `HostsBusy`,
`InvalidInput` and `KeyReused`; after one of them nothing has changed.
"""

from deploy_tasks.orders.adjusting import change, exclude, skip
from deploy_tasks.orders.answering import answer
from deploy_tasks.orders.changes import cancel, retry
from deploy_tasks.orders.checks import check
from deploy_tasks.orders.choosing import JobOrder
from deploy_tasks.orders.pausing import pause, promote, resume, switch
from deploy_tasks.orders.planning import Plan, PlanBatch, plan_job
from deploy_tasks.orders.rolling_back import rollback
from deploy_tasks.orders.starting import start_job

__all__ = [
    "JobOrder",
    "Plan",
    "PlanBatch",
    "answer",
    "cancel",
    "change",
    "check",
    "exclude",
    "pause",
    "plan_job",
    "promote",
    "resume",
    "retry",
    "rollback",
    "skip",
    "start_job",
    "switch",
]
