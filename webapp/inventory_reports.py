"""The inventory as the API and the pages tell it. Every report costs a fixed number of queries."""

from collections import defaultdict
from typing import Any

from django.db.models import OuterRef, QuerySet, Subquery

from deploy_tasks import truth
from deploy_tasks.host_keys import Approval, Outcome
from deploy_tasks.hosts import key_type
from deploy_tasks.models import Game, Host, HostCheck, HostKey, HostRun, Release
from deploy_tasks.times import iso
from deploy_tasks.truth import Truth
from webapp.shapes import (
    CheckReport,
    GameReport,
    HostReport,
    KeyReport,
    ListedKeys,
    ReleaseReport,
    TruthReport,
)


def hosts(hosts: QuerySet[Host]) -> list[HostReport]:
    busy = HostRun.objects.filter(host=OuterRef("pk"), holds_host=True)
    rows = hosts.annotate(job=Subquery(busy.values("job")[:1])).order_by("name")
    keys, checks, truths = _keys_of(hosts), _checks_of(hosts), truth.of(hosts)
    return [
        _host(row, keys[row["pk"]], checks.get(row["pk"]), truths[row["pk"]])
        for row in rows.values(*COLUMNS)
        # One that was added since has its place in the next report.
        if row["pk"] in truths
    ]


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


def listed_keys(done: Approval) -> ListedKeys:
    return {
        "approved": done.names(Outcome.APPROVED),
        "unchanged": done.names(Outcome.UNCHANGED),
        "revoked": done.revoked,
        "vouched": done.names(Outcome.VOUCHED),
        "unnamed": done.names(Outcome.UNNAMED),
        "refused": [
            {"host": one.host.name, "message": one.why} for one in done.of(Outcome.REFUSED)
        ],
        "rules": [
            {
                "game": rule.game.name,
                "kind": rule.kind,
                "names": rule.names,
                "fingerprint": rule.fingerprint,
            }
            for rule in done.rules
        ],
        "skipped": done.skipped,
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
    return {
        "name": game.name,
        "recipe": game.recipe.name,
        "vars": game.vars,
        "rollouts": game.rollouts,
    }


# Plain rows: with 5,000 hosts the objects would take most of the time.
COLUMNS = (
    "pk",
    "name",
    "game__name",
    "address",
    "port",
    "user",
    "credential__name",
    "labels",
    "machine__name",
    "via__name",
    "vars",
    "job",
)


def _host(
    row: dict[str, Any], keys: list[KeyReport], check: CheckReport | None, known: Truth
) -> HostReport:
    return {
        "name": row["name"],
        "game": row["game__name"],
        "address": row["address"],
        "port": row["port"],
        "user": row["user"],
        "credential": row["credential__name"],
        "labels": row["labels"],
        "machine": row["machine__name"],
        "via": row["via__name"],
        "vars": row["vars"],
        "keys": keys,
        "check": check,
        "truth": _truth(known),
        "job": row["job"],
    }


def _truth(known: Truth) -> TruthReport:
    return {
        "wanted": known.wanted,
        "on_disk": known.on_disk,
        "on_disk_at": iso(known.on_disk_at) if known.on_disk_at else None,
        "running": known.running,
        "players": known.players,
        "asked_at": iso(known.asked_at) if known.asked_at else None,
        "silence": known.silence,
        "drift": known.drift,
    }


def _keys_of(hosts: QuerySet[Host]) -> defaultdict[int, list[KeyReport]]:
    keys: defaultdict[int, list[KeyReport]] = defaultdict(list)
    rows = HostKey.objects.filter(host__in=hosts).order_by("pk")
    for host, key, fingerprint, at, by in rows.values_list(
        "host", "key", "fingerprint", "approved_at", "approved_by__username"
    ):
        keys[host].append(
            {
                "type": key_type(key),
                "fingerprint": fingerprint,
                "approved_at": iso(at) if at else None,
                "approved_by": by,
            }
        )
    return keys


def _checks_of(hosts: QuerySet[Host]) -> dict[int, CheckReport]:
    rows = HostCheck.objects.filter(host__in=hosts)
    return {
        check.host_id: {
            "asked_at": iso(check.asked_at),
            "ended_at": iso(check.ended_at) if check.ended_at else None,
            "well": check.problem is None if check.ended_at else None,
            "items": check.items,
        }
        for check in rows
    }
