"""Who comes in at the socket, by session cookie or API token, and whether they may stay."""

from collections.abc import Collection, Mapping
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
from django.utils import timezone, translation

from deploy_tasks.models import Instance, Job
from webapp import access, reports, tokens
from webapp.access import Right
from webapp.protocol import Close

Scope = Mapping[str, Any]


@dataclass(frozen=True)
class Login:
    """How somebody comes in."""

    session: str = field(default="", repr=False)
    #: A whole ``Authorization`` header; a session beside it is not looked at.
    bearer: str = field(default="", repr=False)
    #: Where from; the same log-in from elsewhere is the same.
    address: str = field(default="", repr=False, compare=False)


@dataclass(frozen=True)
class Audience:
    """All those to whom a report of the job reads the same."""

    ordering: bool
    language: str


@dataclass(frozen=True)
class Guest:
    """Somebody who was let in, and what that rests on. Two sockets of one browser have the same."""

    login: Login
    user_id: int
    #: As the database keeps it: with another one, the sessions of before have ended.
    password: str = field(repr=False)
    audience: Audience


def login_of(scope: Scope) -> Login:
    if bearer := _bearer(scope):
        return Login(bearer=bearer, address=(scope.get("client") or ("",))[0])
    return Login(session=_session_key(scope))


def language_of(scope: Scope) -> str:
    request = HttpRequest()
    request.COOKIES = parse_cookie(_header(scope, b"cookie"))
    request.META["HTTP_ACCEPT_LANGUAGE"] = _header(scope, b"accept-language")
    return translation.get_language_from_request(request)


def admit(login: Login, job_id: int, language: str) -> Guest | Close:
    """Lets somebody in to watch the job, or says why not. No event is read."""
    try:
        user = _user(login)
    except tokens.TooManyGuesses:
        return Close.TOO_MANY
    if user is None:
        return Close.LOG_IN
    # Not through visible_jobs: when a thousand come back at once, this is what they wait for.
    game_id = Job.objects.filter(pk=job_id).values_list("game_id", flat=True).first()
    right = access.right_in(game_id, user) if game_id else None
    if right is None:
        return Close.NO_SUCH_JOB
    audience = Audience(right >= Right.OPERATE, language)
    return Guest(login, user.pk, user.password, audience)


def no_longer_welcome(job_id: int, guests: Collection[Guest]) -> dict[Guest, Close]:
    """Those who must go, and why: three queries, however many they are."""
    keys = {guest.login.session for guest in guests if guest.login.session}
    sessions = Session.objects.filter(session_key__in=keys, expire_date__gt=timezone.now())
    alive = {Login(session=key) for key in sessions.values_list("session_key", flat=True)}
    bearers = {guest.login.bearer for guest in guests if guest.login.bearer}
    alive |= {Login(bearer=bearer) for bearer in tokens.good(bearers)}
    seeing = access.viewers(job_id).filter(pk__in={guest.user_id for guest in guests})
    passwords = dict(seeing.values_list("pk", "password"))
    gone = {}
    for guest in guests:
        if guest.login not in alive:
            gone[guest] = Close.LOG_IN
        elif guest.user_id not in passwords:
            gone[guest] = Close.NOT_ALLOWED
        elif guest.login.session and guest.password != passwords[guest.user_id]:
            gone[guest] = Close.LOG_IN
    return gone


def welcome(job_id: int, audience: Audience) -> dict[str, Any]:
    """The fields of the first frame that are the same for many. Raises Job.DoesNotExist."""
    job = Job.objects.select_related("game", "release").get(pk=job_id)
    with translation.override(audience.language):
        report = reports.job_as_told(job, ordering=audience.ordering)
    return {"epoch": Instance.current().epoch, "last": job.last_seq, "job": report}


def maintains(scope: Scope) -> bool:
    """Whether a request is from somebody who could add a release."""
    try:
        user = _user(login_of(scope))
    except tokens.TooManyGuesses:
        return False
    return user is not None and access.maintains(user)


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
        return tokens.authenticate(login.bearer, login.address)
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
