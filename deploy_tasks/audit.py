"""Writes down who did what."""

from typing import Any

from django.contrib.auth.models import User

from deploy_tasks.models import AuditEntry


def record(by: User | None, action: str, what: str, /, **details: Any) -> None:
    """``by`` is None for what was done on the server's own command line."""
    AuditEntry.objects.create(
        actor=by,
        actor_name=by.get_username() if by else "command line",
        action=action,
        object=what[:200],
        details=details,
    )
