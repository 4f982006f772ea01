"""`manage.py restore FILE`: put a backup in the place of what is here."""

import json
import logging
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from deploy_tasks.models import Host, Job
from webapp import backup
from webapp.serve import only_one


class Command(BaseCommand):
    help = "Puts everything of a backup in the place of what is here. Stop the instance first."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("file", metavar="FILE", type=Path)
        parser.add_argument(
            "--replace", action="store_true", help="give up the hosts and jobs that are here"
        )
        parser.add_argument("--json", action="store_true", help="print what was in it as JSON")

    def handle(self, *args: Any, file: Path, replace: bool, json: bool, **options: Any) -> str:
        here = {"hosts": Host.objects.count(), "jobs": Job.objects.count()}
        if any(here.values()) and not replace:
            raise CommandError(
                _(
                    "This instance is not empty (hosts: %(hosts)s, jobs: %(jobs)s); --replace "
                    "gives them up."
                )
                % here
            )
        # Nobody watches now, so it is no news that no watcher can be rung.
        logging.getLogger("deploy_tasks.journal.announce").setLevel(logging.ERROR)
        try:
            with only_one(settings.HOME):
                about = backup.restore(file)
        except backup.CannotRestore as refusal:
            raise CommandError(str(refusal)) from None
        except OSError as error:
            raise CommandError(f"{file}: {error.strerror}") from None
        if json:
            return _as_json(about)
        told = ngettext(
            "Restored as of %(made_at)s: %(rows)s rows, %(artifacts)s artifact. Jobs that were "
            "open then are halted; look at their hosts before you go on with them.",
            "Restored as of %(made_at)s: %(rows)s rows, %(artifacts)s artifacts. Jobs that were "
            "open then are halted; look at their hosts before you go on with them.",
            about["artifacts"],
        )
        return told % {**about}


def _as_json(about: backup.About) -> str:
    return json.dumps(about)
