"""What may happen next in a job: a pure function from how its batches stand."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from deploy_tasks.rollout.value import Rollout
from deploy_tasks.states import Gate, Pause


@dataclass(frozen=True)
class BatchStand:
    """How a batch stands. ``active``: a worker has it or soon will; ``held``: it waits to be let in
    to go down, and takes nobody's place meanwhile; ``succeeded``: also skipped; ``failed``: also
    rolled back; ``unknown``: the outcome is not known yet.

    Where hosts stage ahead, ``staging`` are on their way to the switch and ``staged`` may go down
    when their batch does; ``active`` are past it.

    ``gate`` is what comes after the batch; ``soak_until`` is set while it is soaking.
    """

    n: int
    waiting: int = 0
    staging: int = 0
    staged: int = 0
    active: int = 0
    held: int = 0
    succeeded: int = 0
    failed: int = 0
    unknown: int = 0
    canary: bool = False
    gate: Gate = Gate.CLOSED
    soak_until: datetime | None = None

    @property
    def hosts(self) -> int:
        return self._left + self.succeeded + self.failed

    @property
    def is_over(self) -> bool:
        return not self._left

    @property
    def _left(self) -> int:
        ahead = self.staging + self.staged
        return self.waiting + ahead + self.active + self.held + self.unknown

    @property
    def to_start(self) -> int:
        """Hosts that a budget can still save."""
        return self.waiting + self.staged + self.held

    @property
    def is_behind_us(self) -> bool:
        return self.is_over and self.gate == Gate.OPEN


@dataclass(frozen=True)
class Situation:
    """``not_before``: nothing starts earlier, for the job's own time or the stagger.

    ``switch_at``: where hosts stage ahead, none goes down earlier; None: before a person says so.
    """

    now: datetime
    pause: Pause = Pause.NONE
    paused_by: str = ""
    not_before: datetime | None = None
    switch_at: datetime | None = None


@dataclass(frozen=True)
class Decision:
    """``start``: batch n -> how many of its hosts may start now: of those that wait; of those that
    are staged, where hosts stage ahead. ``stage``: how many of all that wait may begin with that.

    ``gates``: the batches whose gate moves, as they stand then. ``halt``: why nothing may start
    until a person has acted. ``hold``: why the job is paused; ``calls``: whether somebody is to be
    told that it waits for them. ``over``: nothing is left to do.
    ``look_at``: when to ask again though nothing has happened.
    """

    start: dict[int, int] = field(default_factory=dict)
    stage: int = 0
    gates: tuple[BatchStand, ...] = ()
    halt: str | None = None
    hold: str | None = None
    calls: bool = False
    over: bool = False
    look_at: datetime | None = None


def decide(rollout: Rollout, batches: Sequence[BatchStand], situation: Situation) -> Decision:
    """What may happen now, from how the batches stand, in their order.

    A batch opens when every host run of those before it has ended and their gates are open; an
    unknown one holds it. A batch that has failed more than it may opens no gate by itself. A job
    that is to be rolled back then halts also where no host waits.
    """
    spent = failed_too_much(rollout, batches)
    if any(batch.to_start for batch in batches):
        return Decision(halt=spent) if spent else _advance(rollout, batches, situation)
    if unknown := _only_unknown(batches):
        return Decision(halt=unknown)
    if spent and rollout.on_halt == "rollback":
        return Decision(halt=spent)
    if spent:
        return _held(Decision(over=all(batch.is_over for batch in batches)), situation)
    return _advance(rollout, batches, situation)


def failed_too_much(rollout: Rollout, batches: Sequence[BatchStand]) -> str | None:
    """Which budget is spent, a canary's included; None: none is."""
    return (
        _budget_spent(rollout, batches)
        or _canary_failed(batches)
        or _batch_budget_spent(rollout, batches)
    )


def _advance(rollout: Rollout, batches: Sequence[BatchStand], situation: Situation) -> Decision:
    """Through the gates that may open, to the batch of which hosts may start."""
    moved: list[BatchStand] = []
    decision = Decision(over=True)
    for place, batch in enumerate(batches):
        if batch.is_behind_us:
            continue
        if not batch.is_over:
            decision = _start(rollout, batches, batch, situation)
            break
        later = any(one.to_start or one.staging for one in batches[place + 1 :])
        passed = _pass(rollout, batch, situation, later=later)
        if passed != batch:
            moved.append(passed)
        if passed.gate == Gate.SOAKING:
            decision = Decision(look_at=passed.soak_until)
            break
        if passed.gate == Gate.WAITING:
            hold = _("batch %(n)s is done; the next one waits to be promoted") % {"n": batch.n}
            decision = Decision(hold=hold)
            break
    if rollout.stages_ahead:
        decision = replace(decision, stage=_room_to_stage(rollout, batches))
    return replace(_held(decision, situation), gates=tuple(moved))


