"""The inventory as the API and the pages tell it. Every report costs a fixed number of queries."""

from typing import Any

from django.db.models import OuterRef, Prefetch, QuerySet, Subquery

from deploy_tasks import hosts as host_orders
from deploy_tasks.models import Game, Host, HostKey, HostRun, Release
from deploy_tasks.times import iso
from webapp.shapes import GameReport, HostReport, KeyReport, ReleaseReport


def hosts(hosts: QuerySet[Host]) -> list[HostReport]:
    busy = HostRun.objects.filter(host=OuterRef("pk"), holds_host=True)
    keys = HostKey.objects.select_related("approved_by").order_by("pk")
    found = (
        hosts.select_related("game", "credential", "machine", "via")
        .prefetch_related(Prefetch("keys", queryset=keys))
        .annotate(busy_with=Subquery(busy.values("job")[:1]))
        .order_by("name")
    )
    return [_host(host, job=host.busy_with) for host in found]


def host(host: Host) -> HostReport:
    return hosts(Host.objects.filter(pk=host.pk))[0]


def least_entry(host: Host) -> dict[str, Any]:
    """What an entry of an inventory file must say of a host; what it leaves out is kept."""
    return {
        "name": host.name,
        "game": host.game.name,
        "address": host.address,
        "user": host.user,
        "credential": host.credential.name,
    }


def release(release: Release) -> ReleaseReport:
    return {
        "game": release.game.name,
        "version": release.version,
        "sha256": release.sha256,
        "size": release.size,
        "filename": release.filename,
        "created_at": iso(release.created_at),
    }


def game(game: Game) -> GameReport:
    return {"name": game.name, "recipe": game.recipe.name, "vars": game.vars}


def _host(host: Host, *, job: int | None) -> HostReport:
    return {
        "name": host.name,
        "game": host.game.name,
        "address": host.address,
        "port": host.port,
        "user": host.user,
        "credential": host.credential.name,
        "labels": host.labels,
        "machine": host.machine.name if host.machine else None,
        "via": host.via.name if host.via else None,
        "vars": host.vars,
        "keys": [_key(key) for key in host.keys.all()],
        "job": job,
    }


def _key(key: HostKey) -> KeyReport:
    return {
        "type": host_orders.key_type(key),
        "fingerprint": key.fingerprint,
        "approved_at": iso(key.approved_at) if key.approved_at else None,
        "approved_by": key.approved_by.get_username() if key.approved_by else None,
    }
