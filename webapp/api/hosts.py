"""Hosts: which there are, what we know of them, and whether we may log in."""

from django.core.exceptions import PermissionDenied
from django.shortcuts import get_object_or_404
from django.utils.translation import gettext as _
from ninja import Status

from deploy_tasks import host_keys, inventory
from deploy_tasks import hosts as host_orders
from deploy_tasks.errors import InvalidInput, OrderRefused
from deploy_tasks.models import Host
from deploy_tasks.names import Name
from webapp import access, inventory_reports
from webapp.access import Right, takes
from webapp.api.auth import ApiRequest
from webapp.api.bodies import REFUSALS, Body, HostBody, HostChange
from webapp.api.inventory import game_to
from webapp.api.routing import Router
from webapp.shapes import HostList, HostReport, ListedKeys, Refusal

router = Router(tags=["hosts"])


class KeyApproval(Body):
    """``replace``: the host's key was changed on purpose, give up the one that is pinned."""

    fingerprint: str
    replace: bool = False


class KeyList(Body):
    """``known_hosts``: the text of such a file, or what ssh-keyscan printed. ``replace``: give up
    pinned keys where the list has others."""

    known_hosts: str
    game: Name | None = None
    replace: bool = False


@router.get("", response={200: HostList, REFUSALS: Refusal})
@takes(Right.SEE)
def list_hosts(request: ApiRequest, game: Name | None = None) -> HostList:
    hosts = access.visible_hosts(request.auth)
    if game:
        hosts = hosts.filter(game__name=game)
    return {"hosts": inventory_reports.hosts(hosts)}


@router.post("", response={201: HostReport, 200: HostReport, REFUSALS: Refusal})
@takes(Right.MAINTAIN)
def add(request: ApiRequest, entry: HostBody) -> Status[HostReport]:
    """One entry of the inventory file's ``hosts``. 200 where the host was there already."""
    game_to(Right.MAINTAIN, request, entry.get("game"))
    known = Host.objects.filter(name=str(entry.get("name"))).select_related("game").first()
    if known and not access.may(request.auth, Right.MAINTAIN, known.game):
        # A host of a game that is not theirs must not be taken over by its name.
        raise OrderRefused(_("the name “%s” is taken") % known.name)
    host = inventory.import_entry("hosts", entry, by=request.auth, reach=access.reach(request.auth))
    return Status(200 if known else 201, inventory_reports.host(host))


@router.post("/approve-keys", response={200: ListedKeys, REFUSALS: Refusal})
@takes(Right.MAINTAIN)
def approve_listed_keys(request: ApiRequest, given: KeyList) -> ListedKeys:
    """Pin what a list that you trust says of hosts you maintain; its lines of host CAs and revoked
    keys are kept for the games of the hosts that they are about, and for ``game``."""
    games = access.games(request.auth, Right.MAINTAIN)
    if not games.exists():
        raise PermissionDenied
    if given.game:
        games = games.filter(name=given.game)
    done = host_keys.approve_listed(
        Host.objects.filter(game__in=games),
        given.known_hosts,
        by=request.auth,
        replace=given.replace,
        games=games if given.game else (),
    )
    return inventory_reports.listed_keys(done)


@router.get("/{name:name}", response={200: HostReport, REFUSALS: Refusal})
@takes(Right.SEE)
def show(request: ApiRequest, name: str) -> HostReport:
    return inventory_reports.host(_host(request, name))


@router.patch("/{name:name}", response={200: HostReport, REFUSALS: Refusal})
@takes(Right.MAINTAIN)
def change(request: ApiRequest, name: str, entry: HostChange) -> HostReport:
    """The keys of an inventory entry that change; null empties one that may be empty."""
    host = _host(request, name)
    access.require(request.auth, Right.MAINTAIN, host.game)
    if entry.get("name", name) != name:
        raise InvalidInput(_("a host keeps its name"), field="name")
    merged = inventory_reports.least_entry(host) | entry
    game_to(Right.MAINTAIN, request, merged["game"])
    changed = inventory.import_entry(
        "hosts", merged, by=request.auth, reach=access.reach(request.auth)
    )
    return inventory_reports.host(changed)


@router.delete("/{name:name}", response={204: None, REFUSALS: Refusal})
@takes(Right.MAINTAIN)
def remove(request: ApiRequest, name: str) -> Status[None]:
    host = _host(request, name)
    access.require(request.auth, Right.MAINTAIN, host.game)
    host_orders.remove(host, by=request.auth)
    return Status(204, None)


@router.post("/{name:name}/test", response={202: HostReport, REFUSALS: Refusal})
@takes(Right.OPERATE)
def look(request: ApiRequest, name: str) -> Status[HostReport]:
    """Ask a worker to look at the host. The answer, and the keys that it offered, are in the
    host's own report a moment later: ``check`` has an ``ended_at`` then."""
    host = _host(request, name)
    access.require(request.auth, Right.OPERATE, host.game)
    host_orders.test(Host.objects.filter(pk=host.pk))
    return Status(202, inventory_reports.host(host))


@router.post("/{name:name}/approve-key", response={200: HostReport, REFUSALS: Refusal})
@takes(Right.MAINTAIN)
def approve_key(request: ApiRequest, name: str, approval: KeyApproval) -> HostReport:
    """Pin a key that the host has offered."""
    host = _host(request, name)
    access.require(request.auth, Right.MAINTAIN, host.game)
    host_orders.approve_key(
        host, fingerprint=approval.fingerprint, by=request.auth, replace=approval.replace
    )
    return inventory_reports.host(host)


def _host(request: ApiRequest, name: str) -> Host:
    return get_object_or_404(access.visible_hosts(request.auth).select_related("game"), name=name)
