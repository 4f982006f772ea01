"""Derives a job's state from its host runs and its rollout, and lets the next host runs start.

The one place where both is decided. It looks at rows, never at who rang: two workers that finish
together may both ring, and the second finds nothing to do.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import timedelta
from functools import partial
from typing import Any

from django.db import transaction
from django.db.models import Count, Q, QuerySet
from django.utils.translation import gettext as _

from deploy_tasks import (
    bells,
    calls,
    checking,
    clock,
    floors,
    going_back,
    journal,
    locks,
    refusals,
    rollout,
)
from deploy_tasks.failpoints import failpoint
from deploy_tasks.models import Event, HostRun, Job, Moment
from deploy_tasks.rollout import BatchStand, Decision, Rollout, Situation
from deploy_tasks.states import (
    HOST_ACTIVE,
    HOST_ENDED,
    HOST_FAILED,
    JOB_ENDED,
    Gate,
    HostRunState,
    JobState,
    Pause,
)
from deploy_tasks.wishes import Wish

#: Pauses in which no host may begin to go down.
STANDING_STILL = (Pause.HOST, Pause.STEP)
#: From these a host run is let in to go down.
NOT_IN = (HostRunState.PAUSED, HostRunState.STAGED, HostRunState.WAITING)
#: Between two looks at whether a held host run may go down; other jobs' hosts come up meanwhile.
LOOK_AGAIN = timedelta(seconds=2)
#: Among the states of host runs that are counted: paused until it may go down; on its way to the
#: switch; before it, or past it and tried again.
HELD, STAGING, STAGED = "held", "staging", HostRunState.STAGED.value
GOING = (JobState.WAITING, JobState.RUNNING, JobState.PAUSED)
SUCCEEDED = (HostRunState.SUCCEEDED, HostRunState.SKIPPED)


def conduct(job_id: int) -> None:
    """Bring a job forward as far as its rows allow."""
    with transaction.atomic():
        job = journal.lock(job_id)
        if job.state in JOB_ENDED:
            return
        _wake_paused(job)
        is_over = True
        if job.state in GOING and not job.cancelled:
            is_over = _go_on(job)
        if job.state == JobState.HALTED and not job.cancelled:
            is_over = _gives_up(job)
        if is_over:
            _end_if_over(job)
        failpoint("conduct.decided")


def jobs_to_wake() -> list[int]:
    """Open jobs that wanted to be looked at by now: a soak has ended, the next host may start."""
    due = Job.objects.filter(wake_at__lte=clock.now(), state__in=GOING, cancelled=False)
    return list(due.values_list("pk", flat=True))


def tally(job: Job) -> list[BatchStand]:
    """How the batches of a job stand, in their order. Cancelled host runs count in none."""
    ahead = Rollout.model_validate(job.rollout).stages_ahead
    counts: dict[int, Counter[str]] = {}
    columns = ("batch", "state", "excluded", "held", "out")
    rows = job.host_runs.values_list(*columns).annotate(hosts=Count("pk"))
    for batch, state, excluded, held, out, hosts in rows:
        stands = _stands(state, held=held, out=out, ahead=ahead)
        if excluded and state in HOST_FAILED:
            stands = HostRunState.SKIPPED
        counts.setdefault(batch, Counter())[stands] += hosts
    return [
        BatchStand(
            n=row.n,
            waiting=found[HostRunState.WAITING],
            staging=found[STAGING],
            staged=found[STAGED],
            active=sum(found[state] for state in HOST_ACTIVE),
            held=found[HELD],
            succeeded=sum(found[state] for state in SUCCEEDED),
            failed=sum(found[state] for state in HOST_FAILED),
            unknown=found[HostRunState.UNKNOWN],
            canary=row.canary,
            gate=Gate(row.gate),
            soak_until=row.soak_until,
        )
        for row in job.batches.order_by("n")
        if (found := counts.get(row.n))
    ]


def _stands(state: str, *, held: bool, out: bool, ahead: bool) -> str:
    if not ahead:
        return HELD if held and state == HostRunState.PAUSED else state
    if state in HOST_ACTIVE and (held or not out):
        return STAGING
    # Its host is down from before a retry: it waits for no more than its batch.
    return STAGED if state == HostRunState.WAITING and out else state


def _go_on(job: Job) -> bool:
    """Do what the policy allows now; gives whether nothing is left to do."""
    batches = tally(job)
    if any(batch.failed for batch in batches) and (name := refusals.burnt_credential(job)):
        halt(
            job, _("%(n)s hosts refused credential %(name)s") % {"n": refusals.LIMIT, "name": name}
        )
        return True
    terms = Rollout.model_validate(job.rollout)
    if terms.preflight and not checking.passed(job):
        return False
    some_wait = False
    if (held := sum(batch.held for batch in batches)) and job.pause not in STANDING_STILL:
        paused = job.host_runs.filter(state=HostRunState.PAUSED, held=True)
        some_wait = _let_in(job, paused, room=rollout.room_for(terms, batches)) < held
        batches = tally(job)
    decision = rollout.decide(terms, batches, _situation(job, terms))
    _move_gates(job, decision, batches)
    if decision.halt:
        goes_back = terms.on_halt == "rollback" and rollout.failed_too_much(terms, batches)
        halt(job, going_back.announced(decision.halt) if goes_back else decision.halt)
        return True
    _tell_state(job, decision)
    _tell_opened(job, decision, batches)
    if terms.stages_ahead:
        some_wait |= _begin(job, job.host_runs.filter(out=False), decision.stage) < decision.stage
        started = _switch(job, decision)
    else:
        started = _start(job, decision)
    some_wait |= started < sum(decision.start.values())
    _wake(job, decision, soon=some_wait, stagger=terms.stagger if started else 0)
    return decision.over


def _wake_paused(job: Job) -> None:
    """Also those that had not yet heard that the pause is over."""
    still = job.host_runs.filter(state__in=[HostRunState.PAUSED, HostRunState.STAGED])
    if not job.cancelled:
        leave = Q(wish=Wish.LEAVE_OUT)
        go_on = Q(state=HostRunState.PAUSED, held=False)
        still = still.filter(leave if job.pause == Pause.STEP else leave | go_on)
    if ids := list(still.values_list("pk", flat=True)):
        _queue(job, ids, HostRunState.PAUSED, HostRunState.STAGED)


def _let_in(job: Job, held: QuerySet[HostRun], *, room: int) -> int:
    """Let held host runs go down as far as every job's limits allow; gives how many."""
    in_order = held.select_related("host__machine").order_by("position")
    # Of thousands, those further back need not be read where nobody has to be passed over.
    wanting = list(in_order[: max(0, room)] if floors.holds_nobody(job) else in_order)
    admission = floors.let_in(job, wanting)
    apart = locks.kept([run for run in wanting if run.name in admission.enter])
    waits = {run.pk: admission.wait[run.name] for run in wanting if run.name in admission.wait}
    waits |= {pk: _shares_with(name) for pk, name in apart.items()}
    entering = [run.pk for run in wanting if run.pk not in waits][: max(0, room)]
    _queue(job, entering, *NOT_IN, out=True)
    _tell_waits(job, wanting, waits)
    return len(entering)


