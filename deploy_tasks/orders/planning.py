"""What an order would do: computed the same way for the plan call and for the start itself."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from django.contrib.auth.models import User
from django.utils.translation import gettext as _
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, model_validator

from deploy_tasks import floors, key_rules, recipes, revisions, rollout, truth
from deploy_tasks.errors import InvalidInput
from deploy_tasks.models import Game, Host, HostRun, RecipeRevision, Release
from deploy_tasks.names import Name
from deploy_tasks.rollout import Cut, Placed, Rollout
from deploy_tasks.standing import irreversible
from deploy_tasks.times import iso


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
    start_at: AwareDatetime | None = None

    @model_validator(mode="after")
    def _one_choice_of_hosts(self) -> "JobOrder":
        chosen = [self.hosts is not None, self.labels is not None, self.all]
        if chosen.count(True) != 1:
            raise ValueError(_("say which hosts: exactly one of hosts, labels and all"))
        return self


@dataclass(frozen=True)
class PlanBatch:
    n: int
    size: int
    hosts: list[str]
    canary: bool


@dataclass(frozen=True)
class Plan:
    """``skipped``, ``excluded`` and ``refusals`` are ``{"host", "reason", …}``.

    An order with refusals would be refused as a whole; ``busy`` are those a job stands behind.
    """

    game: str
    version: str
    recipe: str
    rollout: dict[str, Any]
    batches: list[PlanBatch]
    start_at: str | None
    steps: list[dict[str, Any]]
    #: They have the version, as far as is known; each is asked again before anything is done.
    skipped: list[dict[str, Any]] = field(default_factory=list)
    excluded: list[dict[str, Any]] = field(default_factory=list)
    refusals: list[dict[str, Any]] = field(default_factory=list)
    #: Hosts that are not as the last job left them; in no job's way.
    drifted: list[dict[str, Any]] = field(default_factory=list)

    def as_json(self) -> dict[str, Any]:
        return asdict(self) | {"hosts": sum(batch.size for batch in self.batches)}


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

    @property
    def cut(self) -> Cut:
        """Names by batch."""
        placed = [Placed(host.name, host.labels) for host in self.hosts]
        return rollout.batches(placed, self.rollout)


def plan_job(order: JobOrder, *, by: User) -> Plan:
    """What `start_job` would do with this order; starts nothing. Raises InvalidInput."""
    choice = choose(order)
    cut = choice.cut
    return Plan(
        game=choice.game.name,
        version=choice.release.version,
        recipe=str(choice.revision),
        rollout=choice.rollout.model_dump(mode="json"),
        batches=[
            PlanBatch(number, len(names), names, canary=cut.canary and number == 1)
            for number, names in enumerate(cut.batches, 1)
        ],
        start_at=iso(order.start_at) if order.start_at else None,
        steps=[_step(choice, number) for number in range(len(choice.recipe.steps))],
        skipped=_at_it_already(choice),
        refusals=[{"host": b["host"], "reason": busy_reason(b), **b} for b in busy(choice.hosts)]
        + [
            {"host": unfit.host, "reason": unfit.error.message}
            for unfit in [*misfits(choice), *never_let_in(choice)]
        ],
        drifted=_drifted(choice.hosts),
    )


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


@dataclass(frozen=True)
class Misfit:
    host: str
    error: InvalidInput


def misfits(choice: Choice) -> list[Misfit]:
    """Hosts this order cannot be carried out on as they are, each with the first reason."""
    found = []
    knowable = key_rules.knowable(choice.hosts)
    purse = Purse.of(choice.game)
    for index, host in enumerate(choice.hosts):
        where = f"hosts[{index}]" if choice.order.hosts is not None else "hosts"
        try:
            _check(choice, host, where, knowable, purse)
        except InvalidInput as error:
            found.append(Misfit(host.name, error))
    return found


@dataclass(frozen=True)
class Purse:
    """The credentials a game may use. ``ways``: host -> credential, of hosts that others go
    through."""

    credentials: Mapping[int, str]
    ways: Mapping[int, int]

    @classmethod
    def of(cls, game: Game) -> "Purse":
        through = Host.objects.filter(behind__game=game)
        return cls(
            dict(game.credentials.values_list("pk", "name")),
            dict(through.values_list("pk", "credential")),
        )

    def lacks(self, host: Host) -> bool:
        """Whether one that it takes to reach the host is not the game's."""
        needed = [host.credential_id]
        if host.via_id is not None:
            needed.append(self.ways[host.via_id])
        return any(credential not in self.credentials for credential in needed)


