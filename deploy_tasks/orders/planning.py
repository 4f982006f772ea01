"""What an order would do: computed from the same choice as the start itself."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from django.contrib.auth.models import User
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop

from deploy_tasks import floors, truth
from deploy_tasks.models import Host
from deploy_tasks.orders.choosing import Choice, JobOrder, choose
from deploy_tasks.orders.fitting import misfits, never_let_in
from deploy_tasks.orders.taken import busy, busy_reason
from deploy_tasks.times import iso

DOWN = gettext_noop("is down, and others wait for its place: it comes in the first batch")


@dataclass(frozen=True)
class PlanBatch:
    n: int
    size: int
    hosts: list[str]
    canary: bool


@dataclass(frozen=True)
class Plan:
    """``skipped``, ``refusals``, ``drifted`` and ``down`` are ``{"host", "reason", …}``.

    An order with refusals would be refused as a whole.
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
    refusals: list[dict[str, Any]] = field(default_factory=list)
    #: Hosts that are not as the last job left them; in no job's way.
    drifted: list[dict[str, Any]] = field(default_factory=list)
    #: Hosts that come in the first batch, whatever their place, because all others wait for them.
    down: list[dict[str, Any]] = field(default_factory=list)

    def as_json(self) -> dict[str, Any]:
        return asdict(self) | {"hosts": sum(batch.size for batch in self.batches)}


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
        down=[{"host": name, "reason": _(DOWN)} for name in cut.ahead],
    )


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
