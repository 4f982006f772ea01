"""Who did what, when, from where: a chain in which nothing can be changed unseen."""

from django.conf import settings
from django.db import models

#: What the first entry names as the one before it.
GENESIS = "0" * 64


class AuditEntry(models.Model):
    """One order or one change. Only ever inserted, by `deploy_tasks.audit` alone.

    ``hash`` is of everything in the entry and of ``previous``, the hash of the entry before it:
    whoever changes one entry has to change all that came after it. ``number`` has no gaps.
    """

    number = models.BigIntegerField(unique=True)
    at = models.DateTimeField(db_index=True)
    #: No constraint: what is written stays as it is when a user is removed.
    actor = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.DO_NOTHING,
        null=True,
        db_constraint=False,
        related_name="+",
    )
    #: The name at that time: a user may be renamed or removed later.
    actor_name = models.CharField(max_length=150)
    #: Network address; empty on the server's own command line.
    address = models.CharField(max_length=64, blank=True)
    action = models.CharField(max_length=64)
    object = models.CharField(max_length=200)
    #: Name of the game that it is about, if it is about one.
    game = models.CharField(max_length=64, blank=True)
    #: JSON; ``before`` and ``after`` are mappings of what was changed.
    details = models.JSONField(default=dict)
    previous = models.CharField(max_length=64, unique=True)
    hash = models.CharField(max_length=64)

    class Meta:
        constraints = [
            models.CheckConstraint(condition=models.Q(number__gte=1), name="audit_counts_from_one"),
        ]

    def __str__(self) -> str:
        return f"{self.actor_name} {self.action} {self.object}"


class AuditHead(models.Model):
    """One row: the newest entry. Whoever appends holds it, so the chain has one end.

    What is up to ``archived`` was written to a file and removed; the chain goes on from
    ``archived_hash``.
    """

    number = models.BigIntegerField(default=0)
    hash = models.CharField(max_length=64, default=GENESIS)
    archived = models.BigIntegerField(default=0)
    archived_hash = models.CharField(max_length=64, default=GENESIS)

    def __str__(self) -> str:
        return f"{self.number} {self.hash}"


class LateAudit(models.Model):
    """What was done while the audit could not be written; entered before the next entry.

    ``entry``: the columns of an `AuditEntry` without its place in the chain.
    """

    entry = models.JSONField()

    def __str__(self) -> str:
        return f"{self.entry}"
