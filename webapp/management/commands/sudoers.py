"""`manage.py sudoers HOST`: what a host's sudoers file needs for its recipe."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils.translation import gettext as _

from deploy_tasks import sudoers
from deploy_tasks.errors import InvalidInput
from deploy_tasks.models import Host


class Command(BaseCommand):
    help = "Prints the lines that let the user of HOST run what its recipe declares by sudo."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("host", metavar="HOST")

    def handle(self, *args: Any, host: str, **options: Any) -> str:
        found = Host.objects.select_related("game__recipe").filter(name=host).first()
        if found is None:
            raise CommandError(_("there is no host “%s”") % host, returncode=3)
        try:
            told = sudoers.lines(found)
        except InvalidInput as finding:
            raise CommandError(str(finding), returncode=3)
        return told.rstrip("\n") or _("# the recipe of %s declares no command by sudo") % host
