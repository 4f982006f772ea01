"""Which orders make sense now: what a page offers, and ``can`` of the API."""

from django.utils import timezone

from deploy_tasks.models import Job
from deploy_tasks.rollout import Rollout, switch_is_open
from deploy_tasks.states import (
    HOST_ACTIVE,
    HOST_FAILED,
    HOST_RETRYABLE,
    JOB_ENDED,
    Gate,
    HostRunState,
    JobState,
    Pause,
)
from webapp.tally import GATES, Tally

#: Where a job has not been stopped by what happened in it.
GOING = (JobState.WAITING, JobState.RUNNING, JobState.PAUSED)


def possible(job: Job, tally: Tally, terms: Rollout) -> list[str]:
    """Names of orders, as the API calls them, whoever may give them."""
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
        "exclude": _any_to_exclude(tally) and not ended and not being_cancelled,
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


def _any_to_exclude(tally: Tally) -> bool:
    failed = tally.counts_of(*HOST_FAILED) > tally.excluded.total()
    return failed or bool(tally.counts_of(HostRunState.UNKNOWN) or tally.unreachable)


def _can_go_back(job: Job, tally: Tally) -> bool:
    """As far as counts tell; the order itself looks at every step."""
    still_runs = tally.counts_of(*HOST_ACTIVE, HostRunState.UNKNOWN)
    done = tally.counts_of(HostRunState.SUCCEEDED, HostRunState.FAILED, HostRunState.CANCELLED)
    stands_still = job.state in (*JOB_ENDED, JobState.HALTED) and not still_runs
    known = job.rolls_back_id or tally.rolled_back_by
    return bool(stands_still and done and not known)
