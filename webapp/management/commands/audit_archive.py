"""`manage.py audit_archive FILE --before DATE`: move what is old out of the database."""

import json
from argparse import ArgumentParser
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils.translation import gettext as _

from deploy_tasks.audit import book
from deploy_tasks.audit.chain import Broken
from deploy_tasks.errors import OrderRefused


class Command(BaseCommand):
    help = "Writes the entries of the audit before DATE into a new FILE and removes them here."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("file", metavar="FILE", type=Path)
        parser.add_argument(
            "--before", type=date.fromisoformat, required=True, metavar="DATE", help="2026-01-31"
        )
        parser.add_argument("--json", action="store_true", help="print how many as JSON")

    def handle(self, *args: Any, file: Path, before: date, **options: Any) -> str:
        try:
            day = datetime(before.year, before.month, before.day, tzinfo=UTC)
            count = book.archive(day, file)
        except Broken as broken:
            raise CommandError(_("The audit is broken: %s") % broken, returncode=3)
        except OrderRefused as refusal:
            raise CommandError(str(refusal), returncode=3)
        except OSError as error:
            raise CommandError(f"{file}: {error.strerror}", returncode=3)
        if options["json"]:
            return json.dumps({"entries": count})
        told = _("%(file)s holds %(entries)s entries of the audit, which are no longer here.")
        return told % {"file": file, "entries": count}
