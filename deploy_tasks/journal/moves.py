"""Moves of states by orders and the conductor: compare and set, with the event in one breath."""

from collections.abc import Collection, Iterable
from datetime import datetime
from typing import Any

from django.db import connection, transaction
from django.db.models import QuerySet

from deploy_tasks import calls
from deploy_tasks.journal import sql
from deploy_tasks.journal.news import News, append
from deploy_tasks.models import Batch, Event, HostRun, Job, Moment
from deploy_tasks.prepared import Given, PreparedObjects
from deploy_tasks.states import Gate, HostRunState, JobState
from deploy_tasks.times import iso

_locked = PreparedObjects(
    lambda: Job.objects.select_for_update().filter(pk=Given("job")), "game", "release"
)


def lock(job_id: int) -> Job:
    """The job's row, held to the end of the transaction. Every mover of states takes it first.

    On SQLite a transaction holds the whole database already.
    """
    if found := _locked(job=job_id):
        return found[0]
    raise Job.DoesNotExist(job_id)


def lock_all(job_ids: Collection[int]) -> None:
    """The rows of several jobs, in one order: two who want the same ones wait in turn."""
    if connection.features.has_select_for_update:
        jobs = Job.objects.select_for_update().filter(pk__in=job_ids)
        list(jobs.order_by("pk").values_list("pk"))


@transaction.atomic
def change_host_runs(rows: QuerySet[HostRun], **changes: Any) -> None:
    """Set columns that no event tells of, for many host runs at once.

    Their jobs are locked first, as for a move. An UPDATE locks its rows in any order: without that,
    it and the journal could each hold a row that the other waits for.
    """
    lock_all(set(rows.order_by().values_list("job", flat=True).distinct()))
    rows.update(**changes)


def move_job(
    job: Job, come_from: Collection[JobState], to: JobState, *, reason: str = "", **changes: Any
) -> bool:
    """Take one arrow of the job's states; False when the job is not where the arrow begins."""
    mine = Job.objects.filter(pk=job.pk, state__in=come_from)
    if not mine.update(state=to, reason=reason, **changes):
        return False
    data = {"to": to.value} | ({"reason": reason} if reason else {})
    append(job.pk, [News(Event.Kind.JOB, data)])
    calls.note_state(job, to)
    return True


def move_gate(
    job: Job, n: int, come_from: Gate, to: Gate, *, soak_until: datetime | None = None, told: str
) -> bool:
    """Take one arrow of a batch's gate. ``told``: what the batch is now, for its event."""
    mine = Batch.objects.filter(job=job, n=n, gate=come_from)
    if not mine.update(gate=to, soak_until=soak_until):
        return False
    until = {"until": iso(soak_until)} if soak_until else {}
    append(job.pk, [News(Event.Kind.BATCH, {"n": n, "to": told, **until})])
    if to == Gate.WAITING:
        calls.note(job.pk, job.game_id, Moment.WAITS)
    return True


def close_gates(job: Job, ns: Collection[int]) -> None:
    """Hosts of these batches start again: each has to be done, and stay well, all over again."""
    passed = job.batches.filter(n__in=ns).exclude(gate=Gate.CLOSED).order_by("n")
    closed = list(passed.values_list("n", flat=True))
    passed.update(gate=Gate.CLOSED, soak_until=None)
    told = [{"n": n, "to": JobState.RUNNING.value} for n in closed]
    if told:
        append(job.pk, [News(Event.Kind.BATCH, data) for data in told])


def move_host_runs(
    job: Job,
    ids: Iterable[int],
    come_from: Collection[HostRunState],
    to: HostRunState,
    *,
    reason: str = "",
    **changes: Any,
) -> list[int]:
    """Take one arrow for many host runs of a locked job; gives the ids that were moved."""
    there = HostRun.objects.filter(job=job, pk__in=list(ids), state__in=come_from)
    changes |= {"state": to, "reason": reason}
    moved = [pk for _, pk in sorted(sql.update_returning(there, ("position", "id"), changes))]
    if not moved:
        return []
    told = {"reason": reason, "error": str(changes.get("error", "")), "down": changes.get("down")}
    data = {"to": to.value} | {name: value for name, value in told.items() if value}
    append(job.pk, [News(Event.Kind.HOST, data, host_run=pk) for pk in moved])
    if to == HostRunState.UNKNOWN:
        calls.note_unknown(job.pk)
    return moved
