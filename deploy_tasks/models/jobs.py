"""One press of "Update" and everything that came of it."""

from typing import ClassVar

from django.conf import settings
from django.db import models
from django.db.models import Q

from deploy_tasks import cksum
from deploy_tasks.models.inventory import Game, Host, Release
from deploy_tasks.models.recipes import RecipeRevision
from deploy_tasks.states import (
    HOST_ENDED,
    AttemptKind,
    AttemptState,
    Gate,
    HostRunState,
    JobState,
    Link,
    Pause,
)


class Job(models.Model):
    """Many hosts, one release, one rollout. Its state is derived by the conductor alone.

    ``last_seq`` is the number of its newest event; events count from 1 without gaps.
    """

    game = models.ForeignKey(Game, models.PROTECT, related_name="jobs")
    release = models.ForeignKey(Release, models.PROTECT, related_name="jobs")
    revision = models.ForeignKey(RecipeRevision, models.PROTECT, related_name="jobs")
    rollout = models.JSONField(default=dict)
    vars = models.JSONField(default=dict)
    #: The job whose steps this one undoes; one takes it back, not two.
    rolls_back = models.OneToOneField(
        "self", models.PROTECT, null=True, blank=True, related_name="rolled_back_by"
    )
    force = models.BooleanField(default=False)
    note = models.TextField(blank=True)
    state = models.CharField(max_length=16, choices=JobState, default=JobState.WAITING)
    reason = models.TextField(blank=True)
    cancelled = models.BooleanField(default=False)
    #: Halted, it was to go back by itself, and could not: a person decides.
    no_way_back = models.BooleanField(default=False)
    pause = models.CharField(max_length=8, choices=Pause, blank=True, default=Pause.NONE)
    paused_by = models.CharField(max_length=150, blank=True)
    #: The stagger: no further host starts before.
    next_start_at = models.DateTimeField(null=True, blank=True)
    #: The conductor looks at it again then, though nothing has happened, or rung for it.
    wake_at = models.DateTimeField(null=True, blank=True)
    last_seq = models.BigIntegerField(default=0)
    by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, related_name="jobs"
    )
    by_name = models.CharField(max_length=150)
    idempotency_key = models.CharField(max_length=200, null=True, blank=True)
    #: sha256 of the order that came with the key, to tell a repeat from another order.
    order_digest = models.CharField(max_length=64, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)
    start_at = models.DateTimeField(null=True, blank=True)
    started_at = models.DateTimeField(null=True, blank=True)
    ended_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["by", "idempotency_key"], name="one_job_per_idempotency_key"
            ),
        ]
        indexes = [
            models.Index(fields=["state"], name="jobs_by_state"),
            models.Index(
                fields=["wake_at"], condition=Q(wake_at__isnull=False), name="jobs_to_wake"
            ),
        ]

    def __str__(self) -> str:
        return f"#{self.pk}"


class Batch(models.Model):
    """Host runs of a job that are updated together, and the gate that comes after them.

    The host runs name it by its number; the gate is moved by the journal alone.
    """

    job = models.ForeignKey(Job, models.CASCADE, related_name="batches")
    n = models.PositiveIntegerField()
    canary = models.BooleanField(default=False)
    gate = models.CharField(max_length=8, choices=Gate, default=Gate.CLOSED)
    #: While it is soaking: it must stay well until then.
    soak_until = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["job", "n"], name="each_batch_once_per_job"),
            models.CheckConstraint(
                condition=Q(gate=Gate.SOAKING, soak_until__isnull=False)
                | (~Q(gate=Gate.SOAKING) & Q(soak_until=None)),
                name="a_soaking_batch_knows_its_end",
            ),
        ]
        indexes: ClassVar = [
            models.Index(fields=["job"], condition=Q(gate=Gate.SOAKING), name="soaking_batches"),
        ]

    def __str__(self) -> str:
        return f"{self.job}.{self.n}"


