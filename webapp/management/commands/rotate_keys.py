"""`manage.py rotate_keys`: a new key for all that is sealed, while everything runs."""

import json
from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from deploy_tasks import rotation
from deploy_tasks.errors import OrderRefused


class Command(BaseCommand):
    help = "Makes a new sealing key, seals every secret with it and removes the old key in the end."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--json", action="store_true", help="print what was done as JSON")

    def handle(self, *args: Any, **options: Any) -> str:
        try:
            done = rotation.rotate()
        except OrderRefused as refusal:
            raise CommandError(str(refusal), returncode=3)
        if done.locked:
            raise CommandError("\n".join(done.locked.values()), returncode=3)
        return json.dumps(vars(done)) if options["json"] else _told(done)


def _told(done: rotation.Rotation) -> str:
    key = {"key": done.key_id, "private": settings.PRIVATE_KEYS, "count": done.resealed}
    if done.waits:
        return (
            _(
                "%(private)s/%(key)s.key was made and is not used yet. Copy it to every other"
                " machine with workers, then run this again."
            )
            % key
        )
    sealed = ngettext(
        "The key %(key)s seals; %(count)s secret was sealed anew with it.",
        "The key %(key)s seals; %(count)s secrets were sealed anew with it.",
        done.resealed,
    )
    told = [sealed % key]
    if done.resealed and not rotation.all_is_here():
        told.append(
            _(
                "Copy %(public)s to the same place on every machine with the web process, then run"
                " this again: what was sealed there meanwhile is sealed anew."
            )
            % {"public": settings.HOME / "keys" / "seal" / f"{done.key_id}.pub"}
        )
    if done.kept:
        told.append(
            _("Old keys stay for %(minutes)d minutes: %(keys)s. Then run this again, or restart.")
            % {"minutes": rotation.GRACE.total_seconds() / 60, "keys": ", ".join(done.kept)}
        )
    if done.removed:
        told.append(_("Removed: %s") % ", ".join(done.removed))
    return "\n".join(told)
