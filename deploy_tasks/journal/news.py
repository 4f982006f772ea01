"""Events before they have a number."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.db import connection, transaction
from django.utils import timezone

from deploy_tasks.journal import sql
from deploy_tasks.journal.announce import announce
from deploy_tasks.models import Event, Job

COLUMNS = (
    "job",
    "seq",
    "host_run",
    "attempt",
    "kind",
    "at",
    "offset",
    "raw_length",
    "output",
    "data",
)


@dataclass
class News:
    """One event to be. ``data`` for every kind but output, which has the three fields below it.

    ``output`` are masked bytes that stand for ``raw_length`` bytes at ``offset`` of the
    attempt's own output. ``host_run`` and ``attempt`` are ids.
    """

    kind: Event.Kind
    data: dict[str, Any] | None = None
    host_run: int | None = None
    attempt: int | None = None
    offset: int | None = None
    raw_length: int | None = None
    output: bytes | None = None
    at: datetime = field(default_factory=timezone.now)


def append(job_id: int, news: Sequence[News]) -> None:
    """Add events to a job's story, inside the caller's transaction; announced when committed."""
    to = store({job_id: news})[job_id]
    transaction.on_commit(lambda: announce(job_id, to), robust=True)


def store(news_of: dict[int, Sequence[News]]) -> dict[int, int]:
    """Number and insert events by job; gives each job's newest ``seq``. Announces nothing."""
    last_seq = {}
    rows = []
    for job_id, news in sorted(news_of.items()):
        last = _raise_last_seq(job_id, len(news))
        last_seq[job_id] = last
        for seq, one in enumerate(news, last - len(news) + 1):
            rows.append(
                (
                    job_id,
                    seq,
                    one.host_run,
                    one.attempt,
                    one.kind,
                    one.at,
                    one.offset,
                    one.raw_length,
                    one.output,
                    one.data,
                )
            )
    sql.insert(Event, COLUMNS, rows)
    return last_seq


def _raise_last_seq(job_id: int, by: int) -> int:
    table = connection.ops.quote_name(Job._meta.db_table)
    with connection.cursor() as cursor:
        cursor.execute(
            f"UPDATE {table} SET last_seq = last_seq + %s WHERE id = %s RETURNING last_seq",  # noqa: S608
            [by, job_id],
        )
        return int(cursor.fetchone()[0])