def _pass(rollout: Rollout, batch: BatchStand, situation: Situation, *, later: bool) -> BatchStand:
    """A batch that is over, at the place in its gate that it has reached by now."""
    soak = rollout.soak_of(batch.n)
    if batch.gate == Gate.CLOSED and soak and batch.succeeded:
        until = situation.now + timedelta(seconds=soak)
        return replace(batch, gate=Gate.SOAKING, soak_until=until)
    soaks = batch.gate == Gate.SOAKING and batch.succeeded  # else nobody is left to stay well
    if soaks and batch.soak_until and situation.now < batch.soak_until:
        return batch
    asks = rollout.gate_after(batch.n) == "manual" or situation.pause == Pause.BATCH
    waits = later and batch.hosts and asks
    return replace(batch, gate=Gate.WAITING if waits else Gate.OPEN, soak_until=None)


def _start(
    rollout: Rollout, batches: Sequence[BatchStand], batch: BatchStand, situation: Situation
) -> Decision:
    ready = batch.staged if rollout.stages_ahead else batch.waiting
    stages = rollout.stages_ahead and any(one.waiting or one.staging for one in batches)
    if rollout.stages_ahead and not switch_is_open(situation.switch_at, situation.now):
        hold = None if stages else _("staged; the switch has not begun")
        nobody_said = hold is not None and situation.switch_at is None
        return Decision(look_at=situation.switch_at, hold=hold, calls=nobody_said)
    if ready and situation.not_before and situation.now < situation.not_before:
        return Decision(look_at=situation.not_before)
    room = room_for(rollout, batches)
    starting = min(ready, room, 1 if rollout.stagger else room)
    if starting <= 0:
        return Decision(halt=None if ready or stages else _only_unknown(batches))
    look_at = None
    if rollout.stagger:
        look_at = situation.now + timedelta(seconds=rollout.stagger)
    return Decision(start={batch.n: starting}, look_at=look_at)


def switch_is_open(switch_at: datetime | None, now: datetime) -> bool:
    """Whether staged hosts may go down: the time has come that was ordered, or "now" was."""
    return switch_at is not None and switch_at <= now


def _room_to_stage(rollout: Rollout, batches: Sequence[BatchStand]) -> int:
    width = rollout.stage_width(sum(batch.hosts for batch in batches))
    room = width - sum(batch.staging for batch in batches)
    return max(0, min(room, sum(batch.waiting for batch in batches)))


def room_for(rollout: Rollout, batches: Sequence[BatchStand]) -> int:
    """How many more host runs may be under way; less than nothing where the width was cut."""
    width = rollout.width(sum(batch.hosts for batch in batches))
    return width - sum(batch.active for batch in batches)


def _held(decision: Decision, situation: Situation) -> Decision:
    """A person has said that nothing starts; gates go on passing behind it."""
    if situation.pause not in (Pause.HOST, Pause.STEP) or decision.halt or decision.over:
        return decision
    hold = _("paused by %s") % situation.paused_by
    return replace(decision, start={}, stage=0, hold=hold, calls=False)


def _budget_spent(rollout: Rollout, batches: Sequence[BatchStand]) -> str | None:
    failed = sum(batch.failed for batch in batches)
    budget = rollout.budget(sum(batch.hosts for batch in batches))
    if budget is None or failed <= budget:
        return None
    return ngettext(
        "%(failed)s host failed, at most %(budget)s may",
        "%(failed)s hosts failed, at most %(budget)s may",
        failed,
    ) % {"failed": failed, "budget": budget}


def _canary_failed(batches: Sequence[BatchStand]) -> str | None:
    failed = any(b.failed for b in batches if b.canary and b.gate != Gate.OPEN)
    return _("a canary host failed") if failed else None


def _batch_budget_spent(rollout: Rollout, batches: Sequence[BatchStand]) -> str | None:
    for batch in batches:
        budget = rollout.batch_budget(batch.hosts)
        if budget is None or batch.failed <= budget or batch.gate == Gate.OPEN:
            continue
        return ngettext(
            "%(failed)s host of batch %(n)s failed, at most %(budget)s may",
            "%(failed)s hosts of batch %(n)s failed, at most %(budget)s may",
            batch.failed,
        ) % {"failed": batch.failed, "n": batch.n, "budget": budget}
    return None


def _only_unknown(batches: Sequence[BatchStand]) -> str | None:
    unknown = sum(batch.unknown for batch in batches)
    if not unknown or any(batch.active or batch.staging for batch in batches):
        return None
    return ngettext(
        "the outcome of %(count)s host is unknown; only a person's answer leads on",
        "the outcome of %(count)s hosts is unknown; only a person's answer leads on",
        unknown,
    ) % {"count": unknown}
