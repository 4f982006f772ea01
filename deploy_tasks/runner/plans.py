"""Which steps go over together, and how a plan stands in the rows."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from deploy_tasks import cksum, commands, recipes
from deploy_tasks.commands import Probe, Script
from deploy_tasks.frames import Position
from deploy_tasks.models import Attempt, HostRun
from deploy_tasks.standing import has_begun
from deploy_tasks.states import AttemptKind, AttemptState

OPEN = (AttemptState.NEW, AttemptState.RUNNING)
STANDING = (AttemptState.SUCCEEDED, AttemptState.SKIPPED)


class Way(Enum):
    """Where the steps of a plan lead, and how they move ``HostRun.step``.

    Aside: what runs at the end whatever happened moves nothing.
    """

    FORWARD = "forward"
    BACK = "back"
    ASIDE = "aside"

    def changes_at_start(self, attempt: Attempt, at: int) -> dict[str, Any]:
        """``at``: where its host run was. What is taken back may come after that."""
        begun = {Way.FORWARD: attempt.step, Way.BACK: min(at, attempt.step)}
        return {"step": begun[self]} if self in begun else {}

    def changes_at_end(self, attempt: Attempt) -> dict[str, Any]:
        """After an attempt that ended well."""
        return {"step": attempt.step + 1} if self == Way.FORWARD else {}


@dataclass
class LivePlan:
    """A plan that is on a host, or about to be: its attempts in order, and where we read.

    ``sent``: it may have reached the host. ``seen``: the host has answered for it, so that its
    absence would be a loss. ``doubted``: it was said to have started, and nothing was seen of it.
    ``breaks_off``: its runner is gone, and no more of its log could be read.
    """

    id: str
    nonce: str
    attempts: list[Attempt]
    position: Position = field(default_factory=Position)
    cksum: int = cksum.EMPTY
    sent: bool = False
    seen: bool = False
    doubted: bool = False
    breaks_off: bool = False
    way: "Way" = Way.FORWARD

    @property
    def is_open(self) -> bool:
        return any(attempt.state in OPEN for attempt in self.attempts)


def changes_without(plan: LivePlan, failed: Attempt) -> dict[str, Any]:
    """Where its host run is that goes on without one that failed: never behind what came after it,
    which stands, or must not be repeated."""
    if plan.way != Way.FORWARD or not has_begun(failed):
        return {}
    begun = [one for one in plan.attempts if has_begun(one)]
    return {"step": max(one.step + (one is failed or one.state in STANDING) for one in begun)}


def stored_plan(run: HostRun, attempts: Sequence[Attempt]) -> LivePlan:
    """The plan as the rows know it: all that is needed to go on following it."""
    own = [attempt for attempt in attempts if attempt.uid.startswith(f"{run.plan}.")]
    own.sort(key=lambda attempt: int(attempt.uid.rpartition(".")[2]))
    begun = [
        (number, attempt)
        for number, attempt in enumerate(own, 1)
        if attempt.state not in (AttemptState.NEW, AttemptState.ABANDONED)
    ]
    position = Position(offset=run.plan_offset)
    if begun:
        number, last = begun[-1]
        position.number, position.output = number, last.log_offset
        position.live = last.state == AttemptState.RUNNING
    seen = bool(begun) or run.plan_offset > 0
    return LivePlan(run.plan, run.plan_nonce, own, position, run.plan_cksum, sent=True, seen=seen)


def new_plan(
    run_id: int,
    recipe: recipes.Recipe,
    steps: Sequence[int],
    earlier: Sequence[Attempt],
    way: Way,
) -> LivePlan:
    """Ids for a new plan of these steps; nothing is sent before they are committed."""
    plan = commands.new_plan_id()
    kind = AttemptKind.UNDO if way == Way.BACK else AttemptKind.DO
    attempts = [
        Attempt(
            host_run_id=run_id,
            uid=f"{plan}.{number}",
            step=step,
            name=recipe.steps[step].name,
            kind=kind,
            number=next_number(step, kind, earlier),
            script_sha256=_sha256(recipe.steps[step], way),
        )
        for number, step in enumerate(steps, 1)
    ]
    return LivePlan(plan, commands.new_nonce(), attempts, way=way)


def next_number(step: int, kind: AttemptKind, earlier: Sequence[Attempt]) -> int:
    numbers = (one.number for one in earlier if (one.step, one.kind) == (step, kind))
    return max(numbers, default=0) + 1


def script(step: recipes.Step, way: Way) -> Script:
    if way == Way.BACK:
        return Script(text=step.undo or "", limit=step.timeout, interrupt="after")
    wait = step.wait
    text = commands.staged() if step.upload else wait.run if wait else step.run
    return Script(
        text=text or "",
        limit=step.timeout,
        done_if=step.done_if,
        probe=Probe(wait.every, wait.stable_for, wait.at_most, wait.times) if wait else None,
        interrupt=step.interrupt,
        # One that is tried again by itself has to come back to us first.
        optional=step.optional and step.retries is None,
        brings=bool(step.upload),
    )


def _sha256(step: recipes.Step, way: Way) -> str:
    text = script(step, way).text or step.upload or ""
    return hashlib.sha256(text.encode()).hexdigest()
