"""What is said of a job, by the API, the page and the stream alike.

Shapes are those of the HTTP API; times are ISO 8601 UTC with milliseconds. Every report costs a
fixed number of queries, however many hosts the job has.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from django.conf import settings
from django.db.models import BooleanField, ExpressionWrapper, F, OuterRef, Subquery
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.utils import timezone

from deploy_tasks import floors, revisions
from deploy_tasks.models import Attempt, Event, HostRun, Job
from deploy_tasks.preflight import Finding
from deploy_tasks.rollout import Rollout
from deploy_tasks.states import (
    AttemptKind,
    AttemptState,
    Gate,
    HostRunState,
    JobState,
    Link,
)
from deploy_tasks.times import iso
from webapp import access, pace
from webapp.possible import possible
from webapp.retelling import retold
from webapp.shapes import (
    AttemptList,
    AttemptReport,
    BatchReport,
    FindingPart,
    HostRunList,
    HostRunReport,
    JobReport,
    PreflightReport,
)
from webapp.tally import GATES, Tally, tallies
from webapp.verdict import Findings, verdict


def job(job: Job, user: access.Visitor) -> JobReport:
    """``{id, state, …, counts, batches, can, url}``; ``can`` is what this user may order now."""
    return job_as_told(job, ordering=access.may(user, access.Right.OPERATE, job.game))


def job_as_told(job: Job, *, ordering: bool) -> JobReport:
    """The same for everybody who may order something now, or for everybody else."""
    return _job(job, tallies([job])[job.pk], ordering=ordering)


def jobs(jobs: Sequence[Job], user: access.Visitor) -> list[JobReport]:
    """The same of a page of jobs, in its order."""
    counted = tallies(jobs)
    operable = access.games(user, access.Right.OPERATE)
    may_operate = set(
        operable.filter(pk__in={job.game_id for job in jobs}).values_list("pk", flat=True)
    )
    return [_job(job, counted[job.pk], ordering=job.game_id in may_operate) for job in jobs]


def hosts(job: Job) -> HostRunList:
    """``{as_of_seq, hosts: […]}``: how each host stands, and up to which event that is told.

    One statement reads ``last_seq`` with the rows, and a transaction writes both: it is one
    moment's truth, and the stream goes on right after it.
    """
    number = Attempt.objects.filter(
        host_run=OuterRef("pk"), step=OuterRef("step"), kind=AttemptKind.DO
    )
    rows = (
        HostRun.objects.filter(job=job)
        .annotate(
            attempt=Subquery(number.order_by("-number").values("number")[:1]),
            address=F("host__address"),
            labels=F("host__labels"),
            still_down=ExpressionWrapper(floors.still_down(), BooleanField()),
        )
        .order_by("position", "pk")
        .values(
            *(HostRunReport.__annotations__.keys() - {"link_reason", "heard_at"}),
            *("pk", "still_down", "job__last_seq"),
        )
    )
    names = revisions.step_names(job.revision)
    found = list(rows)
    silent = _silent(
        row["pk"]
        for row in found
        if row["state"] == HostRunState.UNKNOWN or row["link"] == Link.UNREACHABLE
    )
    return {
        "as_of_seq": found[0]["job__last_seq"] if found else job.last_seq,
        "hosts": [_host(row, names, silent.get(row["pk"], ("", None))) for row in found],
    }


def _silent(host_runs: Iterable[int]) -> dict[int, tuple[str, str | None]]:
    """Why they cannot be reached, by the last event that told it, and when they were last heard."""
    # From the end of each host's own events, where they stand: before comes all that was printed.
    last = Event.objects.filter(host_run=OuterRef("pk")).order_by("-seq")
    begun = Attempt.objects.filter(host_run=OuterRef("pk"), started_at__isnull=False)
    silent = HostRun.objects.filter(pk__in=list(host_runs)).annotate(
        told=Subquery(last.filter(kind=Event.Kind.LINK).values("data")[:1]),
        printed_at=Subquery(last.filter(kind=Event.Kind.OUTPUT).values("at")[:1]),
        begun_at=Subquery(begun.order_by("-pk").values("started_at")[:1]),
    )
    return {
        pk: ((told or {}).get("reason", ""), _last(*heard))
        for pk, told, *heard in silent.values_list("pk", "told", "printed_at", "begun_at")
    }


def _last(*moments: datetime | None) -> str | None:
    known = [at for at in moments if at]
    return iso(max(known)) if known else None


def attempts(job: Job, host_name: str) -> AttemptList:
    """What was launched on one host. Rows are read after ``as_of_seq``: what they tell too early,
    the stream tells again."""
    begun = Attempt.objects.filter(host_run__job=job, host_run__name=host_name).exclude(
        state__in=[AttemptState.NEW, AttemptState.ABANDONED]
    )
    return {"as_of_seq": job.last_seq, "attempts": [_attempt(one) for one in begun.order_by("pk")]}


def preflight(found: Sequence[Finding]) -> PreflightReport:
    states = Counter(one.state for one in found)
    return {
        "pending": states["pending"],
        "fit": states["fit"],
        "unfit": states["unfit"],
        "hosts": [
            {
                "host": one.host,
                "state": one.state,
                "problems": [_told(part) for part in one.problems],
                "warnings": [_told(part) for part in one.warnings],
                "checked_at": iso(one.checked_at) if one.checked_at else None,
            }
            for one in found
        ],
    }


def _told(part: Mapping[str, str]) -> FindingPart:
    return {"part": part["part"], "says": retold(part["says"])}


def attempt(run: HostRun, *, step: str | None, number: int, kind: str) -> Attempt | None:
    """An attempt by its name; without ``step`` the newest that printed anything, if one did.

    Raises Http404 where no such attempt was.
    """
    attempts = Attempt.objects.filter(host_run=run)
    if step is None:
        return attempts.filter(log_offset__gt=0).order_by("-pk").first()
    return get_object_or_404(attempts, name=step, number=number, kind=kind)


def _job(job: Job, tally: Tally, *, ordering: bool) -> JobReport:
    terms = Rollout.model_validate(job.rollout)
    found = _findings(job, tally, limit=terms.budget(sum(tally.counts.values())))
    return {
        "id": job.pk,
        "state": job.state,
        "reason": job.reason,
        "pause": job.pause,
        "verdict": verdict(job, tally.batches, found, now=timezone.now()),
        "game": job.game.name,
        "version": job.release.version,
        "by": job.by_name,
        "rolls_back": job.rolls_back_id,
        "rolled_back_by": tally.rolled_back_by,
        "start_at": iso(job.start_at) if job.start_at else None,
        "created_at": iso(job.created_at),
        "started_at": iso(job.started_at) if job.started_at else None,
        "ended_at": iso(job.ended_at) if job.ended_at else None,
        "last_seq": job.last_seq,
        "counts": tally.counts,
        "batches": _batches(tally, terms),
        "limit": found.limit,
        "slow": found.slow,
        "left": found.left,
        "rollout": terms.model_dump(mode="json"),
        "check": tally.check,
        "can": possible(job, tally, terms) if ordering else [],
        "url": settings.SITE_ORIGIN + reverse("job", args=[job.pk]),
    }


def _findings(job: Job, tally: Tally, *, limit: int | None) -> Findings:
    """How fast it goes is asked only while it does."""
    going = job.state == JobState.RUNNING and not job.cancelled
    slow, left = pace.outlook(job) if going else ([], None)
    return Findings(
        unreachable=tally.unreachable,
        down=tally.down,
        broken=tally.broken,
        doubted=tally.doubted,
        slow=len(slow),
        excluded=tally.excluded.total(),
        limit=limit,
        left=left,
        taken_back_by=tally.rolled_back_by,
        stages_ahead=Rollout.model_validate(job.rollout).stages_ahead,
        unfit=tally.check == GATES[Gate.WAITING],
    )


def _batches(tally: Tally, terms: Rollout) -> list[BatchReport]:
    budget = terms.budget(sum(tally.counts.values()))
    return [
        {
            "n": batch.n,
            "canary": batch.n in tally.canaries,
            "state": tally.gates.get(batch.n, batch.state),
            "soak_until": tally.soaks.get(batch.n),
            "hosts": batch.hosts,
            "failed": batch.failed,
            "excluded": tally.excluded[batch.n],
            "budget": 0 if batch.n in tally.canaries else budget,
            "batch_budget": terms.batch_budget(batch.hosts),
        }
        for batch in tally.batches
    ]


def _host(
    row: dict[str, Any], names: Sequence[str], silent: tuple[str, str | None]
) -> HostRunReport:
    begun = row["started_at"] is not None
    return {
        "name": row["name"],
        "state": row["state"],
        "reason": row["reason"],
        "error": row["error"],
        "step": names[row["step"]] if begun and row["step"] < len(names) else None,
        "batch": row["batch"],
        "attempt": row["attempt"],
        "version": row["version"] or None,
        "previous": row["previous"],
        "link": row["link"] or None,
        "link_reason": silent[0] if row["link"] == Link.UNREACHABLE else "",
        "heard_at": silent[1],
        "down": row["still_down"],
        "excluded": row["excluded"],
        "address": row["address"],
        "labels": row["labels"] or {},
        "started_at": iso(row["started_at"]) if row["started_at"] else None,
        "ended_at": iso(row["ended_at"]) if row["ended_at"] else None,
    }


def _attempt(attempt: Attempt) -> AttemptReport:
    begun, ended = attempt.started_at, attempt.ended_at
    return {
        "step": attempt.name,
        "n": attempt.number,
        "kind": attempt.kind,
        "state": attempt.state,
        "rc": attempt.exit_status,
        "reason": attempt.reason,
        "seconds": (ended - begun).total_seconds() if begun and ended else None,
        "at": iso(begun) if begun else None,
        "bytes": attempt.log_offset,
    }
