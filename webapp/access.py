"""Who may see and do what: the one module that decides, for pages, the API and the socket alike.

A right comes from a grant in one game or in all games; without a grant nothing is visible.
"""

from collections.abc import Hashable
from enum import IntEnum

from django.contrib.auth.models import AbstractBaseUser, AnonymousUser, User
from django.core.exceptions import PermissionDenied
from django.db.models import Exists, OuterRef, Q, QuerySet
from django.utils.translation import gettext as _

from deploy_tasks.models import Game, Host, Job, Release
from webapp.models import Grant, Role


class Right(IntEnum):
    """Each right holds the ones before it."""

    SEE = 1
    OPERATE = 2
    ADMINISTER = 3


GIVEN_BY = {
    Role.VIEWER: Right.SEE,
    Role.OPERATOR: Right.OPERATE,
    Role.ADMINISTRATOR: Right.ADMINISTER,
}

#: As the request carries it: logged in, or not.
Visitor = AbstractBaseUser | AnonymousUser


def may(user: Visitor, right: Right, game: Game | None) -> bool:
    """Does the user have the right in this game, or (``game`` is None) in all games?"""
    if game is None:
        return user.is_active and (is_superuser(user) or _grants(user, right, game=None).exists())
    held = right_in(game.pk, user)
    return held is not None and held >= right


def right_in(game_id: int, user: Visitor) -> Right | None:
    """The greatest right that the user has in this game."""
    if not user.is_active:
        return None
    if is_superuser(user):
        return Right.ADMINISTER
    grants = Grant.objects.filter(Q(game=game_id) | Q(game=None), user=user.pk)
    given = [GIVEN_BY[Role(role)] for role in grants.values_list("role", flat=True)]
    return max(given, default=None)


def require(user: Visitor, right: Right, game: Game | None) -> None:
    if not may(user, right, game):
        raise PermissionDenied(_("Your role does not allow this."))


def games(user: Visitor, right: Right) -> QuerySet[Game]:
    """The games in which the user has the right."""
    if not user.is_active:
        return Game.objects.none()
    if is_superuser(user):
        return Game.objects.all()
    here = _grants(user, right, game=OuterRef("pk"))
    everywhere = _grants(user, right, game=None)
    return Game.objects.filter(Exists(here) | Exists(everywhere))


def audience(user: Visitor) -> Hashable:
    """Those who have the same are shown the same, and may order the same."""
    if is_superuser(user) and user.is_active:
        return Role.ADMINISTRATOR
    held = Grant.objects.filter(user=user.pk, user__is_active=True).order_by("pk")
    return frozenset(held.values_list("game", "role"))


def visible_games(user: Visitor) -> QuerySet[Game]:
    return games(user, Right.SEE)


def visible_jobs(user: Visitor) -> QuerySet[Job]:
    return Job.objects.filter(game__in=visible_games(user))


def viewers(job_id: int) -> QuerySet[User]:
    """Everybody who sees the job: `visible_jobs`, asked the other way round."""
    here = Q(game__jobs=job_id) | Q(game=None)
    granted = Grant.objects.filter(here, user=OuterRef("pk"), role__in=_giving(Right.SEE))
    return User.objects.filter(Q(is_superuser=True) | Exists(granted), is_active=True)


def visible_hosts(user: Visitor) -> QuerySet[Host]:
    return Host.objects.filter(game__in=visible_games(user))


def visible_releases(user: Visitor) -> QuerySet[Release]:
    return Release.objects.filter(game__in=visible_games(user))


def is_superuser(user: Visitor) -> bool:
    return bool(getattr(user, "is_superuser", False))


def _grants(user: Visitor, right: Right, *, game: OuterRef | None) -> QuerySet[Grant]:
    return Grant.objects.filter(user=user.pk, role__in=_giving(right), game=game)


def _giving(right: Right) -> list[Role]:
    return [role for role, given in GIVEN_BY.items() if given >= right]
