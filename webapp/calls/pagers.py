"""Where night calls go: who may see and change that, and what is kept of an address.

Its address is a secret, since whoever knows it can write there: it is sealed for the workers, and
what is shown is the scheme and, of a webhook, the host.
"""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

from django.conf import settings
from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied
from django.db import IntegrityError, transaction
from django.db.models import Q, QuerySet
from django.utils.translation import gettext as _

from deploy_tasks import audit, calls, vault
from deploy_tasks.errors import InvalidInput, OrderRefused
from deploy_tasks.models import MOMENTS, Game, Pager
from deploy_tasks.names import valid_name
from webapp import access
from webapp.access import Right

MAX_URL = 2000
SHORTEST_SECRET = 16
#: They would be told to the worker's own machine, or through a file of it.
LOCAL = {"dbus", "gio", "glib", "gnome", "kde", "qt", "macosx", "windows", "syslog", "blink1"}


@dataclass(frozen=True)
class Wanted:
    """A pager to be. ``game`` None: of all games; ``mine``: only for whoever adds it."""

    name: str
    url: str
    secret: str = ""
    game: Game | None = None
    mine: bool = False
    moments: Sequence[str] = MOMENTS
    language: str = "en"


def visible(user: access.Visitor) -> QuerySet[Pager]:
    """One's own, and everybody's of the games that one sees."""
    shown = Q(user=user.pk) | Q(user=None, game__in=access.visible_games(user))
    if access.may(user, Right.SEE, None):
        shown |= Q(user=None, game=None)
    return Pager.objects.filter(shown).select_related("game", "user").order_by("name")


def may(user: access.Visitor, right: Right, pager: Pager) -> bool:
    """To its owner everything is allowed, else what the game's role gives."""
    if pager.user_id:
        # A viewer's own is theirs to keep; what a token only reads with, it does not change.
        lasting = min(right, Right.OPERATE)
        return pager.user_id == user.pk and access.may_on_their_own(user, lasting)
    return access.may(user, right, pager.game)


def add(wanted: Wanted, *, by: User) -> Pager:
    """Raises PermissionDenied, InvalidInput, OrderRefused for a name that is taken."""
    if wanted.game or not wanted.mine:  # one's own is told only of what one may see
        access.require(by, Right.SEE if wanted.mine else Right.MAINTAIN, wanted.game)
    if not access.may_on_their_own(by, Right.OPERATE):
        raise PermissionDenied(_("Your role does not allow this."))
    kind, shown = _checked(wanted)
    content = json.dumps({"url": wanted.url, "secret": wanted.secret}).encode()
    key_id, sealed = vault.seal(content, identity=vault.identity_of_pager(wanted.name))
    try:
        with transaction.atomic():
            pager = Pager.objects.create(
                name=wanted.name,
                kind=kind,
                game=wanted.game,
                user=by if wanted.mine else None,
                moments=[moment for moment in MOMENTS if moment in wanted.moments],
                language=wanted.language,
                sealed=sealed,
                key_id=key_id,
                shown=shown,
            )
            audit.record(by, "add_pager", pager.name, shown=shown, game=wanted.game)
    except IntegrityError:
        raise OrderRefused(_("the name “%s” is taken") % wanted.name) from None
    return pager


def _checked(wanted: Wanted) -> tuple[Pager.Kind, str]:
    """What `read` finds in its address. Raises InvalidInput."""
    try:
        valid_name(wanted.name)
    except ValueError as rule:
        raise InvalidInput(str(rule), field="name")
    if unknown := set(wanted.moments) - set(MOMENTS):
        raise InvalidInput(
            _("there is no moment “%(given)s”; known are: %(known)s")
            % {"given": sorted(unknown)[0], "known": ", ".join(MOMENTS)},
            field="moments",
        )
    if not wanted.moments:
        raise InvalidInput(_("say what it is to be told of"), field="moments")
    if wanted.language not in dict(settings.LANGUAGES):
        raise InvalidInput(_("there is no such language"), field="language")
    kind, shown = read(wanted.url)
    if kind == Pager.Kind.WEBHOOK and len(wanted.secret) < SHORTEST_SECRET:
        raise InvalidInput(
            _("a webhook is signed: give a secret of at least %(n)s characters")
            % {"n": SHORTEST_SECRET},
            field="secret",
        )
    return kind, shown


@transaction.atomic
def remove(pager: Pager, *, by: User) -> None:
    _require(by, Right.MAINTAIN, pager)
    audit.record(by, "remove_pager", pager.name, game=pager.game, shown=pager.shown)
    pager.delete()


def test(pager: Pager, *, by: User) -> None:
    """Ask a worker to call it, so that a person sees whether that works."""
    _require(by, Right.OPERATE, pager)
    calls.test(pager)


def _require(user: User, right: Right, pager: Pager) -> None:
    if not may(user, right, pager):
        raise PermissionDenied(_("Your role does not allow this."))


def open_address(pager: Pager) -> tuple[str, str]:
    """Its address and its secret. Only a worker can. Raises SecretLocked."""
    content = vault.open_sealed(
        pager.key_id, bytes(pager.sealed), identity=vault.identity_of_pager(pager.name)
    )
    opened = json.loads(content)
    return opened["url"], opened["secret"]


def read(url: str) -> tuple[Pager.Kind, str]:
    """What an address is, and what may be shown of it. Raises InvalidInput."""
    if len(url) > MAX_URL or not re.fullmatch(r"[\x21-\x7e]+", url):
        raise InvalidInput(_("give an address without spaces, such as https://…"), field="url")
    scheme = url.partition("://")[0].lower() if "://" in url else ""
    _check_scheme(scheme)
    if scheme not in ("http", "https"):
        return Pager.Kind.SERVICE, f"{scheme}://…"
    try:
        parts = urlsplit(url)
        port = f":{parts.port}" if parts.port else ""
    except ValueError as error:
        raise InvalidInput(str(error), field="url")
    if not parts.hostname or parts.username or parts.password:
        raise InvalidInput(
            _("a webhook's address has a host, and no user or password"), field="url"
        )
    return Pager.Kind.WEBHOOK, f"{scheme}://{parts.hostname}{port}/…"


def _check_scheme(scheme: str) -> None:
    allowed: list[str] = settings.CALL_SCHEMES
    if not re.fullmatch(r"[a-z][a-z0-9+.-]*", scheme):
        raise InvalidInput(_("give an address such as https://… or discord://…"), field="url")
    if scheme in LOCAL or (scheme not in allowed if allowed else scheme == "http"):
        known = ", ".join(allowed) or _("https, and the services that apprise knows")
        raise InvalidInput(
            _("an address may not begin with %(scheme)s here; allowed: %(known)s")
            % {"scheme": scheme, "known": known},
            field="url",
        )
