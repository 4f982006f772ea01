"""Writes down who did what, from where: a chain of entries, each with the hash of the one before.

`record` is called by whoever does a thing, inside the transaction that does it and as its last
act: either both happen or neither, and the chain's end is held until the transaction is over.
"""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from django.contrib.auth.models import User
from django.db import DatabaseError, transaction
from django.utils.translation import gettext as _

from deploy_tasks import clock
from deploy_tasks.audit.chain import digest, moment, plain
from deploy_tasks.errors import OrderRefused
from deploy_tasks.models import AuditEntry, AuditHead, Game, LateAudit

log = logging.getLogger(__name__)

#: Who acts where nobody has logged in.
COMMAND_LINE = "command line"

_address: ContextVar[str] = ContextVar("address", default="")

#: A user; the name of somebody who has not proven to be that; or None: the server's command line.
Actor = User | str | None


class AuditUnwritable(OrderRefused):
    """What cannot be written down must not be done."""

    code = "audit_unwritable"


@contextmanager
def coming_from(address: str) -> Iterator[None]:
    """What is recorded in this block came from this network address."""
    token = _address.set(address[:64])
    try:
        yield
    finally:
        _address.reset(token)


def record(
    by: Actor, action: str, what: str, /, *, game: Game | None = None, **details: Any
) -> None:
    """Append an entry. ``before`` and ``after`` in the details are mappings of what was changed.

    Raises AuditUnwritable: the caller's own work must then not stand either.
    """
    entry = _entry(by, action, what, game, details)
    try:
        with transaction.atomic():
            _append(entry)
    except (DatabaseError, _HeadIsGone) as error:
        log.critical("the audit cannot be written: %s", error)
        raise AuditUnwritable(
            _("nothing was done, for the audit cannot be written: the server's log tells why")
        ) from error


def record_anyway(
    by: Actor, action: str, what: str, /, *, game: Game | None = None, **details: Any
) -> None:
    """For what must always be possible, a cancel say: kept aside where the audit cannot be
    written, and entered before the next entry that can."""
    try:
        record(by, action, what, game=game, **details)
    except AuditUnwritable:
        entry = _entry(by, action, what, game, details)
        LateAudit.objects.create(entry=entry | {"at": moment(entry["at"])})


class _HeadIsGone(Exception):
    """There are entries, but nothing says which is the last."""


def _entry(
    by: Actor, action: str, what: str, game: Game | None, details: dict[str, Any]
) -> dict[str, Any]:
    user = by if isinstance(by, User) else None
    name = user.get_username() if user else by or COMMAND_LINE
    return {
        "at": clock.now(),
        "actor": user.pk if user else None,
        "actor_name": plain(str(name)[:150]),
        "address": _address.get(),
        "action": action,
        "object": plain(what[:200]),
        "game": game.name if game else "",
        "details": plain(details),
    }


def _append(entry: dict[str, Any]) -> None:
    head, created = AuditHead.objects.select_for_update().get_or_create(pk=1)
    if created and AuditEntry.objects.exists():
        raise _HeadIsGone("the row that names the last entry is gone")
    before = (head.number, head.hash)
    for late in LateAudit.objects.order_by("pk"):
        late.entry["details"] = {**late.entry["details"], "entered_late": True}
        _link(head, late.entry)
        late.delete()
    _link(head, entry)
    mine = AuditHead.objects.filter(pk=1, number=before[0], hash=before[1])
    if not mine.update(number=head.number, hash=head.hash):
        raise _HeadIsGone("somebody else wrote to the audit at the same moment")


def _link(head: AuditHead, entry: dict[str, Any]) -> None:
    whole = entry | {"number": head.number + 1, "previous": head.hash}
    whole["hash"] = digest(whole)
    columns = {**whole, "actor_id": whole["actor"]}
    del columns["actor"]
    AuditEntry.objects.create(**columns)
    head.number, head.hash = whole["number"], whole["hash"]
