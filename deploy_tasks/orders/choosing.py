"""An order, and the rows that it names."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from django.utils.translation import gettext as _
from pydantic import BaseModel, ConfigDict, Field, model_validator

from deploy_tasks import floors, recipes, revisions, rollout
from deploy_tasks.errors import InvalidInput
from deploy_tasks.models import Game, Host, RecipeRevision, Release
from deploy_tasks.names import Name
from deploy_tasks.rollout import Cut, Placed, Rollout
from deploy_tasks.standing import irreversible
from deploy_tasks.times import Moment


class JobOrder(BaseModel):
    """Which release for which hosts, and how carefully. Exactly one of hosts, labels and all."""

    model_config = ConfigDict(extra="forbid")

    game: str
    version: str
    hosts: list[str] | None = None
    labels: dict[str, str] | None = None
    all: bool = False
    vars: dict[str, Any] = Field(default_factory=dict)
    rollout: Rollout = Rollout()
    #: The name of a rollout; terms that ``rollout`` names beside it come in the place of its own.
    preset: Name | None = None
    note: str = Field(default="", max_length=2000)
    force: bool = False
    #: With ``stage: ahead`` the time of the switch; hosts stage before it.
    start_at: Moment | None = None

    @model_validator(mode="after")
    def _one_choice_of_hosts(self) -> "JobOrder":
        chosen = [self.hosts is not None, self.labels is not None, self.all]
        if chosen.count(True) != 1:
            raise ValueError(_("say which hosts: exactly one of hosts, labels and all"))
        if self.labels == {}:  # every host has none of them
            raise ValueError(_("names no label; for every host say all"))
        return self


@dataclass(frozen=True)
class Choice:
    """An order with the rows it names."""

    order: JobOrder
    game: Game
    release: Release
    revision: RecipeRevision
    recipe: recipes.Recipe
    hosts: list[Host]
    rollout: Rollout

    @cached_property
    def cut(self) -> Cut:
        """Names by batch."""
        return in_batches(self.game, self.hosts, self.rollout)


def in_batches(game: Game, hosts: Sequence[Host], terms: Rollout) -> Cut:
    """Names by batch. Those that are down come first where all others would wait for them."""
    cut = rollout.batches([Placed(host.name, host.labels) for host in hosts], terms)
    return cut.with_first(floors.in_the_way(terms, game.pk, hosts))


def choose(order: JobOrder) -> Choice:
    """Find the rows an order names. Raises InvalidInput with the field for what is not there."""
    game = Game.objects.select_related("recipe").filter(name=order.game).first()
    if game is None:
        raise InvalidInput(_("there is no game “%s”") % order.game, field="game")
    release = game.releases.select_related("game").filter(version=order.version).first()
    if release is None:
        raise InvalidInput(
            _("%(game)s has no release %(version)s") % {"game": game, "version": order.version},
            field="version",
        )
    revision = game.recipe.newest()
    recipe = revisions.recipe_of(revision)
    if any(step.upload for step in recipe.steps) and not release.sha256:
        raise InvalidInput(
            _("recipe %(recipe)s uploads an artifact, and release %(version)s has none")
            % {"recipe": recipe.name, "version": release.version},
            field="version",
        )
    choice = Choice(
        order, game, release, revision, recipe, _hosts(order, game), _rollout(order, game)
    )
    _check_canary(choice)
    _check_labels(choice)
    _check_way_back(choice)
    _check_stage(choice)
    return choice


def _rollout(order: JobOrder, game: Game) -> Rollout:
    if order.preset is None:
        return order.rollout
    known = rollout.presets(game.rollouts)
    if order.preset not in known:
        raise InvalidInput(
            _("%(game)s has no preset “%(name)s”; it has: %(known)s")
            % {"game": game, "name": order.preset, "known": ", ".join(known)},
            field="preset",
        )
    own = {name: getattr(order.rollout, name) for name in order.rollout.model_fields_set}
    return known[order.preset].model_copy(update=own)


def _check_canary(choice: Choice) -> None:
    """Who names a canary means it: none at all would be the opposite of careful."""
    canary = choice.rollout.canary
    if isinstance(canary, tuple):
        there = {host.name for host in choice.hosts}
        for index, name in enumerate(canary):
            if name not in there:
                raise InvalidInput(
                    _("“%s” is not among the hosts of this order") % name,
                    field=f"rollout.canary[{index}]",
                )
    elif canary and not choice.cut.canary:
        raise InvalidInput(_("no host of this order has these labels"), field="rollout.canary")


def _check_way_back(choice: Choice) -> None:
    """Who relies on going back by itself is told before the first host that it cannot be."""
    if choice.rollout.on_halt != "rollback":
        return
    recipe = choice.recipe
    if reason := irreversible(recipe, range(len(recipe.steps)), previous=choice.release.version):
        raise InvalidInput(reason, field="rollout.on_halt")
    if not any(step.undo for step in recipe.steps):
        raise InvalidInput(
            _("recipe %s does not say how a step is undone") % recipe.name, field="rollout.on_halt"
        )


def _check_labels(choice: Choice) -> None:
    """Who goes label by label means one that hosts have: a slip would update all in one batch."""
    label = choice.rollout.batch_by
    if label is not None and not any(label in host.labels for host in choice.hosts):
        raise InvalidInput(
            _("no host of this order has label “%s”") % label, field="rollout.batch_by"
        )


def _check_stage(choice: Choice) -> None:
    if choice.rollout.stages_ahead and floors.border(choice.recipe) is None:
        raise InvalidInput(
            _("recipe %s names no disruptive step, and so nothing that could be done ahead of it")
            % choice.recipe.name,
            field="rollout.stage",
        )


def _hosts(order: JobOrder, game: Game) -> list[Host]:
    there = list(Host.objects.filter(game=game).select_related("machine").order_by("name"))
    if order.hosts is not None:
        return _named(order.hosts, there, game)
    if order.labels is not None:
        there = [host for host in there if order.labels.items() <= host.labels.items()]
    if not there:
        raise InvalidInput(
            _("%s has no such host") % game, field="labels" if order.labels is not None else "all"
        )
    return there


def _named(names: Sequence[str], there: Iterable[Host], game: Game) -> list[Host]:
    by_name = {host.name: host for host in there}
    if not names:
        raise InvalidInput(_("names no host"), field="hosts")
    seen = set()
    for index, name in enumerate(names):
        if name not in by_name:
            raise InvalidInput(
                _("%(game)s has no host “%(host)s”") % {"game": game, "host": name},
                field=f"hosts[{index}]",
            )
        if name in seen:
            raise InvalidInput(_("“%s” is named twice") % name, field=f"hosts[{index}]")
        seen.add(name)
    return [by_name[name] for name in names]