def never_let_in(choice: Choice) -> list[Misfit]:
    """Hosts of which none may ever be down: the share of a small group is less than one."""
    limits = floors.own_limits(choice.rollout, choice.game.pk, choice.hosts)
    found = []
    for host in choice.hosts:
        for group in sorted(floors.groups(host)):
            if limits.get(group) == 0:
                label, value = floors.named(group)
                message = _(
                    "none of %(label)s=%(value)s may ever be down: %(share)s of so few is less"
                    " than one; allow a number instead"
                ) % {"label": label, "value": value, "share": choice.rollout.max_down[label]}
                error = InvalidInput(message, field="rollout.max_down")
                found.append(Misfit(host.name, error))
    return found


def _check(choice: Choice, host: Host, where: str, knowable: Collection[int], purse: Purse) -> None:
    for hop in (host.pk, host.via_id):
        if hop is not None and hop not in knowable:
            name = host.name if hop == host.pk else Host.objects.get(pk=hop).name
            raise InvalidInput(
                _("no host key of %s is pinned; approve its fingerprint first") % name,
                field=where,
            )
    if purse.lacks(host):
        raise InvalidInput(
            _("%(host)s is reached with a credential that is not for %(game)s")
            % {"host": host, "game": choice.game},
            field=where,
        )
    try:
        values = recipes.resolve(
            choice.recipe, game=choice.game.vars, host=host.vars, job=choice.order.vars
        )
        _check_secrets(choice, values.secrets, purse)
    except InvalidInput as error:
        # What the job itself set wrongly is the order's fault, not a host's.
        wrong_in_order = (error.field or "").removeprefix("vars.") in choice.order.vars
        field_ = error.field if wrong_in_order else where
        message = error.message if wrong_in_order else f"{host.name}: {error}"
        raise InvalidInput(message, field=field_)


def _check_secrets(choice: Choice, secrets: Mapping[str, str], purse: Purse) -> None:
    """A name is enough to have a secret opened: it must be one of this game's."""
    ours = set(purse.credentials.values())
    for var, name in secrets.items():
        if name not in ours:
            raise InvalidInput(
                _("there is no credential “%(name)s” for %(game)s")
                % {"name": name, "game": choice.game},
                field=f"vars.{var}",
            )


def busy(hosts: Iterable[Host]) -> list[dict[str, Any]]:
    """Those that another job has: ``{"host", "job", "by", "since"}``."""
    holding = HostRun.objects.filter(host__in=[host.pk for host in hosts], holds_host=True)
    return [
        {
            "host": run.name,
            "job": run.job_id,
            "by": run.job.by_name,
            "since": iso(run.job.created_at),
        }
        for run in holding.select_related("job").order_by("position")
    ]


def _drifted(hosts: Sequence[Host]) -> list[dict[str, Any]]:
    there = Host.objects.filter(pk__in=[host.pk for host in hosts])
    names = {host.pk: host.name for host in truth.drifted(there)}
    known = truth.of(Host.objects.filter(pk__in=names))
    return [{"host": name, "reason": known[pk].drift} for pk, name in names.items()]


def _at_it_already(choice: Choice) -> list[dict[str, Any]]:
    version = choice.release.version
    if choice.order.force or not choice.recipe.current:
        return []
    known = truth.of(Host.objects.filter(pk__in=[host.pk for host in choice.hosts]))
    there = {pk for pk, one in known.items() if one.wanted == one.on_disk == version}
    reason = _("has %s already, as it was last seen") % version
    return [{"host": host.name, "reason": reason} for host in choice.hosts if host.pk in there]


def busy_reason(found: Mapping[str, Any]) -> str:
    return _("busy with job #%(job)s of %(by)s") % found


def _step(choice: Choice, number: int) -> dict[str, Any]:
    """``ahead``: done before the host's batch opens."""
    step, border = choice.recipe.steps[number], floors.border(choice.recipe)
    before = border is not None and number < border and not step.always
    kind = "upload" if step.upload else "wait" if step.wait else "run"
    script = step.wait.run if step.wait else step.run or ""
    return {
        "name": step.name,
        "kind": kind,
        "script": script,
        "disruptive": step.disruptive,
        "always": step.always,
        "ahead": choice.rollout.stages_ahead and before,
    }
