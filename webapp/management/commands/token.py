"""`manage.py token USER`: a new API token, shown once."""

import json
from argparse import ArgumentParser
from typing import Any

from django.contrib.auth.models import User
from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError
from django.db import transaction
from django.utils.translation import gettext as _

from deploy_tasks.models import Game
from webapp import tokens
from webapp.env import LONGEST_DAYS
from webapp.models import Scope


class Command(BaseCommand):
    help = (
        "Prints a new API token of USER. Where there is no such user, one is made who is an"
        " administrator of this instance and has no password."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("user", metavar="USER")
        parser.add_argument("--json", action="store_true", help='print {"token": …}')
        parser.add_argument("--name", default="", help="what it is for")
        parser.add_argument(
            "--scope", choices=Scope.values, default=Scope.ADMINISTER.value, help="what it may"
        )
        parser.add_argument("--game", metavar="GAME", help="good in this game alone")
        parser.add_argument(
            "--days", type=int, help="good for so many days (default: until it is revoked)"
        )

    @transaction.atomic
    def handle(self, *args: Any, user: str, json: bool, **options: Any) -> str:
        if options["days"] is not None and not 1 <= options["days"] <= LONGEST_DAYS:
            raise CommandError(_("--days: give a number from 1 to %s") % LONGEST_DAYS)
        token = tokens.issue(
            _user(user),
            by=None,
            name=options["name"][:64],
            scope=Scope(options["scope"]),
            game=_game(options["game"]),
            days=options["days"],
        )
        return _as_json(token) if json else token


def _game(name: str | None) -> Game | None:
    if name is None:
        return None
    if found := Game.objects.filter(name=name).first():
        return found
    raise CommandError(_("there is no game “%s”") % name)


def _user(name: str) -> User:
    known = User.objects.filter(username=name).first()
    if known is not None:
        if not known.is_active:
            raise CommandError(_("%s is not active: a token would be of no use.") % name)
        return known
    fresh = User(username=name, is_staff=True, is_superuser=True)
    fresh.set_unusable_password()
    try:
        fresh.full_clean()
    except ValidationError as invalid:
        raise CommandError("; ".join(invalid.messages)) from None
    fresh.save()
    return fresh


def _as_json(token: str) -> str:
    return json.dumps({"token": token})
