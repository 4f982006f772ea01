"""`manage.py backup FILE`: everything that an instance is, in one file."""

import json
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from webapp import backup


class Command(BaseCommand):
    help = "Writes all rows, keys and artifacts into FILE. The instance may be running."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("file", metavar="FILE", type=Path)
        parser.add_argument("--json", action="store_true", help="print what is in it as JSON")

    def handle(self, *args: Any, file: Path, json: bool, **options: Any) -> str:
        try:
            about = backup.make(file)
        except OSError as error:
            raise CommandError(
                _("%(file)s cannot be written: %(why)s") % {"file": file, "why": error.strerror}
            ) from None
        if json:
            return _as_json(about)
        told = ngettext(
            "%(file)s holds %(rows)s rows, %(artifacts)s artifact and the keys.",
            "%(file)s holds %(rows)s rows, %(artifacts)s artifacts and the keys.",
            about["artifacts"],
        )
        if not about["private_keys"]:
            told = ngettext(
                "%(file)s holds %(rows)s rows and %(artifacts)s artifact. The private keys are "
                "not on this machine: keep those of a worker's PATCHWAVE_HOME/keys/seal as well.",
                "%(file)s holds %(rows)s rows and %(artifacts)s artifacts. The private keys are "
                "not on this machine: keep those of a worker's PATCHWAVE_HOME/keys/seal as well.",
                about["artifacts"],
            )
        return told % {**about, "file": file}


def _as_json(about: backup.About) -> str:
    return json.dumps(about)
