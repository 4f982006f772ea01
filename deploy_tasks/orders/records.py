"""What every order leaves behind: its event, its audit entry, and the bell."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from enum import Enum
from typing import Any

from django.contrib.auth.models import User
from django.db import IntegrityError, transaction
from django.db.models import F
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop

from deploy_tasks import audit, bells, clock, journal
from deploy_tasks.errors import HostsBusy, OrderRefused
from deploy_tasks.failpoints import failpoint
from deploy_tasks.journal import sql
from deploy_tasks.models import Batch, Event, HostRun, Job
from deploy_tasks.orders.taken import hosts_busy, newer_attempts
from deploy_tasks.rollout import Cut
from deploy_tasks.states import HOST_UNDER_WAY, JOB_ENDED, HostRunState, JobState, Pause
from deploy_tasks.wishes import Wish

#: Who orders what no person does.
ITSELF = "Patchwave"
MOVED_ON = gettext_noop("has moved on with job #%s")
#: Orders that begin nothing.
CALMING = frozenset({"cancel", "pause", "skip"})


def add_host_runs(job: Job, given: Sequence[Mapping[str, Any]]) -> None:
    """Host runs of a new job in their order: the columns of each that are not as by default.

    The ORM takes ten times as long, and whoever orders 5,000 of them waits for it.
    """
    plain = HostRun(job=job)
    columns = [field.attname for field in HostRun._meta.concrete_fields if not field.primary_key]
    values = [getattr(plain, name) for name in columns]
    usual = [value.value if isinstance(value, Enum) else value for value in values]
    rows = [
        [one.get(name, value) for name, value in zip(columns, usual, strict=True)]
        for one in ({**columns_of, "position": n} for n, columns_of in enumerate(given))
    ]
    sql.insert(HostRun, columns, rows)


def add_batches(job: Job, cut: Cut) -> None:
    """Those of a new job, counted from 1."""
    Batch.objects.bulk_create(
        Batch(job=job, n=n, canary=cut.canary and n == 1) for n in range(1, len(cut.batches) + 1)
    )


def opened(job: Job) -> Job:
    """The job, locked. Raises OrderRefused where nothing can be ordered any more."""
    job = journal.lock(job.pk)
    if job.state in JOB_ENDED:
        raise OrderRefused(_("the job is over"))
    if job.cancelled:
        raise OrderRefused(_("the job is being cancelled"))
    return job


def take_hosts(job: Job) -> None:
    """A halted job had let its waiting hosts go; those that a newer job has touched since stay as
    that one left them. Raises HostsBusy."""
    _leave_out_those_that_moved_on(job)
    try:
        with transaction.atomic():
            job.host_runs.filter(state=HostRunState.WAITING).update(holds_host=True)
    except IntegrityError:
        raise busy_elsewhere(job) from None


def _leave_out_those_that_moved_on(job: Job) -> None:
    let_go = job.host_runs.filter(state=HostRunState.WAITING, holds_host=False)
    newer = newer_attempts(job).filter(host_run__host__in=let_go.values("host"))
    jobs: dict[int, int | None] = dict(newer.values_list("host_run__host", "host_run__job"))
    moved_on = defaultdict(list)
    for pk, host in let_go.filter(host__in=jobs).values_list("pk", "host"):
        moved_on[jobs[host]].append(pk)
    for newest, ids in moved_on.items():
        journal.move_host_runs(
            job,
            ids,
            [HostRunState.WAITING],
            HostRunState.SKIPPED,
            reason=MOVED_ON % newest,
            ended_at=clock.now(),
        )


def busy_elsewhere(job: Job) -> HostsBusy:
    """What another job has of those that this one has to take again."""
    free = job.host_runs.filter(holds_host=False).select_related("host")
    return hosts_busy([run.host for run in free if run.host])


def end_halt(job: Job) -> None:
    """The conductor looks again, and halts it again where it must. Raises HostsBusy."""
    if job.state == JobState.HALTED:
        take_hosts(job)
        journal.move_job(job, [JobState.HALTED], JobState.RUNNING)


def call_off(job: Job, ids: Sequence[int]) -> None:
    """Host runs of which nothing runs will not begin any more. One that was to be tried again while
    its host was down leaves that as it is."""
    down = set(job.host_runs.filter(pk__in=ids, out=True).values_list("pk", flat=True))
    for is_down in (True, False):
        journal.move_host_runs(
            job,
            [pk for pk in ids if (pk in down) == is_down],
            [HostRunState.WAITING, HostRunState.QUEUED],
            HostRunState.CANCELLED,
            down=is_down,
            out=False,
            holds_host=False,
            fence=F("fence") + 1,
            ended_at=clock.now(),
        )


def stop(job: Job, *, undo: bool, force: bool = False) -> None:
    """Nothing of a locked job begins any more, and what has begun is asked to end: with ``force``
    also what must not be interrupted. What was launched is then undone, unless ``undo`` is False.
    """
    # What is paused goes on to its end.
    Job.objects.filter(pk=job.pk).update(cancelled=True, pause=Pause.NONE, paused_by="")
    waiting = job.host_runs.filter(state__in=[HostRunState.WAITING, HostRunState.QUEUED])
    # One that was claimed before still has something on its host: its worker ends that first.
    never_claimed = list(waiting.filter(fence=0).values_list("pk", flat=True))
    untouched = list(
        waiting.filter(state=HostRunState.WAITING).exclude(fence=0).values_list("pk", flat=True)
    )
    call_off(job, never_claimed + untouched)
    # One that is unknown hears of it once a person has answered.
    wish = Wish.to_cancel(undo=undo, force=force)
    job.host_runs.filter(state__in=[*HOST_UNDER_WAY, HostRunState.UNKNOWN]).update(wish=wish)


def name_of(by: User | None) -> str:
    """None: no person has ordered it, but the rollout of a job."""
    return by.get_username() if by else ITSELF


def tell(job: Job, by: User | None, what: str, **details: Any) -> None:
    """``details`` that are empty are left out, of the event and of the audit."""
    given = {name: value for name, value in details.items() if value not in (None, False, "")}
    story = {"who": name_of(by), "what": what, **given}
    journal.append(job.pk, [journal.News(Event.Kind.ORDER, story)])
    # What ends harm must not wait for the audit; what begins something must.
    record = audit.record_anyway if what in CALMING else audit.record
    record(by or ITSELF, f"{what}_job", str(job), game=job.game, **given)


def ring(job: Job) -> None:
    """Have the job looked at as soon as this is committed; a second later where its bell is lost,
    whatever else of it is under way."""
    Job.objects.filter(pk=job.pk).update(wake_at=clock.now())
    transaction.on_commit(lambda: bells.ring_job(job.pk), robust=True)


def rung(job: Job) -> Job:
    """The job as it stands now; it is rung for."""
    failpoint("order.written")
    ring(job)
    return Job.objects.select_related("game", "release", "revision__recipe").get(pk=job.pk)
