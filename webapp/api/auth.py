"""How a caller of the API logs in: a token, or the browser's session with its CSRF token."""

from typing import Any

from django.conf import settings
from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest
from django.utils.translation import gettext as _
from ninja.security import APIKeyCookie, HttpBearer
from ninja.utils import check_csrf

from webapp import tokens


class ApiRequest(HttpRequest):
    """A request that has passed one of the checks below."""

    auth: User


class Token(HttpBearer):
    def __call__(self, request: HttpRequest) -> User | None:
        header = request.headers.get("Authorization", "")
        if not header:
            return None
        return tokens.authenticate(header, request.META.get("REMOTE_ADDR", ""))

    def authenticate(self, request: HttpRequest, token: str) -> Any:
        raise NotImplementedError


class Session(APIKeyCookie):
    """A program that shows a token, even a bad one, is never taken for the browser beside it."""

    param_name = settings.SESSION_COOKIE_NAME

    def __call__(self, request: HttpRequest) -> User | None:
        if "Authorization" in request.headers or not isinstance(request.user, User):
            return None
        if check_csrf(request):
            raise CsrfMissing
        return request.user

    def authenticate(self, request: HttpRequest, key: str | None) -> Any:
        raise NotImplementedError


class CsrfMissing(PermissionDenied):
    """Another site may have sent this: the cookie came without the page's CSRF token."""

    def __str__(self) -> str:
        return _("Send the page's CSRF token in the header X-CSRFToken.")
