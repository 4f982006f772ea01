"""Who holds which right, in a game or in all of them."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum, IntEnum
from typing import Any, TypeVar

from django.contrib.auth.models import AbstractBaseUser, AnonymousUser, User
from django.core.exceptions import PermissionDenied
from django.db.models import Exists, OuterRef, Q, QuerySet
from django.utils.translation import gettext as _

from deploy_tasks.models import Game
from deploy_tasks.prepared import Given, Prepared
from webapp.models import ApiToken, Grant, Role, Scope


class Right(IntEnum):
    """Each right holds the ones before it."""

    SEE = 1
    OPERATE = 2
    #: Recipes, hosts and credentials.
    MAINTAIN = 3
    #: Who else may do what.
    ADMINISTER = 4


class Open(Enum):
    """What takes no right in any game."""

    #: Everybody who can reach this site.
    ANYBODY = "anybody"
    #: Whoever has logged in: what is theirs alone, or what says nothing of any game.
    LOGGED_IN = "logged in"


#: What a page, a call of the API or a socket takes; each one declares it.
Takes = Right | Open

GIVEN_BY = {
    Role.VIEWER: Right.SEE,
    Role.OPERATOR: Right.OPERATE,
    Role.MAINTAINER: Right.MAINTAIN,
    Role.ADMINISTRATOR: Right.ADMINISTER,
}

LEFT_BY = {
    Scope.READ: Right.SEE,
    Scope.OPERATE: Right.OPERATE,
    Scope.MAINTAIN: Right.MAINTAIN,
    Scope.ADMINISTER: Right.ADMINISTER,
}

#: As the request carries it: logged in, or not.
Visitor = AbstractBaseUser | AnonymousUser

V = TypeVar("V", bound=Callable[..., Any])


@dataclass(frozen=True)
class Limits:
    """The most that whoever acts in a user's name may do: in one game (None: in all of them)."""

    right: Right = Right.ADMINISTER
    game_id: int | None = None


UNLIMITED = Limits()


def takes(right: Takes) -> Callable[[V], V]:
    """Declares what a view takes. One that declares nothing is shown to nobody (`webapp.gate`).

    Whether somebody has the right in the game that a request is about, only the view can ask.
    """

    def declare(view: V) -> V:
        view.takes = right  # type: ignore[attr-defined]
        return view

    return declare


def limit(user: User, token: ApiToken) -> User:
    """The user, with no more rights from here on than the token leaves."""
    user.limits = Limits(LEFT_BY[Scope(token.scope)], token.game_id)  # type: ignore[attr-defined]
    return user


def may_on_their_own(user: Visitor, right: Right) -> bool:
    """Whether they may do such a thing with what is theirs alone: a token may leave less."""
    return user.is_active and limits_of(user).right >= right


# ---- in a game, or in all of them


def may(user: Visitor, right: Right, game: Game | None) -> bool:
    """Does the user have the right in this game, or (``game`` is None) in all games?"""
    if game is not None:
        held = right_in(game.pk, user)
        return held is not None and held >= right
    limits = limits_of(user)
    if not user.is_active or limits.game_id is not None or right > limits.right:
        return False
    return is_superuser(user) or _grants(user, right, game=None).exists()


def right_in(game_id: int, user: Visitor) -> Right | None:
    """The greatest right that the user has in this game."""
    limits = limits_of(user)
    if not user.is_active or limits.game_id not in (None, game_id):
        return None
    if is_superuser(user):
        return limits.right
    given = [GIVEN_BY[Role(role)] for (role,) in _roles(user=user.pk, game=game_id)]
    return min(max(given), limits.right) if given else None


def require(user: Visitor, right: Right, game: Game | None) -> None:
    if not may(user, right, game):
        raise PermissionDenied(_("Your role does not allow this."))


def games(user: Visitor, right: Right) -> QuerySet[Game]:
    """The games in which the user has the right."""
    limits = limits_of(user)
    if not user.is_active or right > limits.right:
        return Game.objects.none()
    found = Game.objects.all()
    if limits.game_id is not None:
        found = found.filter(pk=limits.game_id)
    if is_superuser(user):
        return found
    here = _grants(user, right, game=OuterRef("pk"))
    everywhere = _grants(user, right, game=None)
    return found.filter(Exists(here) | Exists(everywhere))


def is_superuser(user: Visitor) -> bool:
    return bool(getattr(user, "is_superuser", False))


def limits_of(user: Visitor) -> Limits:
    return getattr(user, "limits", UNLIMITED)


def grants_of(user: Visitor) -> Q:
    """Grants of the user, and of the groups the user is in."""
    if user.pk is None:
        return Q(pk__in=[])  # else it would be those of every group
    return _held_by(user.pk)


def _held_by(user: Any) -> Q:
    return Q(user=user) | Q(group__user=user)


#: The roles somebody holds in a game.
_roles = Prepared(
    lambda: Grant.objects.filter(
        _held_by(Given("user")), Q(game=Given("game")) | Q(game=None)
    ).values_list("role")
)


def _grants(user: Visitor, right: Right, *, game: OuterRef | None) -> QuerySet[Grant]:
    return Grant.objects.filter(grants_of(user), role__in=giving(right), game=game)


def giving(right: Right) -> list[Role]:
    return [role for role, given in GIVEN_BY.items() if given >= right]