class HostRun(models.Model):
    """One host's passage through one job.

    A worker claims it with a lease and a fencing token: ``fence`` grows with every claim, and
    every write of the worker names the fence it was given. ``plan`` is the id of the program that
    runs, or ran last, on the host; ``plan_offset`` the bytes of its log that are stored.
    ``target`` is the host's address, port, user, credential, keys, vars and labels as they were
    at the first claim: an edit in mid-job cannot send us to another machine.
    """

    job = models.ForeignKey(Job, models.CASCADE, related_name="host_runs")
    host = models.ForeignKey(Host, models.SET_NULL, null=True, related_name="host_runs")
    name = models.CharField(max_length=64)
    batch = models.PositiveIntegerField(default=1)
    position = models.PositiveIntegerField(default=0)
    state = models.CharField(max_length=16, choices=HostRunState, default=HostRunState.WAITING)
    holds_host = models.BooleanField(default=True)
    #: What no other host run may have while this one is under way, see `deploy_tasks.locks`.
    lock = models.TextField(blank=True, default="")
    reason = models.TextField(blank=True)
    error = models.TextField(blank=True)
    link = models.CharField(max_length=16, choices=Link, blank=True, default=Link.NONE)
    link_since = models.DateTimeField(null=True, blank=True)
    activity = models.CharField(max_length=16, blank=True)
    wish = models.CharField(max_length=16, blank=True)
    #: Name of the credential that the host did not take.
    refused_credential = models.CharField(max_length=64, blank=True)
    warned = models.BooleanField(default=False)
    down = models.BooleanField(default=False)
    #: Its host is down, or may be: counted where jobs limit how many are at a time.
    out = models.BooleanField(default=False)
    #: A person has set it aside after it failed: no budget counts it, a retry of all leaves it be.
    excluded = models.BooleanField(default=False)
    #: It was not let in to go down yet; paused, it waits for the conductor to do so.
    held = models.BooleanField(default=False)
    fence = models.PositiveIntegerField(default=0)
    owner = models.CharField(max_length=80, blank=True)
    lease_until = models.DateTimeField(null=True, blank=True)
    #: It waits until then without a worker, for a host that is out of reach say.
    wake_at = models.DateTimeField(null=True, blank=True)
    #: When its Celery bell was rung last; a lost one is rung again.
    rung_at = models.DateTimeField(null=True, blank=True)
    target = models.JSONField(null=True, blank=True)
    #: The host run whose steps this one undoes; None: it does its own.
    undoes = models.ForeignKey(
        "self", models.PROTECT, null=True, blank=True, related_name="undone_by"
    )
    #: Index of the step it is at, or comes to next, in the frozen recipe.
    step = models.PositiveIntegerField(default=0)
    #: What ``current`` printed before the first step; never read again. None: not asked yet.
    previous = models.CharField(max_length=255, null=True, blank=True)
    #: What ``current`` printed last.
    version = models.CharField(max_length=255, blank=True)
    plan = models.CharField(max_length=40, blank=True)
    plan_nonce = models.CharField(max_length=40, blank=True)
    plan_offset = models.BigIntegerField(default=0)
    #: Running checksum of these bytes, see `deploy_tasks.cksum`.
    plan_cksum = models.BigIntegerField(default=cksum.EMPTY)
    #: While its batch soaks: when it was asked last whether it is well, and how often in a row
    #: it was not.
    probed_at = models.DateTimeField(null=True, blank=True)
    ill = models.PositiveSmallIntegerField(default=0)
    #: Its files were taken away from the host.
    swept = models.BooleanField(default=False)
    started_at = models.DateTimeField(null=True, blank=True)
    ended_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["host"], condition=Q(holds_host=True), name="one_active_job_per_host"
            ),
            models.UniqueConstraint(fields=["job", "host"], name="each_host_once_per_job"),
            models.CheckConstraint(
                condition=Q(holds_host=False) | ~Q(state__in=sorted(HOST_ENDED)),
                name="an_ended_host_run_holds_no_host",
            ),
        ]
        indexes: ClassVar = [
            models.Index(fields=["job", "state"], name="host_runs_by_state"),
            models.Index(
                fields=["host"], condition=Q(out=True) | Q(down=True), name="hosts_that_are_out"
            ),
            models.Index(fields=["state"], condition=~Q(lock=""), name="host_runs_with_a_lock"),
            models.Index(
                fields=["job"], condition=~Q(refused_credential=""), name="refused_log_ins"
            ),
            # For the few that are under way: the rest is history. SQLite takes no index with a
            # condition for a state that is a parameter.
            models.Index(fields=["state", "owner"], name="host_runs_by_owner"),
        ]

    def __str__(self) -> str:
        return f"{self.job} {self.name}"


