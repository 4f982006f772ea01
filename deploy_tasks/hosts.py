"""What people do to one host: approve a key that it showed, and take it out of the inventory."""

from django.contrib.auth.models import User
from django.db import transaction
from django.db.models import ProtectedError
from django.utils import timezone
from django.utils.translation import gettext as _

from deploy_tasks.errors import InvalidInput, OrderRefused
from deploy_tasks.models import AuditEntry, Host, HostKey, HostRun


def key_type(key: str) -> str:
    """``ssh-ed25519`` of ``ssh-ed25519 AAAA…``."""
    return key.split()[0]


@transaction.atomic
def approve_key(host: Host, *, fingerprint: str, by: User, replace: bool = False) -> HostKey:
    """Pin a key that this host has offered. Pinning it again changes nothing.

    Another pinned key of its type is never given up silently: ``replace`` says that the host's
    key was changed on purpose.
    """
    Host.objects.select_for_update().get(pk=host.pk)
    keys = list(host.keys.all())
    offered = next((key for key in keys if key.fingerprint == fingerprint), None)
    if offered is None:
        raise InvalidInput(
            _("%(host)s has not offered a key with this fingerprint") % {"host": host},
            field="fingerprint",
        )
    if offered.approved_at:
        return offered
    kind = key_type(offered.key)
    others = [key for key in keys if key.approved_at and key_type(key.key) == kind]
    if others and not replace:
        raise OrderRefused(
            _(
                "%(host)s has another pinned key of this type: %(pinned)s, offered: %(offered)s;"
                " if its key was changed on purpose, replace it"
            )
            % {"host": host, "pinned": others[0].fingerprint, "offered": fingerprint},
            pinned=[key.fingerprint for key in others],
        )
    for key in others:
        key.delete()
    offered.approved_at, offered.approved_by = timezone.now(), by
    offered.save(update_fields=["approved_at", "approved_by"])
    replaced = [key.fingerprint for key in others]
    _audit(by, "approve_key", host, fingerprint=fingerprint, replaced=replaced)
    return offered


@transaction.atomic
def remove(host: Host, *, by: User) -> None:
    """Take a host out; what it went through stays in its jobs."""
    Host.objects.select_for_update().get(pk=host.pk)
    run = HostRun.objects.filter(host=host, holds_host=True).select_related("job").first()
    if run:
        raise OrderRefused(
            _("%(host)s is busy with job %(job)s") % {"host": host, "job": run.job},
            job=run.job_id,
        )
    _audit(by, "remove_host", host)
    try:
        host.delete()
    except ProtectedError:
        behind = ", ".join(host.behind.values_list("name", flat=True))
        raise OrderRefused(
            _("%(host)s is the way to other hosts: %(behind)s") % {"host": host, "behind": behind}
        )


def _audit(by: User, action: str, host: Host, **details: object) -> None:
    AuditEntry.objects.create(
        actor=by, actor_name=by.get_username(), action=action, object=host.name, details=details
    )
