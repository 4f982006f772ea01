"""Whom a session belongs to, asked with every request and by every socket: `get_user`.

The session names the one of the two that let its user in.
"""

from typing import Any

from django.conf import settings
from django.contrib.auth.backends import ModelBackend
from django.contrib.auth.models import User
from django.http import HttpRequest

from webapp.identity import factors


class Passwords(ModelBackend):
    def authenticate(
        self,
        request: HttpRequest | None,
        username: str | None = None,
        password: str | None = None,
        **more: Any,
    ) -> User | None:
        user = super().authenticate(request, username=username, password=password, **more)
        # Asked last: whom the setting names must not be told by the time an answer takes.
        if settings.PASSWORDS_FOR and username not in settings.PASSWORDS_FOR:
            return None
        return user

    def get_user(self, user_id: int) -> User | None:
        """None for whom a second factor has become due since they logged in."""
        user = super().get_user(user_id)
        return None if user is None or factors.due(user) else user


class Provided(ModelBackend):
    """Let in by the provider, who asks for whatever else it wants to see."""

    def authenticate(self, request: HttpRequest | None, **given: Any) -> None:  # type: ignore[override]
        return None

    def get_user(self, user_id: int) -> User | None:
        """None where there is a provider no longer."""
        return super().get_user(user_id) if settings.OIDC_ISSUER else None