def _shares_with(name: str) -> str:
    return _("waits until %(host)s is through: the two share an installation") % {"host": name}


def _tell_waits(job: Job, wanting: Iterable[HostRun], waits: Mapping[int, str]) -> None:
    for run in wanting:
        why = waits.get(run.pk)
        if why and run.reason != why:
            state = HostRunState(run.state)
            journal.move_host_runs(job, [run.pk], [state], state, reason=why)


def _queue(job: Job, ids: list[int], *come_from: HostRunState, **changes: Any) -> None:
    changes = {"held": False, "rung_at": clock.now(), **changes}
    moved = journal.move_host_runs(job, ids, come_from, HostRunState.QUEUED, **changes)
    transaction.on_commit(partial(bells.ring_host_runs, moved), robust=True)


def _situation(job: Job, terms: Rollout) -> Situation:
    start_at = None if terms.stages_ahead else job.start_at
    times = [at for at in (start_at, job.next_start_at) if at]
    return Situation(
        now=clock.now(),
        pause=Pause(job.pause),
        paused_by=job.paused_by,
        not_before=max(times, default=None),
        switch_at=job.start_at,
    )


def _move_gates(job: Job, decision: Decision, batches: list[BatchStand]) -> None:
    before = {batch.n: batch.gate for batch in batches}
    for batch in decision.gates:
        told = {Gate.SOAKING: "soaking", Gate.WAITING: "gate"}.get(batch.gate, _ended(batch))
        journal.move_gate(
            job, batch.n, before[batch.n], batch.gate, soak_until=batch.soak_until, told=told
        )


def _ended(batch: BatchStand) -> str:
    return (JobState.FAILED if batch.failed else JobState.SUCCEEDED).value


