"""Who may see and do what: the one module that decides, for pages, the API, the socket and the
admin alike.

A right comes from a role in one game or in all games, of a user or of a group the user is in;
without one nothing is visible. An API token may leave less of it (`Limits`), never more. What
belongs to several games, a recipe or a credential, is changed by those who may change all of them.
"""

from collections.abc import Callable, Hashable
from dataclasses import dataclass
from enum import Enum, IntEnum
from typing import Any, TypeVar, cast

from django.contrib.auth.models import AbstractBaseUser, AnonymousUser, Group, User
from django.core.exceptions import PermissionDenied
from django.db.models import Exists, Model, OuterRef, Q, QuerySet
from django.utils.translation import gettext as _

from deploy_tasks import revisions
from deploy_tasks.inventory import Reach
from deploy_tasks.models import (
    Credential,
    Game,
    Host,
    Job,
    KeyRule,
    Machine,
    Pager,
    Recipe,
    Release,
)
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
M = TypeVar("M", bound=Model)


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
    return user.is_active and _limits(user).right >= right


# ---- in a game, or in all of them


def may(user: Visitor, right: Right, game: Game | None) -> bool:
    """Does the user have the right in this game, or (``game`` is None) in all games?"""
    if game is not None:
        held = right_in(game.pk, user)
        return held is not None and held >= right
    limits = _limits(user)
    if not user.is_active or limits.game_id is not None or right > limits.right:
        return False
    return is_superuser(user) or _grants(user, right, game=None).exists()


def right_in(game_id: int, user: Visitor) -> Right | None:
    """The greatest right that the user has in this game."""
    limits = _limits(user)
    if not user.is_active or limits.game_id not in (None, game_id):
        return None
    if is_superuser(user):
        return limits.right
    grants = Grant.objects.filter(_of(user), Q(game=game_id) | Q(game=None))
    given = [GIVEN_BY[Role(role)] for role in grants.values_list("role", flat=True)]
    return min(max(given), limits.right) if given else None


def require(user: Visitor, right: Right, game: Game | None) -> None:
    if not may(user, right, game):
        raise PermissionDenied(_("Your role does not allow this."))


def games(user: Visitor, right: Right) -> QuerySet[Game]:
    """The games in which the user has the right."""
    limits = _limits(user)
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


# ---- what is visible


def audience(user: Visitor) -> Hashable:
    """Those who have the same are shown the same, and may order the same."""
    if not user.is_active:
        return None
    # One's own pagers are told to oneself alone.
    alone = user.pk if Pager.objects.filter(user=user.pk).exists() else None
    if is_superuser(user):
        return Role.ADMINISTRATOR, _limits(user), alone
    held = Grant.objects.filter(_of(user)).order_by("pk")
    return frozenset(held.values_list("game", "role")), _limits(user), alone


def visible_games(user: Visitor) -> QuerySet[Game]:
    return games(user, Right.SEE)


def visible_jobs(user: Visitor) -> QuerySet[Job]:
    # Asked of each job as it comes: `game__in` would have all of them sorted to give the newest.
    return Job.objects.filter(Exists(visible_games(user).filter(pk=OuterRef("game"))))


def viewers(job_id: int) -> QuerySet[User]:
    """Everybody who sees the job: `visible_jobs`, asked the other way round."""
    here = Q(game__jobs=job_id) | Q(game=None)
    theirs = Q(user=OuterRef("pk")) | Q(group__user=OuterRef("pk"))
    granted = Grant.objects.filter(here, theirs, role__in=_giving(Right.SEE))
    return User.objects.filter(Q(is_superuser=True) | Exists(granted), is_active=True)


def visible_hosts(user: Visitor) -> QuerySet[Host]:
    return Host.objects.filter(game__in=visible_games(user))


def visible_releases(user: Visitor) -> QuerySet[Release]:
    return Release.objects.filter(game__in=visible_games(user))


# ---- what may be changed


@dataclass(frozen=True)
class Rule:
    """What it takes to change rows of a kind. ``among``: those rows that belong to no game but
    these; None: they belong to all games. ``adds``: what making and removing one takes in all
    games, where that is more."""

    right: Right
    among: Callable[[QuerySet[Any], QuerySet[Game]], QuerySet[Any]] | None
    adds: Right | None = None


def _of_the_games(rows: QuerySet[Any], mine: QuerySet[Game]) -> QuerySet[Any]:
    return rows.filter(game__in=mine)


def _recipes_of(rows: QuerySet[Any], mine: QuerySet[Game]) -> QuerySet[Any]:
    """Also those that no game uses yet: until one does, they change nothing."""
    others = Game.objects.filter(recipe=OuterRef("pk")).exclude(pk__in=mine)
    return rows.exclude(Exists(others))


