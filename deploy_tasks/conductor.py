"""Derives a job's state from its host runs and its rollout, and decides how many may start next.

The one place where both is decided; `letting_in` does the second. It looks at rows, never at who
rang: two workers that finish together may both ring, and the second finds nothing to do.
"""

from datetime import timedelta

from django.db import transaction
from django.utils.translation import gettext as _

from deploy_tasks import (
    calls,
    checking,
    clock,
    going_back,
    journal,
    letting_in,
    refusals,
    rollout,
)
from deploy_tasks.failpoints import failpoint
from deploy_tasks.models import Event, HostRun, Job, Moment
from deploy_tasks.rollout import BatchStand, Decision, Rollout, Situation
from deploy_tasks.states import (
    HOST_ENDED,
    HOST_FAILED,
    JOB_ENDED,
    JOB_GOING,
    JOB_OPEN,
    Gate,
    HostRunState,
    JobState,
    Pause,
)
from deploy_tasks.tally import SUCCEEDED, Tally, count

#: Pauses in which no host may begin to go down.
STANDING_STILL = (Pause.HOST, Pause.STEP)
#: Between two looks at whether a held host run may go down; other jobs' hosts come up meanwhile.
LOOK_AGAIN = timedelta(seconds=2)


def conduct(job_id: int) -> None:
    """Bring a job forward as far as its rows allow."""
    with transaction.atomic():
        job = journal.lock(job_id)
        if job.state in JOB_ENDED:
            return
        _awake(job)
        tally = count(job)
        if tally.some_stand_still and letting_in.wake(job):
            tally = count(job)
        is_over = True
        if job.state in JOB_GOING and not job.cancelled:
            is_over = _go_on(job, tally)
        if job.state == JobState.HALTED and not job.cancelled:
            is_over = _gives_up(job)
        if is_over:
            _end_if_over(job)
        failpoint("conduct.decided")


def jobs_to_wake() -> list[int]:
    """Open jobs that wanted to be looked at by now: a soak has ended, the next host may start, or
    the bell of an order was lost."""
    due = Job.objects.filter(wake_at__lte=clock.now(), state__in=JOB_OPEN)
    return list(due.values_list("pk", flat=True))


def _awake(job: Job) -> None:
    """What it was to be looked at for is done now, or wanted again."""
    if job.wake_at and job.wake_at <= clock.now():
        Job.objects.filter(pk=job.pk).update(wake_at=None)
        job.wake_at = None


def _go_on(job: Job, tally: Tally) -> bool:
    """Do what the policy allows now; gives whether nothing is left to do."""
    batches = tally.batches
    if any(batch.failed for batch in batches) and (name := refusals.burnt_credential(job)):
        halt(
            job, _("%(n)s hosts refused credential %(name)s") % {"n": refusals.LIMIT, "name": name}
        )
        return True
    terms = Rollout.model_validate(job.rollout)
    if terms.preflight and not checking.passed(job):
        return False
    some_wait = False
    stands_still = job.pause in STANDING_STILL or rollout.failed_too_much(terms, batches)
    if (held := sum(batch.held for batch in batches)) and not stands_still:
        room = rollout.room_for(terms, batches)
        let_in = letting_in.let_in_held(job, tally, room=room)
        if some_wait := let_in < held:
            letting_in.bring_up(job, tally, room=room - let_in)
        batches = count(job).batches
    decision = rollout.decide(terms, batches, _situation(job, terms))
    _move_gates(job, decision, batches)
    if decision.halt:
        goes_back = terms.on_halt == "rollback" and rollout.failed_too_much(terms, batches)
        halt(job, going_back.announced(decision.halt) if goes_back else decision.halt)
        return True
    _tell_state(job, decision)
    _tell_opened(job, decision, batches)
    if terms.stages_ahead:
        some_wait |= letting_in.stage(job, tally, decision.stage) < decision.stage
        started = letting_in.switch(job, tally, decision.start)
    else:
        started = letting_in.start(job, tally, decision.start)
    some_wait |= started < sum(decision.start.values())
    _wake(job, decision, soon=some_wait, stagger=terms.stagger if started else 0)
    return decision.over


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
            journal.move_job(job, JOB_GOING, JobState.PAUSED, reason=decision.hold)
            if decision.calls:
                calls.note(job.pk, job.game_id, Moment.WAITS)
        return
    starts = decision.start or decision.stage
    began = job.started_at or (clock.now() if starts else None)
    has_begun = began or job.state == JobState.RUNNING
    state = JobState.RUNNING if has_begun else JobState.WAITING
    if job.state != state:
        journal.move_job(job, JOB_GOING, state, started_at=began)


def _tell_opened(job: Job, decision: Decision, batches: list[BatchStand]) -> None:
    fresh = {b.n for b in batches if b.waiting + b.staging + b.staged == b.hosts}
    for n in decision.start:
        if n in fresh:
            opened = {"n": n, "to": JobState.RUNNING.value}
            journal.append(job.pk, [journal.News(Event.Kind.BATCH, opened)])


def halt(job: Job, reason: str) -> None:
    """Nothing new starts; what runs ends; waiting hosts are free for another job."""
    journal.move_job(
        job, JOB_GOING, JobState.HALTED, reason=reason, wake_at=None, no_way_back=False
    )
    job.state, job.no_way_back = JobState.HALTED, False
    job.host_runs.filter(state=HostRunState.WAITING).update(holds_host=False)


def _gives_up(job: Job) -> bool:
    """Whether a halted job may end: not while it is still to go back, nor where it could not."""
    terms = Rollout.model_validate(job.rollout)
    why = terms.on_halt == "rollback" and rollout.failed_too_much(terms, count(job).batches)
    return going_back.go_back(job, why) if why else True


def _end_if_over(job: Job) -> None:
    left = HostRun.objects.filter(job=job).exclude(state__in=HOST_ENDED)
    if left.exists():
        return
    batches = count(job).batches
    told = [{"n": b.n, "to": _ended(b)} for b in batches if b.gate != Gate.OPEN]
    if told:
        journal.append(job.pk, [journal.News(Event.Kind.BATCH, data) for data in told])
    everyone_well = not job.host_runs.exclude(state__in=SUCCEEDED).exists()
    failed = job.host_runs.filter(state__in=HOST_FAILED).count()
    if everyone_well:
        end, reason = JobState.SUCCEEDED, ""
    elif job.cancelled or not failed:  # what was cancelled stays so where other hosts are retried
        end, reason = JobState.CANCELLED, ""
    else:
        end, reason = JobState.FAILED, _("failed hosts: %(count)s") % {"count": failed}
    not_ended = [state for state in JobState if state not in JOB_ENDED]
    over = {"pause": Pause.NONE, "paused_by": "", "wake_at": None, "ended_at": clock.now()}
    journal.move_job(job, not_ended, end, reason=reason, **over)
