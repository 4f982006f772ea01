"""What somebody is shown; what is not among it is not there for them."""

from collections.abc import Hashable

from django.contrib.auth.models import User
from django.db.models import Exists, OuterRef, Q, QuerySet

from deploy_tasks.models import Game, Host, Job, Pager, Release
from webapp.access.rights import (
    Right,
    Visitor,
    games,
    giving,
    grants_of,
    is_superuser,
    limits_of,
)
from webapp.models import Grant, Role


def audience(user: Visitor) -> Hashable:
    """Those who have the same are shown the same, and may order the same."""
    if not user.is_active:
        return None
    # One's own pagers are told to oneself alone.
    alone = user.pk if Pager.objects.filter(user=user.pk).exists() else None
    if is_superuser(user):
        return Role.ADMINISTRATOR, limits_of(user), alone
    held = Grant.objects.filter(grants_of(user)).order_by("pk")
    return frozenset(held.values_list("game", "role")), limits_of(user), alone


def visible_games(user: Visitor) -> QuerySet[Game]:
    return games(user, Right.SEE)


def visible_jobs(user: Visitor) -> QuerySet[Job]:
    # Asked of each job as it comes: `game__in` would have all of them sorted to give the newest.
    return Job.objects.filter(Exists(visible_games(user).filter(pk=OuterRef("game"))))


def viewers(job_id: int) -> QuerySet[User]:
    """Everybody who sees the job: `visible_jobs`, asked the other way round."""
    here = Q(game__jobs=job_id) | Q(game=None)
    theirs = Q(user=OuterRef("pk")) | Q(group__user=OuterRef("pk"))
    granted = Grant.objects.filter(here, theirs, role__in=giving(Right.SEE))
    return User.objects.filter(Q(is_superuser=True) | Exists(granted), is_active=True)


def visible_hosts(user: Visitor) -> QuerySet[Host]:
    return Host.objects.filter(game__in=visible_games(user))


def visible_releases(user: Visitor) -> QuerySet[Release]:
    return Release.objects.filter(game__in=visible_games(user))