def _credentials_of(rows: QuerySet[Any], mine: QuerySet[Game]) -> QuerySet[Any]:
    """Not those of no game: they may be the next game's, and nobody else's."""
    lent = Credential.games.through.objects.filter(credential=OuterRef("pk"))
    return rows.filter(Exists(lent), ~Exists(lent.exclude(game__in=mine)))


#: Of what stands in no rule, nothing can be changed.
RULES: dict[type[Model], Rule] = {
    Host: Rule(Right.MAINTAIN, _of_the_games),
    Release: Rule(Right.MAINTAIN, _of_the_games),
    Game: Rule(Right.MAINTAIN, lambda rows, mine: rows.filter(pk__in=mine), adds=Right.ADMINISTER),
    Recipe: Rule(Right.MAINTAIN, _recipes_of),
    Credential: Rule(Right.MAINTAIN, _credentials_of),
    KeyRule: Rule(Right.MAINTAIN, _of_the_games),
    Machine: Rule(Right.MAINTAIN, None),
    Grant: Rule(Right.ADMINISTER, _of_the_games),
    User: Rule(Right.ADMINISTER, None),
    Group: Rule(Right.ADMINISTER, None),
    ApiToken: Rule(Right.ADMINISTER, None),
}


def changeable(user: Visitor, model: type[M]) -> QuerySet[M]:
    """The rows of a model that the user may change."""
    rows, rule = model._default_manager.all(), RULES.get(model)
    if rule is None:
        return rows.none()
    if may(user, rule.right, None):
        return rows
    mine = games(user, rule.right)
    return rule.among(rows, mine) if rule.among and mine.exists() else rows.none()


def may_change(user: Visitor, row: Model) -> bool:
    return changeable(user, type(row)).filter(pk=row.pk).exists()


def may_change_some(user: Visitor, model: type[Model]) -> bool:
    """Whether there can be rows of the model that the user may change."""
    rule = RULES.get(model)
    if rule is None:
        return False
    return may(user, rule.right, None) or (
        rule.among is not None and games(user, rule.right).exists()
    )


def may_add(user: Visitor, model: type[Model]) -> bool:
    rule = RULES.get(model)
    if rule is None or rule.adds is None:
        return may_change_some(user, model)
    return may(user, rule.adds, None)


def may_remove(user: Visitor, row: Model) -> bool:
    return may_add(user, type(row)) and may_change(user, row)


def maintains(user: Visitor) -> bool:
    """Whether there is anything for them in the admin."""
    return may(user, Right.MAINTAIN, None) or games(user, Right.MAINTAIN).exists()


def recipes_to_choose(user: Visitor) -> set[str]:
    """Names. To choose one is to take part in it: who changes it then changes the game's jobs."""
    return {*revisions.shipped(), *changeable(user, Recipe).values_list("name", flat=True)}


def choices(user: Visitor, model: type[M]) -> QuerySet[M]:
    """The rows of a model that the user may name in a form."""
    if model is Credential:
        return cast("QuerySet[M]", usable_credentials(user))
    if model is Machine:
        return cast("QuerySet[M]", usable_machines(user))
    if model in (User, Group):  # a role may be given to everybody
        known = may_change_some(user, Grant)
        return model._default_manager.all() if known else model._default_manager.none()
    return changeable(user, model)


def usable_credentials(user: Visitor) -> QuerySet[Credential]:
    """Those that the user may name somewhere; in which games is in their ``games``."""
    mine = games(user, Right.MAINTAIN)
    lent = Credential.games.through.objects.filter(credential=OuterRef("pk"), game__in=mine)
    own = changeable(user, Credential).values("pk")
    return Credential.objects.filter(Q(pk__in=own) | Exists(lent))


def usable_machines(user: Visitor) -> QuerySet[Machine]:
    """A box may carry hosts of several games: those that carry one of theirs, or none yet."""
    if may(user, Right.MAINTAIN, None):
        return Machine.objects.all()
    mine = Host.objects.filter(machine=OuterRef("pk"), game__in=games(user, Right.MAINTAIN))
    return Machine.objects.filter(Q(hosts=None) | Exists(mine))


def reach(user: Visitor) -> Reach:
    """What an entry of the inventory may name that is given in by this user."""
    return Reach(changeable(user, Credential), usable_machines(user))


def is_superuser(user: Visitor) -> bool:
    return bool(getattr(user, "is_superuser", False))


def _limits(user: Visitor) -> Limits:
    return getattr(user, "limits", UNLIMITED)


def _of(user: Visitor) -> Q:
    """Grants of the user, and of the groups the user is in."""
    if user.pk is None:
        return Q(pk__in=[])  # else it would be those of every group
    return Q(user=user.pk) | Q(group__user=user.pk)


def _grants(user: Visitor, right: Right, *, game: OuterRef | None) -> QuerySet[Grant]:
    return Grant.objects.filter(_of(user), role__in=_giving(right), game=game)


def _giving(right: Right) -> list[Role]:
    return [role for role, given in GIVEN_BY.items() if given >= right]
