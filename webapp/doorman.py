"""Who comes in at the socket, by session cookie or API token, and whether they may stay."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from channels.security.websocket import OriginValidator
from django.conf import settings
from django.contrib import auth
from django.contrib.auth.models import AbstractBaseUser
from django.contrib.sessions.backends.db import SessionStore
from django.contrib.sessions.models import Session
from django.http import HttpRequest, parse_cookie
from django.http.request import split_domain_port, validate_host
from django.utils import timezone

from deploy_tasks.models import Instance
from deploy_tasks.times import iso
from webapp import access, reports, tokens
from webapp.protocol import Close

Scope = Mapping[str, Any]


@dataclass(frozen=True)
class Login:
    """How somebody came in. Two sockets of one browser have the same."""

    session: str = field(default="", repr=False)
    #: A whole ``Authorization`` header; a session beside it is not looked at.
    bearer: str = field(default="", repr=False)


def login_of(scope: Scope) -> Login:
    if bearer := _bearer(scope):
        return Login(bearer=bearer)
    return Login(session=_session_key(scope))


def turned_away(login: Login, job_id: int) -> Close | None:
    """Why this log-in may not watch the job, if so. No event is read."""
    user = _user(login)
    if user is None:
        return Close.LOG_IN
    if not access.visible_jobs(user).filter(pk=job_id).exists():
        return Close.NO_SUCH_JOB
    return None


def welcome(login: Login, job_id: int) -> dict[str, Any] | Close:
    """The fields of the first frame, or why there is none."""
    user = _user(login)
    if user is None:
        return Close.LOG_IN
    job = access.visible_jobs(user).filter(pk=job_id).first()
    if job is None:
        return Close.NO_SUCH_JOB
    return {
        "epoch": Instance.current().epoch,
        "now": iso(timezone.now()),
        "last": job.last_seq,
        "job": reports.job(job, user),
    }


def no_longer_welcome(logins: Iterable[Login], job_id: int) -> dict[Login, Close]:
    """Asks again for each who has been let in."""
    answers = {login: turned_away(login, job_id) for login in set(logins)}
    lost = {Close.NO_SUCH_JOB: Close.NOT_ALLOWED}
    return {login: lost.get(why, why) for login, why in answers.items() if why is not None}


def logged_out(logins: Iterable[Login]) -> dict[Login, Close]:
    """Those whose session has ended: logged out, or too old. One query for all of them."""
    keys = {login.session: login for login in logins if login.session}
    if not keys:
        return {}
    alive = Session.objects.filter(session_key__in=keys, expire_date__gt=timezone.now())
    ended = keys.keys() - set(alive.values_list("session_key", flat=True))
    return {keys[key]: Close.LOG_IN for key in ended}


class SameSite(OriginValidator):  # type: ignore[misc]
    """Lets a cookie in from our own pages only: scheme, host and port must be this site's.

    channels' own validator knows fixed origins alone; a request may also come from the address
    it was sent to. Who shows a token, or nothing at all, needs no origin: no browser did it for
    a stranger's page.
    """

    def __init__(self, application: Any) -> None:
        super().__init__(application, [settings.SITE_ORIGIN])

    async def __call__(self, scope: Scope, receive: Any, send: Any) -> None:
        if _bearer(scope) or not _session_key(scope) or self.comes_from_here(scope):
            await self.application(scope, receive, send)
            return
        await receive()
        await send({"type": "websocket.close"})

    def comes_from_here(self, scope: Scope) -> bool:
        origin = _origin(_header(scope, b"origin"))
        here = {_origin(allowed) for allowed in [*self.allowed_origins, _own_origin(scope)]}
        return origin is not None and origin in here


def _user(login: Login) -> AbstractBaseUser | None:
    if login.bearer:
        return tokens.authenticate(login.bearer)
    if not login.session:
        return None
    request = HttpRequest()
    request.session = SessionStore(session_key=login.session)
    user = auth.get_user(request)
    return user if user.is_authenticated else None


def _bearer(scope: Scope) -> str:
    header = _header(scope, b"authorization")
    return header if header.lower().startswith("bearer ") else ""


def _session_key(scope: Scope) -> str:
    return parse_cookie(_header(scope, b"cookie")).get(settings.SESSION_COOKIE_NAME, "")


def _header(scope: Scope, wanted: bytes) -> str:
    """A header that came once; one that came twice says nothing."""
    found = [value for name, value in scope["headers"] if name == wanted]
    return found[0].decode("latin1").strip() if len(found) == 1 else ""


def _own_origin(scope: Scope) -> str:
    """The origin of a page of ours that was asked for where this socket was."""
    host = _header(scope, b"host").lower()
    if not validate_host(split_domain_port(host)[0], settings.ALLOWED_HOSTS):
        return ""
    return f"{'https' if scope.get('scheme') == 'wss' else 'http'}://{host}"


def _origin(url: str) -> tuple[str, str, int] | None:
    """Scheme, host and port; None for what no page of ours can have."""
    try:
        parts = urlsplit(url)
        port = parts.port or {"http": 80, "https": 443}[parts.scheme]
    except (ValueError, KeyError):
        return None
    return (parts.scheme, parts.hostname, port) if parts.hostname else None
