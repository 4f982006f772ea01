"""The writer of events and the mover of states: store, commit, announce, in that order.

``append`` and the moves work inside the caller's transaction (orders, the conductor);
`Writer` carries what many host runs of a worker did in a moment as one transaction. Both lock
the job's row first, so commit order is ``seq`` order: a reader that saw N never finds N - 1 later.
"""

from deploy_tasks.journal.announce import group_of
from deploy_tasks.journal.moves import (
    change_host_runs,
    close_gates,
    lock,
    move_gate,
    move_host_runs,
    move_job,
)
from deploy_tasks.journal.news import News, append
from deploy_tasks.journal.writer import Entry, Writer

__all__ = [
    "Entry",
    "News",
    "Writer",
    "append",
    "change_host_runs",
    "close_gates",
    "group_of",
    "lock",
    "move_gate",
    "move_host_runs",
    "move_job",
]
