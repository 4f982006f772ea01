"""How long each step takes, who is slow, and how long a job will still take: from its own hosts,
and from earlier jobs of the recipe where too few of these have been through a step yet."""

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from math import ceil
from statistics import median
from typing import Any

from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import Count, F, Field, Func, QuerySet
from django.db.models.sql.compiler import SQLCompiler
from django.utils import timezone

from deploy_tasks import floors, revisions
from deploy_tasks.models import Attempt, HostRun, Job
from deploy_tasks.rollout import Rollout
from deploy_tasks.states import AttemptKind, AttemptState, HostRunState, JobState
from deploy_tasks.times import iso
from webapp import broker
from webapp.broker import Trouble
from webapp.hanging import hanging
from webapp.recent import Recent
from webapp.shapes import BrokerTrouble, PaceReport, StepPace

#: The newest attempts that are looked at: of this job, and for each step in earlier jobs.
OWN = 3000
EARLIER = 200
#: From so many on a job's own hosts say what is usual.
ENOUGH = 5
#: Slow is a host that takes longer than nearly all others, than so many times the median, and than
#: the median and so many seconds.
TIMES = 3.0
SECONDS = 5.0


#: Host -> its step, for how many seconds, and its batch.
Running = Mapping[str, tuple[str, float, int]]


@dataclass(frozen=True)
class Usual:
    """Seconds of a step: half of the hosts took at most ``p50``, all but a twentieth ``p95``."""

    p50: float
    p95: float
    hosts: int

    @classmethod
    def of(cls, spans: Sequence[float]) -> "Usual | None":
        if not spans:
            return None
        ordered = sorted(spans)
        return cls(median(ordered), ordered[ceil(0.95 * len(ordered)) - 1], len(ordered))

    def is_slow(self, seconds: float) -> bool:
        return self.hosts >= ENOUGH and seconds > max(
            self.p95, TIMES * self.p50, self.p50 + SECONDS
        )


@dataclass(frozen=True)
class Rest:
    """A batch: so many of its hosts wait, and those that run need so many seconds more; then it
    soaks for ``soak`` seconds."""

    waiting: int
    running: Sequence[float]
    soak: float = 0.0


def left(rests: Iterable[Rest], *, host: float, parallel: int) -> float:
    """Seconds until the last host is through, batch after batch, when each takes ``host`` seconds
    and ``parallel`` run at a time. Hosts that run make room as they end."""
    batches = [rest for rest in rests if rest.waiting or rest.running]
    seconds = sum(rest.soak for rest in batches[:-1])
    for rest in batches:
        busy = sorted(rest.running)[:parallel]
        lanes = [*[0.0] * (parallel - len(busy)), *busy]
        rounds, more = divmod(rest.waiting, parallel)
        filled = [end + host * (rounds + (lane < more)) for lane, end in enumerate(lanes)]
        seconds += max((end for end in filled), default=0.0)
    return seconds


def pace(job: Job) -> PaceReport:
    """``{steps: […], slow: [names], hanging: […], left, broker}``; ``left`` in seconds, null where
    nobody can say."""
    names = revisions.step_names(job.revision)
    spans = _own(job)
    usual = _usual(job, names, spans)
    running = _running(job, timezone.now())
    failed = Counter(_broken(job))
    at = Counter(step for step, _age, _batch in running.values())
    steps: list[StepPace] = []
    for name in names:
        known = usual[name]
        steps.append(
            {
                "step": name,
                "p50": known.p50 if known else None,
                "p95": known.p95 if known else None,
                "hosts": len(spans[name]),
                "running": at[name],
                "failed": failed[name],
            }
        )
    slow = _slow(usual, running)
    left = _left(job, names, usual, running, slow)
    return {
        "steps": steps,
        "slow": slow,
        "hanging": hanging(job, steps, {host: running[host][:2] for host in slow}),
        "left": left,
        "broker": _broker(broker.watch.trouble),
    }


def _broker(trouble: Trouble | None) -> BrokerTrouble | None:
    return {"word": trouble.word, "since": iso(trouble.since)} if trouble else None


#: Hosts that are slow, and about how many seconds are left.
Outlook = tuple[list[str], float | None]
_outlooks: Recent[Outlook] = Recent()


def outlook(job: Job) -> Outlook:
    """As it was a moment ago: to work it out is most of what is said of a job, and it is asked for
    several times a second. By more than the id, which a restored backup gives to another job."""
    return _outlooks.get((job.pk, job.created_at), lambda: _outlook(job))


def _outlook(job: Job) -> Outlook:
    names = revisions.step_names(job.revision)
    usual = _usual(job, names, _own(job))
    running = _running(job, timezone.now())
    slow = _slow(usual, running)
    return slow, _left(job, names, usual, running, slow)


def _usual(
    job: Job, names: Sequence[str], own: defaultdict[str, list[float]]
) -> dict[str, Usual | None]:
    """Of the job's own hosts where enough of them are through a step, else of earlier jobs."""
    few = [name for name in names if len(own[name]) < ENOUGH]
    earlier = _earlier(job, few) if few else {}
    return {name: Usual.of(earlier.get(name, ())) or Usual.of(own[name]) for name in names}


