"""``manage.py prepare``: brings a home to where the programs can start; safe to repeat.

Directories, keys, migrations, static files, and at the very first start an administrator. On a
machine without the web process all but the directories is made elsewhere, and waited for.
"""

import fcntl
import secrets
import time
from pathlib import Path
from typing import Any

from django.conf import settings
from django.contrib.auth import get_user_model
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import connection
from django.utils.translation import gettext as _

from deploy_tasks import rotation, sealed, vault
from deploy_tasks.audit import guard, signing
from webapp import health, storage
from webapp.dangers import dangers
from webapp.views import own_password

FIRST_USER = "admin"
TABLES_WITHIN = 120.0  # seconds; the web process may be starting at this very moment


class Command(BaseCommand):
    help = "Make directories, keys, tables, static files and the first administrator."
    # The tables that a check would look at are not there yet.
    requires_system_checks = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--state-only",
            action="store_true",
            help="keys and tables alone: for what fills an instance before its first start",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        if found := list(dangers()):
            raise CommandError("\n".join(found))
        for name in ("keys", "log", "artifacts"):
            (settings.HOME / name).mkdir(parents=True, exist_ok=True, mode=0o700)
        if not options["state_only"] and "web" not in settings.PROGRAMS:
            self._expect_the_rest()
            return
        # Two that prepare at once would both begin the same migration.
        with (settings.HOME / "keys" / ".prepare").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            vault.ensure_keys()
            signing.ensure_key()
            _keep_rows_private()
            call_command("migrate", verbosity=0, interactive=False)
            guard.guard()
            if options["state_only"]:
                return
            self._refuse_what_is_not_sealed()
            rotation.remove_old_keys()
            storage.collect()
            self.stdout.write(self._log_in())

    def _expect_the_rest(self) -> None:
        if "worker" in settings.PROGRAMS and not any(settings.PRIVATE_KEYS.glob("*.key")):
            raise CommandError(
                _(
                    "No key that opens secrets is in %s: copy keys/seal/*.key there from the "
                    "PATCHWAVE_HOME of the web process."
                )
                % settings.PRIVATE_KEYS
            )
        deadline = time.monotonic() + TABLES_WITHIN
        while (found := health.migrations()) != "ok":
            if time.monotonic() > deadline:
                raise CommandError(
                    _("The database is not ready (migrations: %s); start the web process first.")
                    % found
                )
            time.sleep(1)
        self._refuse_what_is_not_sealed()

    def _refuse_what_is_not_sealed(self) -> None:
        if found := sealed.faults():
            told = _("Not started, for secrets are not as they should be: %s")
            raise CommandError(told % "; ".join(found))

    def _log_in(self) -> str:
        """What to tell the person about logging in; the password is told this once."""
        users = get_user_model().objects
        if someone := users.filter(is_superuser=True, is_active=True).order_by("pk").first():
            return _(
                "Log in as %(user)s. A lost password is set anew with: "
                "bin/in-venv python manage.py changepassword %(user)s"
            ) % {"user": someone.get_username()}
        if users.exists():
            return _(
                "No active administrator is left; make one with: "
                "bin/in-venv python manage.py createsuperuser"
            )
        password = secrets.token_urlsafe(12)
        user = users.create_superuser(FIRST_USER, password=password)
        told = _(
            "Log in as %(user)s with the password %(password)s "
            "(made for this instance, shown this once)"
        ) % {"user": FIRST_USER, "password": password}
        link = _("or choose one of your own, once and within a day: %s") % own_password.link(user)
        return f"{told}\n{link}"


def _keep_rows_private() -> None:
    """Who has logged in stands in them, and the home may have been there before, open to all."""
    if connection.vendor == "sqlite":
        Path(connection.settings_dict["NAME"]).touch(mode=0o600)
