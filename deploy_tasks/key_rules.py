"""Host CAs, and keys that are revoked: which rules are about a host, and what comes of them."""

from collections.abc import Collection, Iterable
from typing import Protocol

from django.db import transaction
from django.db.models import Exists, OuterRef, prefetch_related_objects
from django.utils import timezone
from django.utils.translation import gettext as _

from deploy_tasks import audit, desk, known_hosts, ssh
from deploy_tasks.errors import InvalidInput
from deploy_tasks.models import Host, HostKey, KeyRule

#: Who pins a key that an authority vouches for.
BY = "host CA"


def authorities_of(host: Host) -> list[str]:
    """The keys (``type base64``) whose certificates are believed of this host."""
    return _keys(host, KeyRule.Kind.AUTHORITY)


def revoked_of(host: Host) -> list[str]:
    """The keys (``type base64``) that are never believed of this host."""
    return _keys(host, KeyRule.Kind.REVOKED)


def some_authority() -> Exists:
    """Of hosts: whether their game has an authority, whichever of its hosts it is for."""
    return Exists(KeyRule.objects.filter(game=OuterRef("game"), kind=KeyRule.Kind.AUTHORITY))


def knowable(hosts: Collection[Host]) -> set[int]:
    """Of them, and of those that they are reached through: a job may go there, for a key is
    pinned, or an authority is about them."""
    approved = HostKey.objects.filter(approved_at__isnull=False)
    pinned = set(approved.values_list("host", flat=True))
    vias = {host.via_id for host in hosts if host.via_id} - pinned
    unpinned = [host for host in hosts if host.pk not in pinned]
    unpinned += Host.objects.filter(pk__in=vias)
    prefetch_related_objects(unpinned, "game__key_rules")
    return pinned | {host.pk for host in unpinned if authorities_of(host)}


def require_not_revoked(host: Host, key: str) -> None:
    """Raises InvalidInput."""
    if key in revoked_of(host):
        raise InvalidInput(
            _("this host key is revoked: %s") % ssh.fingerprint(key), field="fingerprint"
        )


class Placed(Protocol):
    """A host, or what an inventory file says of one."""

    @property
    def name(self) -> str: ...
    @property
    def address(self) -> str: ...
    @property
    def port(self) -> int: ...


def is_about(names: str, host: Placed) -> bool:
    """As ssh looks at a line of an authority: with the port, then without; and by the name that
    the host has here, which ssh would call its HostKeyAlias."""
    called = (known_hosts.called(host.address, host.port), host.address, host.name)
    given = names.split(",")
    # Who is left out by one of these names is not let in again by another.
    left_out = [one[1:] for one in given if one.startswith("!")]
    if any(known_hosts.fits(one, name) for one in left_out for name in called):
        return False
    return any(known_hosts.names_say(given, name) for name in called)


@desk.asked
def pin_vouched(host_id: int, vouched: Iterable[ssh.Vouched]) -> None:
    """Pin keys that an authority vouches for; others of their types are given up.

    Raises AuditUnwritable.
    """
    with transaction.atomic():
        host = Host.objects.select_for_update(of=("self",)).get(pk=host_id)
        held = {key.key: key for key in host.keys.all() if key.approved_at}
        new = {one.key: one for one in vouched if one.key not in held}
        if not new:
            return
        types = {_type(key) for key in new}
        given_up = [row for key, row in held.items() if _type(key) in types]
        for row in given_up:
            row.delete()
        for key in new:
            HostKey.objects.update_or_create(
                host=host,
                fingerprint=ssh.fingerprint(key),
                defaults={"key": key, "approved_at": timezone.now(), "approved_by": None},
            )
        audit.record(
            BY,
            "pin_certified_key",
            host.name,
            game=host.game,
            before={"host_key": sorted(row.fingerprint for row in given_up)},
            after={"host_key": sorted(ssh.fingerprint(key) for key in new)},
            authority=sorted({one.authority for one in new.values()}),
        )


def _keys(host: Host, kind: KeyRule.Kind) -> list[str]:
    rules = (rule for rule in host.game.key_rules.all() if rule.kind == kind)
    return sorted({rule.key for rule in rules if is_about(rule.names, host)})


def _type(key: str) -> str:
    return key.split()[0]