def _wake(job: Job, decision: Decision, *, soon: bool, stagger: float) -> None:
    changes = {}
    look_at = decision.look_at
    if soon:
        again = clock.now() + LOOK_AGAIN
        look_at = min(look_at or again, again)
    if look_at != job.wake_at:
        changes["wake_at"] = look_at
    if stagger:
        changes["next_start_at"] = clock.now() + timedelta(seconds=stagger)
    if changes:
        Job.objects.filter(pk=job.pk).update(**changes)


def _tell_state(job: Job, decision: Decision) -> None:
    if decision.hold:
        if (job.state, job.reason) != (JobState.PAUSED, decision.hold):
            journal.move_job(job, GOING, JobState.PAUSED, reason=decision.hold)
            if decision.calls:
                calls.note(job.pk, job.game_id, Moment.WAITS)
        return
    starts = decision.start or decision.stage
    began = job.started_at or (clock.now() if starts else None)
    has_begun = began or job.state == JobState.RUNNING
    state = JobState.RUNNING if has_begun else JobState.WAITING
    if job.state != state:
        journal.move_job(job, GOING, state, started_at=began)


def _tell_opened(job: Job, decision: Decision, batches: list[BatchStand]) -> None:
    fresh = {b.n for b in batches if b.waiting + b.staging + b.staged == b.hosts}
    for n in decision.start:
        if n in fresh:
            opened = {"n": n, "to": JobState.RUNNING.value}
            journal.append(job.pk, [journal.News(Event.Kind.BATCH, opened)])


def _start(job: Job, decision: Decision) -> int:
    """Let hosts begin; gives how many."""
    batches = decision.start.items()
    return sum(_begin(job, job.host_runs.filter(batch=n), hosts) for n, hosts in batches)


def _switch(job: Job, decision: Decision) -> int:
    """Let staged hosts go down; gives how many could: others' limits hold for them, too."""
    ready = Q(state=HostRunState.STAGED) | Q(state=HostRunState.WAITING, out=True)
    staged = job.host_runs.filter(ready)
    batches = decision.start.items()
    return sum(_let_in(job, staged.filter(batch=n), room=hosts) for n, hosts in batches)


def _begin(job: Job, among: QuerySet[HostRun], hosts: int) -> int:
    if not hosts:
        return 0
    waiting = among.filter(state=HostRunState.WAITING).order_by("position")
    waiting = waiting.only("job", "name", "state", "reason", "lock")
    wanting = list(waiting[:hosts])
    if any(run.lock for run in wanting):
        wanting = list(waiting)  # some have to be passed over
    waits = {pk: _shares_with(name) for pk, name in locks.kept(wanting).items()}
    ids = [run.pk for run in wanting if run.pk not in waits][:hosts]
    _queue(job, ids, HostRunState.WAITING)
    _tell_waits(job, wanting, waits)
    return len(ids)


def halt(job: Job, reason: str) -> None:
    """Nothing new starts; what runs ends; waiting hosts are free for another job."""
    journal.move_job(job, GOING, JobState.HALTED, reason=reason, wake_at=None, no_way_back=False)
    job.state, job.no_way_back = JobState.HALTED, False
    job.host_runs.filter(state=HostRunState.WAITING).update(holds_host=False)


def _gives_up(job: Job) -> bool:
    """Whether a halted job may end: not while it is still to go back, nor where it could not."""
    terms = Rollout.model_validate(job.rollout)
    why = terms.on_halt == "rollback" and rollout.failed_too_much(terms, tally(job))
    return going_back.go_back(job, why) if why else True


def _end_if_over(job: Job) -> None:
    left = HostRun.objects.filter(job=job).exclude(state__in=HOST_ENDED)
    if left.exists():
        return
    batches = tally(job)
    told = [{"n": b.n, "to": _ended(b)} for b in batches if b.gate != Gate.OPEN]
    if told:
        journal.append(job.pk, [journal.News(Event.Kind.BATCH, data) for data in told])
    everyone_well = not job.host_runs.exclude(state__in=SUCCEEDED).exists()
    if everyone_well:
        end, reason = JobState.SUCCEEDED, ""
    elif job.cancelled:
        end, reason = JobState.CANCELLED, ""
    else:
        failed = job.host_runs.filter(state__in=HOST_FAILED).count()
        end, reason = JobState.FAILED, _("failed hosts: %(count)s") % {"count": failed}
    not_ended = [state for state in JobState if state not in JOB_ENDED]
    over = {"pause": Pause.NONE, "paused_by": "", "wake_at": None, "ended_at": clock.now()}
    journal.move_job(job, not_ended, end, reason=reason, **over)
