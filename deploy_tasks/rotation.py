"""A new sealing key for an old one, while everything runs.

What has to be done is read from the key files and the rows each time, so it may be interrupted
anywhere and is simply called again. An old key goes when nothing names it, and not before
everybody who read its name has had the time to use it.
"""

from dataclasses import dataclass, field
from datetime import timedelta

from django.conf import settings
from django.utils import timezone
from django.utils.translation import gettext as _

from deploy_tasks import audit, sealed, vault
from deploy_tasks.errors import OrderRefused

#: Whoever has begun to seal or to open with the old key has ended by then.
GRACE = timedelta(minutes=10)


@dataclass
class Rotation:
    """``key_id``: the key that seals now. ``waits``: it was made, and must be copied first.

    ``locked``: whose box -> why it could not be opened. ``kept``: old keys that are still here.
    """

    key_id: str
    waits: bool = False
    resealed: int = 0
    locked: dict[str, str] = field(default_factory=dict)
    kept: list[str] = field(default_factory=list)
    removed: list[str] = field(default_factory=list)


def rotate() -> Rotation:
    """Go on with what was begun, or begin: a new key, every row sealed anew, old keys removed.

    Raises OrderRefused where this machine has no private keys.
    """
    if not any(settings.PRIVATE_KEYS.glob("*.key")):
        raise OrderRefused(
            _("no private key is in %s: rotate keys on a machine with workers")
            % settings.PRIVATE_KEYS
        )
    prepared = vault.prepared()
    if prepared:
        vault.activate(prepared)
    elif not _old() and not _older_keys():
        made = vault.make_key()
        if not all_is_here():
            return Rotation(made, waits=True)
        vault.activate(made)
    rotation = Rotation(vault.newest() or "")
    _reseal(rotation)
    _remove_old(rotation)
    if rotation.resealed or rotation.removed:
        resealed, removed = rotation.resealed, rotation.removed
        audit.record(None, "rotate_keys", rotation.key_id, resealed=resealed, removed=removed)
    return rotation


def remove_old_keys() -> None:
    """Of a rotation that has ended: at each start."""
    _remove_old(Rotation(vault.newest() or ""))


def _old() -> list[sealed.Sealed]:
    newest = vault.newest()
    return [one for one in sealed.every() if one.key_id != newest]


def all_is_here() -> bool:
    """Else other machines need halves of the keys that are made here."""
    return {"web", "worker"} <= set(settings.PROGRAMS)


def _reseal(rotation: Rotation) -> None:
    # Again, until nobody has sealed with the old key meanwhile.
    while old := [one for one in _old() if one.identity not in rotation.locked]:
        for one in old:
            try:
                rotation.resealed += one.seal_anew()
            except vault.SecretLocked as locked:
                rotation.locked[one.identity] = str(locked)


def _remove_old(rotation: Rotation) -> None:
    needed = {one.key_id for one in sealed.every()}
    for key_id in _older_keys():
        if key_id in needed or not _grace_is_over():
            rotation.kept.append(key_id)
        else:
            vault.remove(key_id)
            rotation.removed.append(key_id)


def _older_keys() -> list[str]:
    newest = vault.newest()
    return [key_id for key_id in vault.key_ids() if newest and key_id < newest]


def _grace_is_over() -> bool:
    since = vault.active_since()
    return since is not None and timezone.now() - since >= GRACE