def _slow(usual: Mapping[str, Usual | None], running: Running) -> list[str]:
    return [
        host
        for host, (step, age, _batch) in running.items()
        if (known := usual.get(step)) and known.is_slow(age)
    ]


def _broken(job: Job) -> list[str]:
    """The step at which each host stands that has failed."""
    stand = Attempt.objects.filter(
        host_run__job=job,
        host_run__state=HostRunState.FAILED,
        host_run__step=F("step"),
        state=AttemptState.FAILED,
        kind=AttemptKind.DO,
    )
    return [name for name, _run in stand.order_by().values_list("name", "host_run").distinct()]


def _running(job: Job, now: datetime) -> Running:
    attempts = Attempt.objects.filter(
        host_run__job=job, host_run__state=HostRunState.RUNNING, state=AttemptState.RUNNING
    ).exclude(started_at=None)
    rows = attempts.order_by("pk").values_list(
        "host_run__name", "name", "started_at", "host_run__batch"
    )
    return {
        host: (step, (now - (begun or now)).total_seconds(), batch)
        for host, step, begun, batch in rows
    }


def _left(
    job: Job,
    names: Sequence[str],
    usual: Mapping[str, Usual | None],
    running: Running,
    slow: Collection[str],
) -> float | None:
    known = [usual[name] for name in names]
    if job.state != JobState.RUNNING or job.cancelled or None in known:
        return None
    times = [one.p50 for one in known if one]
    rollout = Rollout.model_validate(job.rollout)
    counts: defaultdict[int, Counter[str]] = defaultdict(Counter)
    stand = HostRun.objects.filter(job=job).values_list("batch", "state")
    for batch, state, hosts in stand.annotate(hosts=Count("pk")):
        counts[batch][state] = hosts
    if any(batch[HostRunState.UNKNOWN] or batch[HostRunState.PAUSED] for batch in counts.values()):
        return None
    to_go = {n: of[HostRunState.WAITING] + of[HostRunState.STAGED] for n, of in counts.items()}
    hold_up = set(slow)
    moves = {batch for host, (_step, _age, batch) in running.items() if host not in hold_up}
    moves |= {n for n, of in counts.items() if to_go[n] or of[HostRunState.QUEUED]}
    if any(batch not in moves for _step, _age, batch in running.values()):
        return None  # all that a batch waits for may hang
    begin = 0
    if rollout.stages_ahead:
        if any(of[HostRunState.WAITING] for of in counts.values()):
            return None  # they stage beside those that go down
        begin = floors.border(revisions.recipe_of(job.revision)) or 0
    rests: defaultdict[int, list[float]] = defaultdict(list)
    for step, age, batch in running.values():
        place = names.index(step)
        rests[batch].append(max(0.0, times[place] - age) + sum(times[place + 1 :]))
    ahead = [n for n in sorted(counts) if to_go[n] or rests[n]]
    if any(rollout.gate_after(n) == "manual" for n in ahead if n != max(counts)):
        return None
    whole = [
        Rest(to_go[n] + counts[n][HostRunState.QUEUED], rests[n], rollout.soak_of(n))
        for n in sorted(counts)
    ]
    width = rollout.width(sum(batch.total() for batch in counts.values()))
    return left(whole, host=sum(times[begin:]), parallel=width)


def _own(job: Job) -> defaultdict[str, list[float]]:
    return _spans(_ended().filter(host_run__job=job).order_by("-pk")[:OWN])


def _earlier(job: Job, steps: Sequence[str]) -> Mapping[str, Sequence[float]]:
    recipe = job.revision.recipe_id
    earlier = _ended().filter(host_run__job__revision__recipe=recipe, name__in=steps)
    return _spans(earlier.order_by("-pk")[: EARLIER * len(steps)])


def _ended() -> QuerySet[Attempt, Attempt]:
    return Attempt.objects.filter(
        state=AttemptState.SUCCEEDED, kind=AttemptKind.DO, ended_at__isnull=False
    ).exclude(started_at=None)


def _spans(attempts: QuerySet[Attempt, Attempt]) -> defaultdict[str, list[float]]:
    spans: defaultdict[str, list[float]] = defaultdict(list)
    for name, seconds in attempts.values_list("name", _Seconds("ended_at", "started_at")):
        spans[name].append(max(0.0, round(float(seconds), 3)))
    return spans


class _Seconds(Func):
    """From the second moment to the first, by the database: of thousands of rows, each of two dates
    costs more here than all else about it."""

    #: A plain field converts nothing: a call for each value would cost as much as the whole row.
    output_field: "Field[Any, Any]" = Field()
    template, arg_joiner = "EXTRACT(EPOCH FROM %(expressions)s)", " - "

    def as_sqlite(
        self, compiler: SQLCompiler, connection: BaseDatabaseWrapper, **context: Any
    ) -> tuple[str, tuple[str | int, ...]]:
        days = {
            "template": "((julianday(%(expressions)s)) * 86400)",
            "arg_joiner": ") - julianday(",
        }
        return self.as_sql(compiler, connection, **{**days, **context})
