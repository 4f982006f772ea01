"""Who did what, when."""

from django.conf import settings
from django.db import models


class AuditEntry(models.Model):
    """One order or one change of the inventory. Only ever inserted."""

    at = models.DateTimeField(auto_now_add=True, db_index=True)
    actor = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, related_name="+"
    )
    #: The name at that time: a user may be renamed or removed later.
    actor_name = models.CharField(max_length=150)
    action = models.CharField(max_length=64)
    object = models.CharField(max_length=200)
    details = models.JSONField(default=dict)

    def __str__(self) -> str:
        return f"{self.actor_name} {self.action} {self.object}"
