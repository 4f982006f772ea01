"""Which orders make sense now: what a page offers, and ``can`` of the API."""

from django.utils import timezone

from deploy_tasks.models import Job
from deploy_tasks.orders.rolling_back import UNDER_WAY
from deploy_tasks.rollout import Rollout, switch_is_open
from deploy_tasks.states import (
    HOST_FAILED,
    HOST_RETRYABLE,
    JOB_ENDED,
    JOB_GOING,
    Gate,
    HostRunState,
    JobState,
    Pause,
)
from webapp.tally import GATES, Tally


def possible(job: Job, tally: Tally, terms: Rollout) -> list[str]:
    """Names of orders, as the API calls them, whoever may give them."""
    counts = tally.counts
    ended = job.state in JOB_ENDED
    open_ = not ended and not job.cancelled
    going = open_ and job.state in JOB_GOING
    retryable = any(counts[state] for state in HOST_RETRYABLE)
    orders = {
        "retry": (retryable or job.state == JobState.HALTED) and (open_ or ended),
        # Also a second time: with force, or to repeat an order whose answer was lost.
        "cancel": not ended,
        "answer": bool(counts[HostRunState.UNKNOWN]),
        "rollback": _can_go_back(job, tally),
        "skip": open_
        and bool(tally.to_leave_out_ahead if terms.stages_ahead else tally.to_leave_out),
        "change": open_,
        "exclude": open_ and _any_to_exclude(tally),
        "pause": going and job.pause != Pause.STEP,
        "resume": open_ and bool(job.pause),
        "check": going and tally.check == GATES[Gate.WAITING],
        "promote": going and bool(tally.gates),
        "switch": going and terms.stages_ahead and not switch_is_open(job.start_at, timezone.now()),
    }
    return [order for order, possible in orders.items() if possible]


def _any_to_exclude(tally: Tally) -> bool:
    failed = tally.counts_of(*HOST_FAILED) > tally.excluded.total()
    return failed or bool(tally.counts_of(HostRunState.UNKNOWN) or tally.unreachable)


def _can_go_back(job: Job, tally: Tally) -> bool:
    """As far as counts tell; the order itself looks at every step, and at newer jobs."""
    stands_still = job.state in (*JOB_ENDED, JobState.HALTED) and not tally.counts_of(*UNDER_WAY)
    known = job.rolls_back_id or tally.rolled_back_by
    return bool(stands_still and tally.to_take_back and not known)
