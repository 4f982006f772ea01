"""``manage.py catalogue``: brings the translations up to date with what the sources say.

New sentences come without a translation, changed ones with a guess marked fuzzy; a test fails
until a person has seen to both. Needs GNU gettext, which whoever only runs Patchwave does not.
"""

import contextlib
import re
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand

LANGUAGE = "zh_Hans"
#: Where no sentences of the product are.
LEFT_OUT = (".venv", "bench", "docs", "tests", "var")


class Command(BaseCommand):
    help = "Bring the translations up to date with the sources, and compile them."
    requires_system_checks = []

    def handle(self, *args: Any, **options: Any) -> None:
        with contextlib.chdir(settings.BASE_DIR):
            self._update()

    def _update(self) -> None:
        for domain in ("django", "djangojs"):
            call_command(
                "makemessages",
                domain=domain,
                locale=[LANGUAGE],
                ignore_patterns=list(LEFT_OUT),
                no_location=True,
                no_obsolete=True,
                no_wrap=True,
                verbosity=0,
            )
        for path in (settings.LOCALE_PATHS[0] / LANGUAGE).rglob("*.po"):
            _forget_when(path)
        call_command("compilemessages", locale=[LANGUAGE], verbosity=0)


def _forget_when(path: Path) -> None:
    """The moment it was made says nothing, and would differ each time."""
    text = path.read_text()
    path.write_text(re.sub(r'"POT-Creation-Date: .*\n', "", text))
