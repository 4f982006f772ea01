"""The states of jobs, host runs and attempts, and the arrows between them.

Plain values: nothing here touches a database. A state is moved by the journal alone, as a
compare-and-set update that names the states it may come from.
"""

from django.db.models import TextChoices
from django.utils.translation import gettext_lazy as _


class JobState(TextChoices):
    """waiting -> running <-> paused, running <-> halted, -> succeeded | failed | cancelled."""

    WAITING = "waiting", _("waiting")
    RUNNING = "running", _("running")
    PAUSED = "paused", _("paused")
    HALTED = "halted", _("halted")
    SUCCEEDED = "succeeded", _("succeeded")
    FAILED = "failed", _("failed")
    CANCELLED = "cancelled", _("cancelled")


class HostRunState(TextChoices):
    """waiting -> queued -> running -> one of the ends; running <-> paused.

    Where hosts stage ahead of the switch: running -> staged -> queued. A retry takes an ended host
    run back to waiting, a soak that finds a host ill takes a succeeded one back to queued.
    *unknown* is not an end: a person's answer, or the host itself, decides.
    """

    WAITING = "waiting", _("waiting")
    QUEUED = "queued", _("queued")
    RUNNING = "running", _("running")
    PAUSED = "paused", _("paused")
    STAGED = "staged", _("staged")
    SUCCEEDED = "succeeded", _("succeeded")
    SKIPPED = "skipped", _("skipped")
    FAILED = "failed", _("failed")
    CANCELLED = "cancelled", _("cancelled")
    ROLLED_BACK = "rolled_back", _("rolled back")
    UNKNOWN = "unknown", _("unknown")


class AttemptState(TextChoices):
    """new -> running -> succeeded | skipped | failed | lost; new -> abandoned: never starts."""

    NEW = "new", _("new")
    RUNNING = "running", _("running")
    SUCCEEDED = "succeeded", _("succeeded")
    SKIPPED = "skipped", _("skipped")
    FAILED = "failed", _("failed")
    ABANDONED = "abandoned", _("abandoned")
    LOST = "lost", _("lost")


class AttemptKind(TextChoices):
    DO = "do", _("do")
    UNDO = "undo", _("undo")


class Gate(TextChoices):
    """What comes after a batch: closed -> soaking -> waiting (for a person) -> open.

    Each may be passed over. A host that is retried closes it again.
    """

    CLOSED = "closed"
    SOAKING = "soaking"
    WAITING = "waiting"
    OPEN = "open"


class Pause(TextChoices):
    """How soon a person wants a job to stand still; each stops more than the one before."""

    NONE = ""
    BATCH = "batch"
    HOST = "host"
    STEP = "step"


class Link(TextChoices):
    """Of a worker to a host: transport, never an outcome."""

    NONE = "", _("none")
    CONNECTED = "connected", _("connected")
    UNREACHABLE = "unreachable", _("unreachable")


JOB_ENDED = frozenset({JobState.SUCCEEDED, JobState.FAILED, JobState.CANCELLED})

JOB_OPEN = frozenset(JobState) - JOB_ENDED

#: It has not been stopped by what happened in it.
JOB_GOING = JOB_OPEN - {JobState.HALTED}

#: Over, nothing more will happen by itself.
HOST_ENDED = frozenset(
    {
        HostRunState.SUCCEEDED,
        HostRunState.SKIPPED,
        HostRunState.FAILED,
        HostRunState.CANCELLED,
        HostRunState.ROLLED_BACK,
    }
)

#: A worker has it, or soon will.
HOST_ACTIVE = frozenset({HostRunState.QUEUED, HostRunState.RUNNING, HostRunState.PAUSED})

#: It has begun and not ended, also where it stands still without a worker.
HOST_UNDER_WAY = HOST_ACTIVE | {HostRunState.STAGED}

#: It was not updated, and nobody asked it to stop.
HOST_FAILED = frozenset({HostRunState.FAILED, HostRunState.ROLLED_BACK})

#: Where a retry may begin. ``waiting`` is the way back.
HOST_RETRYABLE = frozenset({HostRunState.FAILED, HostRunState.CANCELLED, HostRunState.ROLLED_BACK})
