"""Carries out steps of a host run, in plans: all that are left go over together."""

from collections.abc import Collection, Sequence

from django.utils.translation import gettext as _

from deploy_tasks import desk, recipes
from deploy_tasks.commands import Variables
from deploy_tasks.masking import Mask
from deploy_tasks.models import Attempt, HostRun
from deploy_tasks.runner import plans
from deploy_tasks.runner.carrying import Carrying
from deploy_tasks.runner.contact import Contact
from deploy_tasks.runner.ends import Cancelled, Failed, Paused
from deploy_tasks.runner.outcomes import Outcomes, undoing
from deploy_tasks.runner.plans import STANDING, LivePlan, Way
from deploy_tasks.runner.story import Story
from deploy_tasks.standing import has_begun, is_felt, standing, without_previous
from deploy_tasks.states import AttemptKind, AttemptState
from deploy_tasks.wishes import Wish


@desk.asked
def _attempts(host_run: int) -> list[Attempt]:
    return list(Attempt.objects.filter(host_run=host_run).order_by("pk"))


class Work:
    """``attempts`` are all of this host run, in the order in which they were made."""

    def __init__(
        self, run: HostRun, recipe: recipes.Recipe, story: Story, contact: Contact
    ) -> None:
        self._run, self._recipe, self._story = run, recipe, story
        # Before its first claim a host run has none.
        self.attempts = _attempts(run.pk) if run.fence else []
        #: What an earlier job did, where this host run takes it back.
        self._earlier = _attempts(run.undoes_id) if run.undoes_id else []
        self._carrying = Carrying(run, recipe, story, contact, self.attempts)
        self._outcomes = Outcomes(run, recipe, story, contact, self.attempts)

    def use(self, variables: Variables) -> None:
        """What scripts are given from here on."""
        mask = Mask(variables.secret.values())
        self._carrying.use(variables, mask)
        self._outcomes.mask = mask

    @property
    def launched(self) -> bool:
        return self._carrying.launched

    async def forward(self, steps: Sequence[int]) -> None:
        """Do steps, in this order. A cancel ends it: see `Cancelled`."""
        await self._carry_through(steps, Way.FORWARD)

    async def last_things(self, *, whatever: bool = False) -> None:
        """Do the ``always`` steps that have not been done; a cancel that is known ends nothing.

        Raises Failed for one that fails or has failed before, which is not done once more:
        ``whatever`` happened, after all others were done.
        """
        while True:
            failed = self._failed_last_things()
            left = [n for n in self._last_things_left() if n not in failed]
            reasons = [why for n, why in failed.items() if not self._recipe.steps[n].optional]
            if not left or (reasons and not whatever):
                break
            try:
                await self._carry_through(left, Way.ASIDE)
            except Failed:
                if failed == self._failed_last_things():
                    raise
        if reasons:
            raise Failed("; ".join(reasons))

    def _last_things_left(self) -> list[int]:
        """What was taken back after it was done is to be done again."""
        done: dict[int, bool] = {}
        for one in self.attempts:
            if one.state in STANDING:
                done[one.step] = one.kind == AttemptKind.DO
        return [n for n, step in enumerate(self._recipe.steps) if step.always and not done.get(n)]

    def _failed_last_things(self) -> dict[int, str]:
        left = self._last_things_left()
        tried = {n: self._outcomes.given_up(n, AttemptKind.DO) for n in left}
        return {n: one.reason for n, one in tried.items() if one}

    async def back(self) -> bool:
        """Undo what was launched, last first; False where nothing was undone, now or before."""
        steps = self.to_undo()
        for n in steps:
            # By a worker that died before it could tell the end.
            if attempt := self._outcomes.given_up(n, AttemptKind.UNDO):
                raise Failed(undoing(attempt))
        self._refuse_undo_without_previous(steps)
        await self._carry_through(steps, Way.BACK)
        # Also by a worker before us, which died before it could tell the end.
        return any(
            one.kind == AttemptKind.UNDO and one.state == AttemptState.SUCCEEDED
            for one in self.attempts
        )

    def to_undo(self) -> list[int]:
        """Steps that were launched, not skipped, not undone since, and can be; last first."""
        own = self.attempts
        if self._earlier:  # what it did itself are the steps that run at every end
            own = [one for one in own if one.kind == AttemptKind.UNDO]
        found = standing([*self._earlier, *own[: self._end_of_undoing(own)]])
        return [n for n in found if self._recipe.steps[n].undo]

    def _end_of_undoing(self, own: Sequence[Attempt]) -> int | None:
        """What was done after it are the last things: by a worker that could not tell the end."""
        for n, one in reversed(list(enumerate(own, 1))):
            if one.kind == AttemptKind.UNDO:
                return n
            if has_begun(one) and not self._recipe.steps[one.step].always:
                break
        return None

    def is_felt(self, felt: Collection[int]) -> bool:
        """Whether players feel what this host run has begun, and not taken back."""
        begun = any(one.step in felt and has_begun(one) for one in self.attempts)
        return begun and is_felt([*self._earlier, *self.attempts], felt)

    def _refuse_undo_without_previous(self, steps: Sequence[int]) -> None:
        for n in steps:
            if without_previous(self._recipe.steps[n].undo, self._run.previous or ""):
                raise Failed(
                    _("step “%s” cannot be undone: no version was on the host before")
                    % self._recipe.steps[n].name
                )

    async def finish_open_plan(self, *, is_told: bool, has_waited: bool) -> None:
        """A plan of an earlier worker that may be running still: the host tells how it ended.

        ``is_told``: of one that has ended, what follows from a failure is stored as well. An
        earlier worker may have died between the two, or let go: ``has_waited`` then, where a step
        is to be tried again.
        """
        plan = plans.stored_plan(self._run, self.attempts)
        plan.way = self._way_of(plan)
        if not plan.is_open:
            self._conclude(plan, is_told=is_told, has_waited=has_waited)
            return
        await self._carrying.carry_out(plan)
        self._go_on_after(plan, self._outcomes.sum_up(plan))

    def _way_of(self, plan: LivePlan) -> Way:
        if any(one.kind == AttemptKind.UNDO for one in plan.attempts):
            return Way.BACK
        if plan.attempts and all(self._recipe.steps[one.step].always for one in plan.attempts):
            return Way.ASIDE
        return Way.FORWARD

    def _conclude(self, plan: LivePlan, *, is_told: bool, has_waited: bool) -> None:
        """A step that failed, or is lost, is not done again before somebody has said so: once that
        is said, the host run has no plan any more."""
        if plan.way == Way.FORWARD and not is_told and not self._carrying.wish.cancels:
            self._go_on_after(plan, self._outcomes.sum_up(plan, has_waited=has_waited))
        else:
            self._outcomes.refuse_to_guess(plan.attempts)

    def begin_again_at(self) -> int:
        """The step of a retry: behind one that it may do without and must not do again, and that
        failed as its job was cancelled."""
        n = self._run.step
        step = self._recipe.steps[n] if n < len(self._recipe.steps) else None
        is_passed = step and step.optional and step.repeat == "never"
        return n + 1 if is_passed and self._outcomes.given_up(n, AttemptKind.DO) else n

    def _go_on_after(self, plan: LivePlan, done: Sequence[int]) -> None:
        if plan.way == Way.FORWARD:
            self._run.step = max([self._run.step, *(n + 1 for n in done)])

    async def _carry_through(self, steps: Sequence[int], way: Way) -> None:
        left = list(steps)
        while left:
            self._story.carriage.look()
            if not self._carrying.is_end(way):
                self.heed_wish()
            else:
                self._story.spend_force()
                if self._carrying.wish_for(way).cancels:
                    raise Cancelled
            plan = self._new_plan(left, way)
            await self._carrying.carry_out(plan)
            done = self._outcomes.sum_up(plan)
            left = [n for n in left if n not in done]

    # Plans

    def _new_plan(self, steps: Sequence[int], way: Way) -> LivePlan:
        plan = plans.new_plan(self._run.pk, self._recipe, steps, self.attempts, way)
        changes = {"plan": plan.id, "plan_nonce": plan.nonce, "plan_cksum": plan.cksum}
        planned = self._story.tell(changes=changes, offset=0, attempts=plan.attempts)
        self._carrying.begin(planned)
        self.attempts += plan.attempts
        return plan

    def heed_wish(self) -> None:
        """Between two steps: raises what a person wishes."""
        if self._carrying.wish.cancels:
            raise Cancelled
        if self._carrying.wish == Wish.PAUSE:
            raise Paused