class Attempt(models.Model):
    """One execution of one step on one host; ``uid`` exists before anything is sent.

    ``uid`` is ``<plan>.<n>``: the n-th script of a plan. ``log_offset`` counts the bytes of its
    own output that are stored. Times are the host's own, on our clock.
    """

    # Without indexes of their own, here and below: others begin with the same column.
    host_run = models.ForeignKey(HostRun, models.CASCADE, related_name="attempts", db_index=False)
    uid = models.CharField(max_length=48, unique=True)
    step = models.PositiveIntegerField()
    name = models.CharField(max_length=64)
    kind = models.CharField(max_length=8, choices=AttemptKind, default=AttemptKind.DO)
    number = models.PositiveIntegerField()
    script_sha256 = models.CharField(max_length=64)
    state = models.CharField(max_length=16, choices=AttemptState, default=AttemptState.NEW)
    reason = models.TextField(blank=True)
    exit_status = models.IntegerField(null=True, blank=True)
    log_offset = models.BigIntegerField(default=0)
    started_at = models.DateTimeField(null=True, blank=True)
    ended_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["host_run", "step", "kind", "number"], name="one_attempt_per_number"
            ),
        ]

    def __str__(self) -> str:
        return self.uid


class Event(models.Model):
    """One stored line of a job's story; ``seq`` counts within the job without gaps.

    ``output`` (kind "output") are the masked bytes that came from ``raw_length`` bytes of the
    attempt's own output at ``offset``; every other kind carries ``data``, a JSON object.
    """

    class Kind(models.TextChoices):
        OUTPUT = "output"
        STEP = "step"
        HOST = "host"
        JOB = "job"
        BATCH = "batch"
        LINK = "link"
        ORDER = "order"
        NOTE = "note"

    job = models.ForeignKey(Job, models.CASCADE, related_name="events", db_index=False)
    seq = models.BigIntegerField()
    host_run = models.ForeignKey(
        HostRun, models.CASCADE, null=True, related_name="events", db_index=False
    )
    attempt = models.ForeignKey(Attempt, models.CASCADE, null=True, related_name="events")
    kind = models.CharField(max_length=8, choices=Kind)
    at = models.DateTimeField()
    offset = models.BigIntegerField(null=True)
    raw_length = models.IntegerField(null=True)
    output = models.BinaryField(null=True)
    data = models.JSONField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["job", "seq"], name="one_event_per_seq"),
            models.UniqueConstraint(
                fields=["attempt", "offset"],
                condition=Q(kind="output"),
                name="no_byte_of_output_twice",
            ),
            models.CheckConstraint(condition=Q(seq__gte=1), name="seq_counts_from_one"),
        ]
        indexes = [
            models.Index(fields=["host_run", "seq"], name="events_of_a_host"),
            # Among a million lines of output there are a few orders, moves and notes.
            models.Index(
                fields=["job", "seq", "kind"],
                condition=Q(data__isnull=False),
                name="chapters_of_a_job",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.job_id}:{self.seq} {self.kind}"
