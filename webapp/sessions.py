"""How long a log-in lasts: so long after it began, and so long after the person last did something.

Both are kept as the session's own end, in its row: pages and open sockets ask that, and nothing
else. A page that asks by itself for what is new does not keep anybody logged in.
"""

from collections.abc import Callable
from datetime import datetime, timedelta

from django.conf import settings
from django.contrib.auth.models import AbstractBaseUser
from django.contrib.sessions.backends.base import SessionBase
from django.contrib.sessions.models import Session
from django.http import HttpRequest, HttpResponse
from django.utils import timezone

from webapp import live

BEGAN = "began"
#: The end is moved in steps of this part of the idle time, not with every request.
STEP = 20
#: Rows that whoever logs in takes away.
SWEPT = 1000


def begin(session: SessionBase) -> None:
    """From now on, whatever was before."""
    session[BEGAN] = timezone.now().isoformat()
    _move_end(session)
    sweep()


def sweep() -> None:
    """Take away the rows of sessions that have ended, the oldest first. Whoever comes in does it:
    that is how rows come to be, and only the web process may touch them."""
    over = Session.objects.filter(expire_date__lt=timezone.now()).order_by("expire_date")
    Session.objects.filter(pk__in=list(over.values_list("pk", flat=True)[:SWEPT])).delete()


def end_all(user: AbstractBaseUser, *, but: str = "") -> None:
    """Log somebody out everywhere but in the session with this key; open sockets follow."""
    alive = Session.objects.filter(expire_date__gt=timezone.now()).exclude(session_key=but)
    theirs = [
        row.pk for row in alive.iterator() if row.get_decoded().get("_auth_user_id") == str(user.pk)
    ]
    Session.objects.filter(pk__in=theirs).delete()


class Ages:
    """Middleware; needs the user."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if "_auth_user_id" in request.session:  # not request.user: most requests need no row of it
            if BEGAN not in request.session:
                begin(request.session)
            elif _is_doing_something(request):
                _move_end(request.session)
        return self.get_response(request)


def _is_doing_something(request: HttpRequest) -> bool:
    if request.method not in ("GET", "HEAD"):
        return True
    return live.HEADER not in request.headers and not request.path.startswith("/api/")


def _move_end(session: SessionBase) -> None:
    now = timezone.now()
    began = datetime.fromisoformat(session[BEGAN])
    end = min(began + settings.SESSION_AGE, now + settings.SESSION_IDLE)
    known = session.get("_session_expiry")
    step: timedelta = settings.SESSION_IDLE / STEP
    if not known or abs(end - datetime.fromisoformat(known)) > step:
        session.set_expiry(end)
