"""Host keys that people approve: one that a host has offered, or many from a list they trust."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from django.contrib.auth.models import User
from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone
from django.utils.translation import gettext as _

from deploy_tasks import audit, known_hosts, ssh
from deploy_tasks.errors import InvalidInput
from deploy_tasks.known_hosts import AUTHORITY, REVOKED, Line
from deploy_tasks.models import Host, HostKey

#: Of a list; that of 5,000 hosts with three keys each has about 2 MB.
MAX_BYTES = 8 * 1024 * 1024


@dataclass
class Approval:
    """Names of hosts. ``refused``: name -> why; ``revoked``: they had a pinned key which the list
    calls revoked, and have it no more; ``unnamed``: the list does not know them."""

    approved: list[str] = field(default_factory=list)
    unchanged: list[str] = field(default_factory=list)
    revoked: list[str] = field(default_factory=list)
    refused: dict[str, str] = field(default_factory=dict)
    unnamed: list[str] = field(default_factory=list)


@transaction.atomic
def approve_listed(
    hosts: QuerySet[Host], text: str, *, by: User, replace: bool = False
) -> Approval:
    """Pin what a ``known_hosts`` file, or the output of ``ssh-keyscan``, says of these hosts.

    ``replace``: give up pinned keys of the same type where the list has another. Raises
    InvalidInput for a text that is no such list.
    """
    if len(text) > MAX_BYTES:
        raise InvalidInput(_("this list is too long"), field="known_hosts")
    found = _Listed(known_hosts.read(text))
    approval, before, after = Approval(), {}, {}
    for host in hosts.select_for_update(of=("self",)).order_by("name").prefetch_related("keys"):
        held = {key.key for key in host.keys.all() if key.approved_at}
        holds = _decide(host, held, found, approval, replace=replace)
        if holds != held:
            _pin(host, holds, by)
            before[host.name] = [ssh.fingerprint(key) for key in sorted(held)]
            after[host.name] = [ssh.fingerprint(key) for key in sorted(holds)]
    if after:
        audit.record(by, "approve_listed_keys", f"{len(after)} hosts", before=before, after=after)
    return approval


class _Listed:
    """A list, asked by address: most of its names are plain, the others are looked through."""

    def __init__(self, lines: Iterable[Line]) -> None:
        self._plain: dict[str, list[Line]] = {}
        self._others: list[Line] = []
        for line in lines:
            if line.marker == AUTHORITY or not _is_supported(line.key):
                continue
            if any(set(name) & set("*?!|") for name in line.names):
                self._others.append(line)
                continue
            for name in line.names:
                self._plain.setdefault(name.lower(), []).append(line)

    def keys(self, host: Host) -> tuple[set[str], set[str]]:
        """What may be pinned, and what is revoked."""
        name = host.address if host.port == 22 else f"[{host.address}]:{host.port}"
        lines = self._plain.get(name.lower(), [])
        lines = [*lines, *(one for one in self._others if one.is_about(host.address, host.port))]
        revoked = {line.key for line in lines if line.marker == REVOKED}
        return {line.key for line in lines} - revoked, revoked


def _is_supported(key: str) -> bool:
    try:
        ssh.fingerprint(key)
    except InvalidInput:
        return False
    return True


def _decide(
    host: Host, held: set[str], found: _Listed, approval: Approval, *, replace: bool
) -> set[str]:
    """The keys that shall be pinned; the approval learns why."""
    listed, revoked = found.keys(host)
    if held & revoked:
        approval.revoked.append(host.name)
    kept = held - revoked
    if not listed:
        if not held & revoked:
            approval.unnamed.append(host.name)
        return kept
    types = {_type(key) for key in listed}
    given_up = {key for key in kept - listed if _type(key) in types}
    if given_up and not replace:
        approval.refused[host.name] = _("pinned %(pinned)s, but the list has %(listed)s") % {
            "pinned": ", ".join(ssh.fingerprint(key) for key in sorted(given_up)),
            "listed": ", ".join(ssh.fingerprint(key) for key in sorted(listed)),
        }
        return kept
    (approval.unchanged if listed <= kept else approval.approved).append(host.name)
    return (kept - given_up) | listed


def _pin(host: Host, keys: set[str], by: User) -> None:
    host.keys.filter(approved_at__isnull=False).exclude(key__in=keys).delete()
    for key in sorted(keys):
        HostKey.objects.update_or_create(
            host=host,
            fingerprint=ssh.fingerprint(key),
            defaults={},
            create_defaults={"key": key},
        )
    waiting = host.keys.filter(key__in=keys, approved_at__isnull=True)
    waiting.update(approved_at=timezone.now(), approved_by=by)


def _type(key: str) -> str:
    return key.split()[0]
