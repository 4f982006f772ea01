"""What people do to hosts: test them, approve a key that one showed, label many, take one out."""

import re
from collections.abc import Collection, Mapping
from datetime import timedelta
from functools import partial

from django.conf import settings
from django.contrib.auth.models import User
from django.db import transaction
from django.db.models import Exists, OuterRef, ProtectedError, Q, QuerySet
from django.db.models.fields.json import KeyTransform
from django.utils import timezone
from django.utils.translation import gettext as _
from pydantic import BaseModel, ValidationError

from deploy_tasks import audit, bells, key_rules
from deploy_tasks.errors import InvalidInput, InvalidInputs, OrderRefused
from deploy_tasks.findings import findings
from deploy_tasks.inventory.schema import Text
from deploy_tasks.models import Host, HostCheck, HostKey, HostRun
from deploy_tasks.models.inventory import ANSWER_WITHIN
from deploy_tasks.names import Name
from deploy_tasks.yamlfile import Document

#: Rows a statement.
CHUNK = 500
RING_AGAIN = timedelta(seconds=20)


def key_type(key: str) -> str:
    """``ssh-ed25519`` of ``ssh-ed25519 AAAA…``."""
    return key.split()[0]


def labelled(hosts: QuerySet[Host], label: str, *values: str) -> QuerySet[Host]:
    """Those of which the label has one of these values."""
    if re.fullmatch(r"[-+]?\d+", label.strip()):
        # A database reads that as a place in an array.
        named = (
            pk for pk, labels in hosts.values_list("pk", "labels") if labels.get(label) in values
        )
        return hosts.filter(pk__in=list(named))
    # Not labels__…: a label may hold what Django reads as a path.
    return hosts.alias(wanted=KeyTransform(label, "labels")).filter(wanted__in=values)


@transaction.atomic
def test(hosts: QuerySet[Host]) -> int:
    """Ask workers to look at these hosts; gives how many. Each one's `HostCheck` tells."""
    now = timezone.now()
    # In one order: two who ask for the same hosts at once wait for each other's rows, not both.
    ids = hosts.order_by("pk").values_list("pk", flat=True)
    asked = [HostCheck(host_id=pk, asked_at=now, rung_at=now) for pk in ids]
    HostCheck.objects.bulk_create(
        asked,
        batch_size=CHUNK,
        update_conflicts=True,
        unique_fields=["host"],
        update_fields=["asked_at", "rung_at", "started_at", "ended_at", "items"],
    )
    ring = partial(bells.ring_looks, [check.host_id for check in asked])
    transaction.on_commit(ring, robust=True)
    return len(asked)


def begin_look(host_id: int) -> bool:
    """Whether a look that was asked for is ours to take: its bell may come more than once."""
    waiting = HostCheck.objects.filter(host=host_id, started_at=None)
    return bool(waiting.update(started_at=timezone.now()))


def ring_for_looks() -> None:
    """Ring again for looks that were asked for and that no worker has begun: a bell was lost."""
    now = timezone.now()
    unheard = HostCheck.objects.filter(
        started_at=None, asked_at__gt=now - ANSWER_WITHIN, rung_at__lt=now - RING_AGAIN
    )
    # Of several reconcilers that see the same row, one rings.
    bells.ring_looks(
        host
        for host, rung_at in list(unheard.values_list("host", "rung_at"))
        if HostCheck.objects.filter(host=host, rung_at=rung_at).update(rung_at=now)
    )


def look_around() -> int:
    """Ask workers to look at hosts that nobody has looked at for long, so that what is known of
    them stays true; gives how many. Those that a job has, or that await an approval, are left;
    not those that an authority may vouch for."""
    if not settings.LOOK_EVERY_HOURS:
        return 0
    before = timezone.now() - timedelta(hours=settings.LOOK_EVERY_HOURS)
    pinned = HostKey.objects.filter(host=OuterRef("pk"), approved_at__isnull=False)
    busy = HostRun.objects.filter(host=OuterRef("pk"), holds_host=True)
    old = Host.objects.filter(Q(last_check=None) | Q(last_check__asked_at__lt=before))
    known = Exists(pinned) | key_rules.some_authority()
    found = old.filter(known, ~Exists(busy)).order_by("last_check__asked_at", "pk")
    return test(Host.objects.filter(pk__in=list(found.values_list("pk", flat=True)[:CHUNK])))


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
    key_rules.require_not_revoked(host, offered.key)
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
    audit.record(
        by,
        "approve_key",
        host.name,
        game=host.game,
        before={"host_key": replaced},
        after={"host_key": fingerprint},
    )
    return offered


class _Labels(BaseModel):
    put: dict[Name, Text]
    drop: list[Name]


@transaction.atomic
def edit_labels(
    hosts: QuerySet[Host], *, put: Mapping[str, str], drop: Collection[str] = (), by: User
) -> int:
    """Set these labels and take away those, on many hosts; gives how many were changed.

    Raises InvalidInputs (fields ``put.region``, ``drop[0]``) for what an inventory file could
    not say either.
    """
    given = {"put": dict(put), "drop": list(drop)}
    try:
        wish = _Labels.model_validate(given, strict=True)
    except ValidationError as error:
        raise InvalidInputs(findings(error, Document(given), model=_Labels))
    changed, before = [], {}
    rows = Host.objects.filter(pk__in=hosts.values("pk"))
    for host in rows.select_for_update(of=("self",)).order_by("pk"):
        kept = {name: value for name, value in host.labels.items() if name not in wish.drop}
        labels = kept | wish.put
        if labels != host.labels:
            before[host.name], host.labels = host.labels, labels
            changed.append(host)
    Host.objects.bulk_update(changed, ["labels"], batch_size=CHUNK)
    if changed:
        after = {host.name: host.labels for host in changed}
        audit.record(by, "label_hosts", f"{len(changed)} hosts", before=before, after=after)
    return len(changed)


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
    before = {"address": host.address, "port": host.port, "user": host.user, "vars": host.vars}
    try:
        host.delete()
    except ProtectedError:
        behind = ", ".join(host.behind.values_list("name", flat=True))
        raise OrderRefused(
            _("%(host)s is the way to other hosts: %(behind)s") % {"host": host, "behind": behind}
        )
    audit.record(by, "remove_host", host.name, game=host.game, before=before)
