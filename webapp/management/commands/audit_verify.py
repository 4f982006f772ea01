"""`manage.py audit_verify`: does the chain of the audit hold, and which entry breaks it?"""

import json
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils.translation import gettext as _

from deploy_tasks.audit import book, signing
from deploy_tasks.audit.chain import Broken
from deploy_tasks.errors import InvalidInput


class Command(BaseCommand):
    help = "Follows the chain of the audit and names the first entry at which it is broken."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--head", type=Path, metavar="FILE", help="a head that audit_head printed earlier"
        )
        parser.add_argument(
            "--archive",
            type=Path,
            action="append",
            default=[],
            metavar="FILE",
            help="what audit_archive wrote; given again, oldest first: all of it",
        )
        parser.add_argument("--json", action="store_true", help="print the answer as JSON")

    def handle(self, *args: Any, **options: Any) -> str:
        try:
            kept = signing.read(options["head"].read_text()) if options["head"] else None
            found = book.verify(kept=kept, archives=options["archive"])
        except Broken as broken:
            raise CommandError(_("The audit is broken: %s") % broken, returncode=3)
        except InvalidInput as wrong:
            raise CommandError(f"{options['head']}: {wrong}", returncode=3)
        except OSError as error:
            raise CommandError(f"{error.filename}: {error.strerror}", returncode=3)
        if options["json"]:
            return json.dumps({"entries": found.entries, **vars(found.last), "late": found.late})
        told = _("The audit holds: %(entries)s entries, the last is %(number)s.")
        if found.late:
            told += " " + _("%(late)s more were kept aside and are entered with the next one.")
        return told % {"entries": found.entries, "number": found.last.number, "late": found.late}
