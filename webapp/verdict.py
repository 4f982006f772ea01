"""One sentence about a job that is always true: the first thing a person reads."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from math import floor

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from deploy_tasks.models import Job
from deploy_tasks.rollout import switch_is_open
from deploy_tasks.states import HOST_ACTIVE, HOST_ENDED, JOB_ENDED, HostRunState, JobState


@dataclass(frozen=True)
class Findings:
    """What is to be said beside the counts of states, all of this job: hosts that are out of
    reach, down, or much slower than usual; of those that failed, how many are down (``broken``) and
    how many were set aside (``excluded``); of those that are unknown, how many are down
    (``doubted``); how many may fail (``limit``; None: any number), and about how many seconds are
    left (None: nobody knows); the number of the job that takes it back; whether its hosts stage
    ahead of the switch, and whether a person has to say if it begins with hosts that are unfit."""

    unreachable: int = 0
    down: int = 0
    broken: int = 0
    doubted: int = 0
    slow: int = 0
    excluded: int = 0
    limit: int | None = None
    left: float | None = None
    taken_back_by: int | None = None
    stages_ahead: bool = False
    unfit: bool = False


@dataclass(frozen=True)
class BatchCounts:
    """How many host runs of batch ``n`` are in which state; states that none is in may lack.
    ``gate``: what stands after it, as the API tells it (soaking, gate), else empty."""

    n: int
    counts: Mapping[str, int]
    gate: str = ""

    @property
    def hosts(self) -> int:
        return sum(self.counts.values())

    @property
    def failed(self) -> int:
        return self.count(HostRunState.FAILED, HostRunState.ROLLED_BACK)

    @property
    def state(self) -> str:
        """waiting, running, or how it ended: succeeded, failed, cancelled."""
        if self.count(HostRunState.WAITING, HostRunState.STAGED) == self.hosts:
            return JobState.WAITING.value
        if self.count(*HOST_ENDED) < self.hosts:
            return JobState.RUNNING.value
        if self.failed:
            return JobState.FAILED.value
        return (
            JobState.CANCELLED if self.count(HostRunState.CANCELLED) else JobState.SUCCEEDED
        ).value

    def count(self, *states: HostRunState) -> int:
        return sum(self.counts.get(state, 0) for state in states)


def verdict(job: Job, batches: Sequence[BatchCounts], found: Findings, *, now: datetime) -> str:
    """``now``: to tell whether the start still lies ahead. While a job simply runs, its skipped and
    running hosts are not mentioned."""
    if job.state == JobState.WAITING:
        return _ahead(job, batches, None if found.stages_ahead else now)
    if found.stages_ahead and _is_before_the_switch(job, now):
        return _staging(job, batches, found)
    done = _("%(updated)d of %(total)d updated")
    if job.rolls_back_id:
        done = _("%(updated)d of %(total)d taken back")
    quiet = job.state == JobState.RUNNING and not job.cancelled
    so_far = _(", ").join(_findings(done, batches, found, quiet=quiet)) + _(".")
    opening = _opening(job, batches, unfit=found.unfit)
    if found.taken_back_by and job.state in JOB_ENDED:
        opening = _("%(ended)s, taken back by job #%(job)s") % {
            "ended": opening,
            "job": found.taken_back_by,
        }
    return opening + _(": ") + so_far if opening else so_far


def duration(span: timedelta) -> str:
    """``48 s``, ``4 min 12 s``, ``5 min``, ``1 h 3 min``: as long as a person reads it."""
    minutes, seconds = divmod(max(0, round(span.total_seconds())), 60)
    hours, minutes = divmod(minutes, 60)
    parts = {"hours": hours, "minutes": minutes, "seconds": seconds}
    if hours:
        return (_("%(hours)d h %(minutes)d min") if minutes else _("%(hours)d h")) % parts
    if minutes:
        return (_("%(minutes)d min %(seconds)d s") if seconds else _("%(minutes)d min")) % parts
    return _("%(seconds)d s") % parts


def _is_before_the_switch(job: Job, now: datetime) -> bool:
    over = job.state in JOB_ENDED or job.cancelled
    return not over and not switch_is_open(job.start_at, now)


def _staging(job: Job, batches: Sequence[BatchCounts], found: Findings) -> str:
    """What is done ahead, and when hosts begin to go down."""
    done = _("%(updated)d of %(total)d staged")
    said = _findings(
        done, batches, replace(found, left=None), first=HostRunState.STAGED, quiet=False
    )
    unfit = _unfit() if found.unfit else ""
    opening = {
        JobState.RUNNING: unfit or _("Staging"),
        JobState.PAUSED: _("Paused while staging") if job.pause else unfit,
        JobState.HALTED: _("Halted while staging"),
    }[JobState(job.state)]
    told = {"so_far": _(", ").join(said)}
    if job.start_at:
        told["at"] = job.start_at.strftime("%Y-%m-%d %H:%M")
        so_far = _("%(so_far)s; the switch begins at %(at)s UTC.") % told
    else:
        so_far = _("%(so_far)s; the switch waits for a person.") % told
    return opening + _(": ") + so_far if opening else so_far


def _ahead(job: Job, batches: Sequence[BatchCounts], now: datetime | None) -> str:
    count = sum(batch.hosts for batch in batches)
    hosts = ngettext("%(count)d host", "%(count)d hosts", count) % {"count": count}
    if now and job.start_at and job.start_at > now:
        at = job.start_at.strftime("%Y-%m-%d %H:%M")
        return _("Starts at %(at)s UTC: %(hosts)s.") % {"at": at, "hosts": hosts}
    return _("Waits for a worker: %(hosts)s.") % {"hosts": hosts}


def _opening(job: Job, batches: Sequence[BatchCounts], *, unfit: bool) -> str:
    """What comes before the colon; empty where a job of one batch simply runs."""
    took = duration((job.ended_at or job.created_at) - (job.started_at or job.created_at))
    match job.state:
        case JobState.SUCCEEDED:
            return _("Succeeded in %(took)s") % {"took": took}
        case JobState.FAILED:
            return _("Failed after %(took)s") % {"took": took}
        case JobState.CANCELLED:
            return _("Cancelled after %(took)s") % {"took": took}
    if job.cancelled:
        return _("Cancelling")
    place = {"n": _current(batches), "of": len(batches)}
    waits = _unfit() if unfit else _between(batches)
    match job.state:
        case JobState.PAUSED if job.pause:
            return _("Paused in batch %(n)d of %(of)d") % place
        case JobState.PAUSED if not waits:
            # Taken back, or promoted, and no worker has looked since.
            place["n"] = _next(batches)
            return _("Waits for a worker to go on with batch %(n)d of %(of)d") % place
        case JobState.HALTED:
            return _("Halted in batch %(n)d of %(of)d") % place
    return waits or (_("Batch %(n)d of %(of)d") % place if len(batches) > 1 else "")


def _unfit() -> str:
    return _("Waits for a person, not all hosts are fit")


def _between(batches: Sequence[BatchCounts]) -> str:
    """Where a batch is done and the next one may not begin: for what it waits."""
    for batch in batches:
        place = {"n": batch.n, "of": len(batches)}
        if batch.gate == "gate":
            return _("Batch %(n)d of %(of)d is done and waits to be promoted") % place
        if batch.gate == "soaking":
            return _("Batch %(n)d of %(of)d is done and must stay well") % place
    return ""


def _current(batches: Sequence[BatchCounts]) -> int:
    """The batch that is under way, else the last that was."""
    begun = [batch for batch in batches if batch.state != JobState.WAITING]
    under_way = [batch.n for batch in begun if batch.state == JobState.RUNNING]
    return under_way[0] if under_way else begun[-1].n if begun else 1


def _next(batches: Sequence[BatchCounts]) -> int:
    """The batch that goes on, or begins."""
    ahead = (JobState.WAITING, JobState.RUNNING)
    return next((batch.n for batch in batches if batch.state in ahead), _current(batches))


def _findings(
    done: str,
    batches: Sequence[BatchCounts],
    found: Findings,
    *,
    first: HostRunState = HostRunState.SUCCEEDED,
    quiet: bool,
) -> list[str]:
    """``done`` counts those in state ``first``."""

    def count(*states: HostRunState) -> int:
        return sum(batch.count(*states) for batch in batches)

    total = sum(batch.hosts for batch in batches)
    limited = _limited(found)
    failed = sum(batch.failed for batch in batches)
    unknown = count(HostRunState.UNKNOWN)
    staged = 0 if first == HostRunState.STAGED else count(HostRunState.STAGED)
    further = [
        (0 if quiet else count(HostRunState.SKIPPED), _("%(count)d skipped")),
        (failed, _("%(count)d failed") + limited),
        (found.broken, _down_of(failed, found.broken)),
        (count(HostRunState.ROLLED_BACK), _("%(count)d of them rolled back")),
        (unknown, _("%(count)d unknown")),
        (found.doubted, _down_of(unknown, found.doubted)),
        (count(HostRunState.CANCELLED), _("%(count)d cancelled")),
        (0 if quiet else count(*HOST_ACTIVE), _("%(count)d running")),
        (staged, _("%(count)d staged")),
        (found.unreachable, _("%(count)d unreachable")),
        (found.down - found.broken - found.doubted, _("%(count)d down")),
        (found.slow, _("%(count)d slow")),
    ]
    said = [
        text % {"count": n, "limit": found.limit, "excluded": found.excluded}
        for n, text in further
        if n
    ]
    if found.left is not None:
        said.append(_remaining(found.left))
    return [done % {"updated": count(first), "total": total}, *said]


def _down_of(failed: int, down: int) -> str:
    """They are counted once: of those that failed, or are unknown."""
    if down < failed:
        return _("%(count)d of them down")
    return ngettext("which is down", "all of them down", failed)


def _limited(found: Findings) -> str:
    """How many of those that failed may, and how many count no more."""
    if found.limit is None:
        return _(" (%(excluded)d excluded)") if found.excluded else ""
    if found.excluded:
        return _(" (limit %(limit)d, %(excluded)d excluded)")
    return _(" (limit %(limit)d)")


def _remaining(seconds: float) -> str:
    """No more exactly than one can know it."""
    if seconds < 60:
        return _("less than a minute left")
    minutes = _rounded(seconds / 60)
    if minutes < 120:
        return _("about %(n)s min left") % {"n": minutes}
    return _("about %(n)s h left") % {"n": _rounded(seconds / 3600)}


def _rounded(number: float) -> int:
    """Halves go up, as in the browser."""
    return floor(number + 0.5)
