"""The database's time: leases of workers on several machines are measured with one clock."""

from datetime import datetime, timedelta

from django.db import connection
from django.db.models.functions import Now
from django.utils import timezone

from deploy_tasks.models import Instance

_ahead = timedelta(0)


def now() -> datetime:
    """The database's time, as far as it was known at the last `adjust`."""
    return timezone.now() + _ahead


def adjust() -> None:
    """Ask the database for the time. SQLite has no clock of its own."""
    global _ahead
    if connection.vendor == "sqlite":
        return
    Instance.current()
    there = Instance.objects.values_list(Now(), flat=True).get(pk=1)
    _ahead = there - timezone.now()
