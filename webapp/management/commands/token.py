"""`manage.py token USER`: a new API token, shown once."""

import json
from argparse import ArgumentParser
from typing import Any

from django.contrib.auth.models import User
from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError
from django.db import transaction
from django.utils.translation import gettext as _

from webapp import tokens


class Command(BaseCommand):
    help = (
        "Prints a new API token of USER. Where there is no such user, one is made who is an"
        " administrator of this instance and has no password."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("user", metavar="USER")
        parser.add_argument("--json", action="store_true", help='print {"token": …}')

    @transaction.atomic
    def handle(self, *args: Any, user: str, json: bool, **options: Any) -> str:
        token = tokens.create(_user(user))
        return _as_json(token) if json else token


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
