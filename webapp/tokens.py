"""API tokens: how a program logs in as a user.

A token is ``pw_`` and 43 characters; only its sha256 is stored, so it can be shown only once.
"""

import hashlib
import hmac
import secrets
from collections.abc import Iterable
from datetime import timedelta

from django.contrib.auth.models import User
from django.db.models import Q
from django.utils import timezone

from webapp.models import ApiToken

PREFIX = "pw_"
#: ``last_used_at`` is no log: a busy program costs one write a minute.
USED_EVERY = timedelta(minutes=1)


def create(user: User) -> str:
    token = PREFIX + secrets.token_urlsafe(32)
    ApiToken.objects.create(user=user, digest=_digest(token))
    return token


def authenticate(header: str) -> User | None:
    """The user behind an ``Authorization`` header (``Bearer pw_…``), if it is a good one."""
    scheme, _, token = header.strip().partition(" ")
    token = token.strip()
    if scheme.lower() != "bearer" or not token.startswith(PREFIX):
        return None
    digest = _digest(token)
    found = ApiToken.objects.select_related("user").filter(digest=digest).first()
    if found is None or not hmac.compare_digest(found.digest, digest) or not found.user.is_active:
        return None
    _note_use(found)
    return found.user


def good(headers: Iterable[str]) -> set[str]:
    """Those of the headers, all good once, whose token has not been taken away. One query."""
    digests = {header: _digest(header.strip().partition(" ")[2].strip()) for header in headers}
    found = ApiToken.objects.filter(digest__in=set(digests.values()))
    kept = set(found.values_list("digest", flat=True))
    return {header for header, digest in digests.items() if digest in kept}


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()


def _note_use(token: ApiToken) -> None:
    now = timezone.now()
    if token.last_used_at and token.last_used_at > now - USED_EVERY:
        return
    stale = Q(last_used_at=None) | Q(last_used_at__lte=now - USED_EVERY)
    ApiToken.objects.filter(stale, pk=token.pk).update(last_used_at=now)
