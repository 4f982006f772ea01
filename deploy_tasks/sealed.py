"""All rows that hold something sealed: looked at before a start, sealed anew when keys change."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.db.models import Model
from django.utils.translation import gettext as _

from deploy_tasks import vault
from deploy_tasks.models import Credential, Pager


@dataclass(frozen=True)
class Sealed:
    """A row's box: ``identity`` says whose it is, ``key_id`` what opens it."""

    model: type[Model]
    pk: int
    identity: str
    key_id: str
    box: bytes

    @property
    def fault(self) -> str | None:
        """Why it cannot be used here, in words; None where nothing is wrong with it."""
        if vault.looks_plain(self.box):
            return _("%s is not sealed at all; import it again") % self.identity
        if not vault.knows(self.key_id):
            return _("the key %(key)s that opens %(identity)s is not here") % {
                "key": self.key_id,
                "identity": self.identity,
            }
        if "worker" not in settings.PROGRAMS:
            return None
        try:
            vault.open_sealed(self.key_id, self.box, identity=self.identity)
        except vault.SecretLocked as locked:
            return str(locked)
        return None

    def seal_anew(self) -> bool:
        """With the newest key. False where somebody else has changed the row meanwhile.

        Raises SecretLocked.
        """
        secret = vault.open_sealed(self.key_id, self.box, identity=self.identity)
        key_id, box = vault.seal(secret, identity=self.identity)
        rows: Any = self.model._default_manager
        mine = rows.filter(pk=self.pk, key_id=self.key_id, sealed=self.box)
        return bool(mine.update(key_id=key_id, sealed=box))


def every() -> Iterator[Sealed]:
    kinds: list[tuple[type[Model], Any, Any]] = [
        # What an SSH agent keeps is not ours to seal.
        (Credential, Credential.objects.filter(agent=""), vault.identity_of_credential),
        (Pager, Pager.objects.all(), vault.identity_of_pager),
    ]
    for model, rows, identity in kinds:
        for pk, name, key_id, box in rows.values_list("pk", "name", "key_id", "sealed"):
            yield Sealed(model, pk, identity(name), key_id, bytes(box))


def of_credential(row: Credential) -> Sealed | None:
    if row.agent:
        return None
    identity = vault.identity_of_credential(row.name)
    return Sealed(Credential, row.pk, identity, row.key_id, bytes(row.sealed))


def faults() -> list[str]:
    """Everything that keeps this machine from using what is sealed; empty where all is well."""
    found = [fault for one in every() if (fault := one.fault)]
    newest = vault.newest()
    if "worker" in settings.PROGRAMS and newest and not vault.opens(newest):
        found.append(_("nobody could open what is sealed now: %s.key is not here") % newest)
    return found
