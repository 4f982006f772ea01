"""The instance on this machine, whose state we may read and write: no log-in needed."""

import contextlib
import getpass
import json
import logging
import os
import sys
from io import StringIO
from pathlib import Path

from webapp.cli.client import Client
from webapp.cli.statuses import Refused, Status
from webapp.env import env
from webapp.words import LANGUAGE, _


def client() -> Client:
    """Of the instance that PATCHWAVE_URL names, else of the one on this machine."""
    if token := env.token.get_secret_value():
        return Client(env.site, token)
    if env.url and env.url != _served():
        # Our own token would tell another machine how to log in here.
        raise Refused(
            _("PATCHWAVE_URL names another instance: set PATCHWAVE_TOKEN to a token of that one.")
        )
    return Client(env.site, _kept_token(), renew=_new_token)


def manage(command: str, *arguments: str) -> int:
    """Run a management command on this machine's instance; its refusal is a sentence."""
    from django.core.management import CommandError, call_command

    _set_up()
    try:
        call_command(command, *arguments)
    except CommandError as refusal:
        print(refusal, file=sys.stderr)
        return Status.REFUSED
    return Status.WELL


def _set_up() -> None:
    """An instance can be filled before it is first served."""
    import django
    from django.core.management import call_command
    from django.utils import translation

    django.setup()
    if LANGUAGE:
        translation.activate(LANGUAGE)
    # From here on there is a log, and these would tell it of every request.
    for chatty in ("httpx", "websockets"):
        logging.getLogger(chatty).setLevel(logging.WARNING)
    call_command("prepare", state_only=True)


def _served() -> str | None:
    """What bin/serve last listened on."""
    with contextlib.suppress(OSError):
        return (env.run_dir / "url").read_text().strip()
    return None


def _token_file() -> Path:
    return env.home / "keys" / f"token-{getpass.getuser()}"


def _kept_token() -> str:
    """Empty before the first use: then the instance refuses it, and a new one is made."""
    with contextlib.suppress(OSError):
        return _token_file().read_text().strip()
    return ""


def _new_token() -> str:
    """A token of the user who is named like the one at the keyboard, kept for the next time."""
    from django.core.management import call_command

    out = StringIO()
    try:
        _set_up()
        call_command("token", getpass.getuser(), "--json", stdout=out)
        token: str = json.loads(out.getvalue())["token"]
        _keep(token)
    except PermissionError:
        raise Refused(
            _("%s belongs to somebody else: set PATCHWAVE_TOKEN to log in.") % env.home
        ) from None
    return token


def _keep(token: str) -> None:
    file = _token_file()
    fresh = file.with_name(f".{file.name}.{os.getpid()}")
    fresh.touch(mode=0o600)
    fresh.write_text(token)
    fresh.replace(file)
