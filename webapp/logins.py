"""The beginning and the end of a log-in, and what was tried in vain: each is an entry in the audit.

Whoever has to cancel something must get in and out also while the audit cannot be written: such
entries are kept aside, and where even that fails the server's log has them. What strangers can
cause is written down so often and no more: guessing must not be a way to fill the disk.
"""

import logging
from typing import Any

from django.contrib import auth
from django.contrib.auth.models import User
from django.db import DatabaseError, transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect

from deploy_tasks import audit
from webapp import sessions
from webapp.guessing import LOCKS, STRANGERS

log = logging.getLogger(__name__)

#: What of the audit is about logging in.
ACTIONS = (
    *("log_in", "log_out", "log_in_failed", "lock_out", "unlock", "change_password"),
    *("add_factor", "remove_factor", "reset_factor", "renew_recovery_codes"),
)
#: Who tried a name that nobody has. What was typed is not kept: it may have been a password.
NOBODY = "a name nobody has"


def enter(request: HttpRequest, user: User, *, to: str) -> HttpResponse:
    """Who has given the right password is in. (`settings.ENTRANCE`; there may be more to it.)"""
    begin(request, user)
    return redirect(to)


def begin(request: HttpRequest, user: User, *, way: str = "password") -> None:
    """In a new session, whatever was before. ``way``: how they have proven to be this user."""
    auth.login(request, user)
    # Django keeps the key where the same person was logged in already.
    request.session.cycle_key()
    sessions.begin(request.session)
    _note(user, "log_in", user.get_username(), way=way)


def end(request: HttpRequest) -> None:
    if isinstance(request.user, User):
        _note(request.user, "log_out", request.user.get_username())


def failed(name: str, *, way: str = "password") -> None:
    """Somebody was not let in under this name."""
    left_out = STRANGERS.take()
    if left_out is not None:
        more = {"left_out": left_out} if left_out else {}
        _note(_known(name), "log_in_failed", "", way=way, **more)


def locked(name: str, key: str) -> None:
    """What is tried under this name is not even looked at for a while. ``key`` says what was
    locked, a name, an address or a pair: it is written down once."""
    if not LOCKS.too_many(key):
        LOCKS.was_wrong(key)
        if STRANGERS.take() is not None:
            _note(_known(name), "lock_out", "")


def _known(name: str) -> str:
    return name if User.objects.filter(username=name).exists() else NOBODY


def _note(by: audit.Actor, action: str, what: str, **details: Any) -> None:
    try:
        with transaction.atomic():
            audit.record_anyway(by, action, what, **details)
    except DatabaseError as error:
        log.critical("not in the audit: %s by %s: %s", action, by, error)
