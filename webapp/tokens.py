"""API tokens: how a program logs in as a user.

A token is ``pw_`` and 43 characters; only its sha256 is stored, so it can be shown only once.
"""

import hashlib
import hmac
import secrets
from collections.abc import Iterable
from datetime import datetime, timedelta

from django.contrib.auth.models import User
from django.db import transaction
from django.db.models import Q, QuerySet
from django.utils import timezone

from deploy_tasks import audit
from deploy_tasks.models import Game
from deploy_tasks.prepared import Given, PreparedObjects
from webapp import access
from webapp.guessing import TOKENS_FROM
from webapp.models import ApiToken, Scope

PREFIX = "pw_"
_with_digest = PreparedObjects(lambda: ApiToken.objects.filter(digest=Given("digest")), "user")
#: ``last_used_at`` is no log: a busy program costs one write a minute.
USED_EVERY = timedelta(minutes=1)


class TooManyGuesses(Exception):
    """So many wrong tokens came from this address that none is looked at now."""


def create(
    user: User,
    *,
    name: str = "",
    scope: Scope = Scope.ADMINISTER,
    game: Game | None = None,
    expires_at: datetime | None = None,
) -> str:
    """The token itself, which nobody can be told again."""
    token = PREFIX + secrets.token_urlsafe(32)
    ApiToken.objects.create(
        user=user, digest=_digest(token), name=name, scope=scope, game=game, expires_at=expires_at
    )
    return token


@transaction.atomic
def issue(
    user: User,
    *,
    by: User | None,
    name: str,
    scope: Scope,
    game: Game | None,
    days: int | None,
) -> str:
    """Make one that is good for so many days (None: until it is revoked), and write that down."""
    expires_at = timezone.now() + timedelta(days=days) if days else None
    token = create(user, name=name, scope=scope, game=game, expires_at=expires_at)
    until = expires_at.date().isoformat() if expires_at else None
    what = f"{user.get_username()} {name}".strip()
    audit.record(by, "add_token", what, game=game, scope=scope.value, until=until)
    return token


@transaction.atomic
def revoke(token: ApiToken, *, by: User) -> None:
    audit.record(by, "remove_token", str(token), game=token.game)
    token.delete()


def authenticate(header: str, address: str = "") -> User | None:
    """The user behind an ``Authorization`` header (``Bearer pw_…``), if it is a good one; with no
    more rights than it leaves. Raises TooManyGuesses."""
    if TOKENS_FROM.too_many(address):
        raise TooManyGuesses
    user = _user_behind(header)
    if user is None:
        TOKENS_FROM.was_wrong(address)
    return user


def good(headers: Iterable[str]) -> set[str]:
    """Those of the headers, all good once, whose token has not been taken away. One query."""
    digests = {header: _digest(header.strip().partition(" ")[2].strip()) for header in headers}
    found = _lasting().filter(digest__in=set(digests.values()))
    kept = set(found.values_list("digest", flat=True))
    return {header for header, digest in digests.items() if digest in kept}


def _user_behind(header: str) -> User | None:
    scheme, _, token = header.strip().partition(" ")
    token = token.strip()
    if scheme.lower() != "bearer" or not token.startswith(PREFIX):
        return None
    digest = _digest(token)
    found = next(iter(_with_digest(digest=digest)), None)
    if found is None or not hmac.compare_digest(found.digest, digest) or not found.user.is_active:
        return None
    if found.expires_at and found.expires_at <= timezone.now():
        return None
    _note_use(found)
    return access.limit(found.user, found)


def _lasting() -> QuerySet[ApiToken]:
    return ApiToken.objects.filter(Q(expires_at=None) | Q(expires_at__gt=timezone.now()))


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()


def _note_use(token: ApiToken) -> None:
    now = timezone.now()
    if token.last_used_at and token.last_used_at > now - USED_EVERY:
        return
    stale = Q(last_used_at=None) | Q(last_used_at__lte=now - USED_EVERY)
    ApiToken.objects.filter(stale, pk=token.pk).update(last_used_at=now)
