"""Import an inventory file: games, releases, credentials and hosts."""

import json
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils.translation import ngettext

from deploy_tasks import inventory
from deploy_tasks.errors import InvalidInputs


class Command(BaseCommand):
    help = "Import an inventory file, all or nothing. Importing it again changes nothing."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("file", type=Path)
        parser.add_argument(
            "--replace-host-keys",
            action="store_true",
            help="pin the host keys of the file where others are pinned (written to the audit)",
        )
        parser.add_argument("--json", action="store_true", help="print the changes as JSON")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            changes = inventory.import_file(
                options["file"], by=None, replace_host_keys=options["replace_host_keys"]
            )
        except InvalidInputs as wrong:
            count = len(wrong.findings)
            heading = ngettext(
                "Nothing was imported, %(count)s thing is wrong:",
                "Nothing was imported, %(count)s things are wrong:",
                count,
            )
            raise CommandError(f"{heading % {'count': count}}\n{wrong}", returncode=3)
        self.stdout.write(json.dumps(changes.as_json()) if options["json"] else str(changes))
