"""What somebody may change: rows, by what it takes to change rows of their kind."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar, cast

from django.contrib.auth.models import Group, User
from django.db.models import Exists, Model, OuterRef, Q, QuerySet

from deploy_tasks import revisions
from deploy_tasks.inventory import Reach
from deploy_tasks.models import Credential, Game, Host, KeyRule, Machine, Recipe, Release
from webapp.access.rights import Right, Visitor, games, may
from webapp.models import ApiToken, Grant

M = TypeVar("M", bound=Model)


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
