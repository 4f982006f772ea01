"""What is said of a job, by the API, the page and the stream alike.

Shapes are those of the HTTP API; times are ISO 8601 UTC with milliseconds. Every report costs a
fixed number of queries, however many hosts the job has.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from django.conf import settings
from django.db.models import BooleanField, Count, ExpressionWrapper, F, OuterRef, Q, Subquery
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.utils import timezone

from deploy_tasks import floors, revisions
from deploy_tasks.checking import FIRST
from deploy_tasks.models import Attempt, Batch, HostRun, Job
from deploy_tasks.preflight import Finding
from deploy_tasks.rollout import Rollout, switch_is_open
from deploy_tasks.states import (
    HOST_ACTIVE,
    HOST_ENDED,
    HOST_FAILED,
    HOST_RETRYABLE,
    JOB_ENDED,
    AttemptKind,
    AttemptState,
    Gate,
    HostRunState,
    JobState,
    Link,
    Pause,
)
from deploy_tasks.times import iso
from webapp import access, pace
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
from webapp.verdict import BatchCounts, Findings, verdict

#: Where a job has not been stopped by what happened in it.
GOING = (JobState.WAITING, JobState.RUNNING, JobState.PAUSED)


def job(job: Job, user: access.Visitor) -> JobReport:
    """``{id, state, …, counts, batches, can, url}``; ``can`` is what this user may order now."""
    return jobs([job], user)[0]


def job_as_told(job: Job, *, ordering: bool) -> JobReport:
    """The same for everybody who may order something now, or for everybody else."""
    return _job(job, _tallies([job])[job.pk], ordering=ordering)


def jobs(jobs: Sequence[Job], user: access.Visitor) -> list[JobReport]:
    """The same of a page of jobs, in its order."""
    tallies = _tallies(jobs)
    operable = access.games(user, access.Right.OPERATE)
    may_operate = set(
        operable.filter(pk__in={job.game_id for job in jobs}).values_list("pk", flat=True)
    )
    return [_job(job, tallies[job.pk], ordering=job.game_id in may_operate) for job in jobs]


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
            labels=F("host__labels"),
            still_down=ExpressionWrapper(floors.still_down(), BooleanField()),
        )
        .order_by("position", "pk")
        .values(*HostRunReport.__annotations__, "still_down", "job__last_seq")
    )
    names = revisions.step_names(job.revision)
    found = list(rows)
    return {
        "as_of_seq": found[0]["job__last_seq"] if found else job.last_seq,
        "hosts": [_host(row, names) for row in found],
    }


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


#: Gates as the batch's state tells them.
GATES = {Gate.SOAKING: "soaking", Gate.WAITING: "gate"}


class _Tally:
    """How the host runs of one job stand."""

    def __init__(self) -> None:
        self.of_batch: defaultdict[int, Counter[str]] = defaultdict(Counter)
        self.canaries: set[int] = set()
        #: What is said of batches that are done, and whose gate is not open yet.
        self.gates: dict[int, str] = {}
        self.soaks: dict[int, str] = {}
        self.rolled_back_by: int | None = None
        self.excluded: Counter[int] = Counter()
        self.unreachable = 0
        self.down = 0

    @property
    def counts(self) -> dict[str, int]:
        total: Counter[str] = sum(self.of_batch.values(), Counter())
        return {state.value: total[state.value] for state in HostRunState}

    def counts_of(self, *states: HostRunState) -> int:
        return sum(found[state] for found in self.of_batch.values() for state in states)

    @property
    def check(self) -> str:
        """Of the hosts, before the first batch."""
        return self.gates.get(FIRST, "")

    @property
    def batches(self) -> list[BatchCounts]:
        return [BatchCounts(n, counts) for n, counts in sorted(self.of_batch.items())]


def _tallies(jobs: Iterable[Job]) -> defaultdict[int, _Tally]:
    tallies: defaultdict[int, _Tally] = defaultdict(_Tally)
    rows = (
        HostRun.objects.filter(job__in=[job.pk for job in jobs])
        .values("job", "batch", "state")
        .annotate(
            runs=Count("pk"),
            downs=Count("pk", filter=floors.still_down()),
            excludeds=Count("pk", filter=Q(excluded=True, state__in=HOST_FAILED)),
            unreachables=Count("pk", filter=Q(link=Link.UNREACHABLE)),
        )
    )
    for row in rows:
        tally = tallies[row["job"]]
        tally.of_batch[row["batch"]][row["state"]] += row["runs"]
        tally.down += row["downs"]
        tally.excluded[row["batch"]] += row["excludeds"]
        if row["state"] not in HOST_ENDED:
            tally.unreachable += row["unreachables"]
    takers = Job.objects.filter(rolls_back__in=[job.pk for job in jobs])
    for taker, taken in takers.values_list("pk", "rolls_back"):
        tallies[int(taken or 0)].rolled_back_by = taker
    for job, n, canary, gate, soak_until in Batch.objects.filter(
        Q(canary=True) | Q(gate__in=GATES), job__in=[job.pk for job in jobs]
    ).values_list("job", "n", "canary", "gate", "soak_until"):
        tally = tallies[job]
        if canary:
            tally.canaries.add(n)
        if gate in GATES:
            tally.gates[n] = GATES[Gate(gate)]
        if soak_until:
            tally.soaks[n] = iso(soak_until)
    return tallies


def _job(job: Job, tally: _Tally, *, ordering: bool) -> JobReport:
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
        "can": _possible(job, tally, terms) if ordering else [],
        "url": settings.SITE_ORIGIN + reverse("job", args=[job.pk]),
    }


def _findings(job: Job, tally: _Tally, *, limit: int | None) -> Findings:
    """How fast it goes is asked only while it does."""
    going = job.state == JobState.RUNNING and not job.cancelled
    slow, left = pace.outlook(job) if going else ([], None)
    return Findings(
        unreachable=tally.unreachable,
        down=tally.down,
        slow=len(slow),
        excluded=tally.excluded.total(),
        limit=limit,
        left=left,
        taken_back_by=tally.rolled_back_by,
        stages_ahead=Rollout.model_validate(job.rollout).stages_ahead,
    )


def _batches(tally: _Tally, terms: Rollout) -> list[BatchReport]:
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


def _possible(job: Job, tally: _Tally, terms: Rollout) -> list[str]:
    counts = tally.counts
    ended = job.state in JOB_ENDED
    being_cancelled = job.cancelled and not ended
    retryable = any(counts[state] for state in HOST_RETRYABLE)
    orders = {
        "retry": (retryable or job.state == JobState.HALTED) and not being_cancelled,
        # Also a second time: with force, or to repeat an order whose answer was lost.
        "cancel": not ended,
        "answer": bool(counts[HostRunState.UNKNOWN]),
        "rollback": _can_go_back(job, tally),
        "skip": bool(tally.counts_of(HostRunState.WAITING, HostRunState.STAGED))
        and not ended
        and not being_cancelled,
        "change": not ended and not being_cancelled,
        "exclude": tally.counts_of(*HOST_FAILED) > tally.excluded.total()
        and not ended
        and not being_cancelled,
        "pause": job.state in GOING and not being_cancelled and job.pause != Pause.STEP,
        "resume": bool(job.pause) and not ended and not being_cancelled,
        "check": tally.check == GATES[Gate.WAITING] and job.state in GOING and not being_cancelled,
        "promote": bool(tally.gates) and job.state in GOING and not being_cancelled,
        "switch": terms.stages_ahead
        and job.state in GOING
        and not being_cancelled
        and not switch_is_open(job.start_at, timezone.now()),
    }
    return [order for order, possible in orders.items() if possible]


def _can_go_back(job: Job, tally: _Tally) -> bool:
    """As far as counts tell; the order itself looks at every step."""
    still_runs = tally.counts_of(*HOST_ACTIVE, HostRunState.UNKNOWN)
    done = tally.counts_of(HostRunState.SUCCEEDED, HostRunState.FAILED, HostRunState.CANCELLED)
    stands_still = job.state in (*JOB_ENDED, JobState.HALTED) and not still_runs
    known = job.rolls_back_id or tally.rolled_back_by
    return bool(stands_still and done and not known)


def _host(row: dict[str, Any], names: Sequence[str]) -> HostRunReport:
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
        "down": row["still_down"],
        "excluded": row["excluded"],
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
