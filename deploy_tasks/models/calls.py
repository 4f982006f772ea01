"""Night calls: whom a job tells that it needs a person, or has ended."""

from typing import ClassVar

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from deploy_tasks.models.inventory import Game
from deploy_tasks.models.jobs import Job
from deploy_tasks.names import name_validator


class Moment(models.TextChoices):
    """What a call is about."""

    HALTED = "halted", _("a job halts")
    WAITS = "waits", _("a job waits for a person")
    UNKNOWN = "unknown", _("the outcome on a host is unknown")
    FAILED = "failed", _("a job has failed")
    CANCELLED = "cancelled", _("a job was cancelled")
    SUCCEEDED = "succeeded", _("a job has succeeded")
    DISK = "disk", _("the disk is nearly full")
    TEST = "test", _("a test")


#: All that a pager may want to hear of.
MOMENTS = tuple(moment for moment in Moment if moment != Moment.TEST)


class Pager(models.Model):
    """Where night calls go: of one game or (``game`` is null) of all, to everybody or (``user``
    is given) to one person, who is told only of what they may see.

    ``sealed`` holds ``{"url", "secret"}`` for the workers; ``shown`` is what may be shown of it.
    ``moments`` are the values of `Moment` that it wants to hear of.
    """

    class Kind(models.TextChoices):
        WEBHOOK = "webhook", _("webhook")
        SERVICE = "service", _("chat or mail")

    name = models.CharField(_("name"), max_length=64, unique=True, validators=[name_validator])
    kind = models.CharField(_("kind"), max_length=16, choices=Kind)
    game = models.ForeignKey(
        Game, models.CASCADE, null=True, related_name="pagers", verbose_name=_("game")
    )
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.CASCADE, null=True, related_name="pagers"
    )
    moments = models.JSONField(default=list)
    language = models.CharField(max_length=16, default="en")
    sealed = models.BinaryField()
    key_id = models.CharField(max_length=32)
    shown = models.CharField(max_length=255)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        verbose_name, verbose_name_plural = _("pager"), _("pagers")

    def __str__(self) -> str:
        return self.name


class Call(models.Model):
    """One thing that one pager has to be told; the row is written with what it is about.

    waiting -> told | failed (given up after the last try) | moot (it was true no more)

    ``due_at`` is when it is tried next; a worker that tries moves it on first, so that two do
    not try at once, and another one tries again where that worker has died.
    """

    class State(models.TextChoices):
        WAITING = "waiting", _("waiting")
        TOLD = "told", _("told")
        FAILED = "failed", _("not delivered")
        MOOT = "moot", _("no longer true")

    # No constraint of the database: a pager may be taken away while a job writes down a call.
    pager = models.ForeignKey(Pager, models.CASCADE, related_name="calls", db_constraint=False)
    #: Null for what is about no job.
    job = models.ForeignKey(Job, models.CASCADE, null=True, related_name="calls")
    moment = models.CharField(max_length=16, choices=Moment)
    at = models.DateTimeField()
    #: Of a disk: ``{"machine", "free"}``, in bytes.
    about = models.JSONField(default=dict)
    state = models.CharField(max_length=16, choices=State, default=State.WAITING)
    due_at = models.DateTimeField()
    tries = models.PositiveIntegerField(default=0)
    #: Of the last try.
    error = models.TextField(blank=True)
    ended_at = models.DateTimeField(null=True)

    class Meta:
        constraints: ClassVar = [
            # What happens again before it was told is told with it.
            models.UniqueConstraint(
                fields=["pager", "job", "moment"],
                condition=Q(state="waiting"),
                name="one_waiting_call_per_moment",
            ),
        ]
        indexes: ClassVar = [
            models.Index(fields=["due_at"], condition=Q(state="waiting"), name="calls_that_wait"),
        ]

    def __str__(self) -> str:
        return f"{self.moment} -> {self.pager_id}"
