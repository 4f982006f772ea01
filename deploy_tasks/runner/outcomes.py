"""What follows from how attempts ended: whether it goes on, and where a person has to say so."""

from collections.abc import Sequence

from django.utils.translation import gettext as _

from deploy_tasks import desk, recipes
from deploy_tasks.masking import Mask
from deploy_tasks.models import Attempt, Event, HostRun
from deploy_tasks.runner import left_over, plans
from deploy_tasks.runner.contact import Contact
from deploy_tasks.runner.ends import Failed, Unknown
from deploy_tasks.runner.plans import STANDING, LivePlan
from deploy_tasks.runner.story import Story
from deploy_tasks.standing import has_begun, was_refused
from deploy_tasks.states import AttemptKind, AttemptState, HostRunState


class Outcomes:
    """Of one host run. ``attempts`` are all of it, also those that are still to come; ``mask``: of
    what its host says."""

    mask: Mask

    def __init__(
        self,
        run: HostRun,
        recipe: recipes.Recipe,
        story: Story,
        contact: Contact,
        attempts: list[Attempt],
    ) -> None:
        self._run, self._recipe = run, recipe
        self._story, self._contact = story, contact
        self._attempts = attempts

    def sum_up(self, plan: LivePlan, *, has_waited: bool = False) -> list[int]:
        """The steps that need no more work; raises what ends the way."""
        done = []
        for attempt in [one for one in plan.attempts if was_refused(one)] or plan.attempts:
            step = self._recipe.steps[attempt.step]
            if attempt.state in STANDING:
                done.append(attempt.step)
            elif attempt.kind == AttemptKind.UNDO and attempt.state == AttemptState.FAILED:
                raise Failed(undoing(attempt))
            elif attempt.state == AttemptState.FAILED and not self._tries_again(
                step, attempt, has_waited=has_waited
            ):
                if not step.optional:
                    raise Failed(attempt.reason)
                moved = plans.changes_without(plan, attempt)
                self._story.tell(changes={"warned": True, **moved})
                done.append(attempt.step)
            else:
                self.refuse_to_guess(plan.attempts)
                break
        return done

    def refuse_to_guess(self, attempts: Sequence[Attempt]) -> None:
        """Raises Unknown where a lost one must not be done again by itself: as its recipe says, and
        beside what it has left running."""
        lost = [one for one in attempts if one.state == AttemptState.LOST]
        if not lost:
            return
        unsafe = [one for one in lost if self._recipe.steps[one.step].repeat != "safe"]
        plan = lost[0].uid.partition(".")[0]
        left = left_over.named(self._contact, plan, self.mask, certain=not unsafe)
        doubtful = lost if left else unsafe
        if not doubtful:
            return
        raise Unknown(_doubt(doubtful, left))

    def _tries_again(self, step: recipes.Step, attempt: Attempt, *, has_waited: bool) -> bool:
        """A new attempt by itself after a known failure, as often as the recipe says."""
        if step.retries is None or self._failures(attempt) > step.retries.times:
            return False
        if not has_waited:
            self._story.carriage.wait(step.retries.delay)
        return True

    def given_up(self, step: int, kind: AttemptKind) -> Attempt | None:
        """Its last attempt, where that failed and there is to be no other by itself: neither for
        the rest of the host run, nor after the death of a worker."""
        begun = [one for one in self._attempts if (one.step, one.kind) == (step, kind)]
        last = next((one for one in reversed(begun) if has_begun(one)), None)
        if last is None or last.state != AttemptState.FAILED:
            return None
        retries = self._recipe.steps[step].retries if kind == AttemptKind.DO else None
        return last if self._failures(last) > (retries.times if retries else 0) else None

    @desk.asked
    def _failures(self, attempt: Attempt) -> int:
        """How often its step has failed since a person last said "again" of this host, which takes
        it back to waiting; also under others."""
        moves = Event.objects.filter(host_run=self._run.pk, kind=Event.Kind.HOST)
        again = moves.filter(data__to=HostRunState.WAITING.value).order_by("seq")
        said = again.values_list("at", flat=True).last()
        return sum(
            (one.step, one.kind, one.state) == (attempt.step, attempt.kind, AttemptState.FAILED)
            and (said is None or one.ended_at is None or one.ended_at > said)
            for one in self._attempts
        )


def undoing(attempt: Attempt) -> str:
    return _("undoing: %s") % attempt.reason


def _doubt(lost: Sequence[Attempt], left: str | None) -> str:
    """``left``: see `left_over.named`."""
    what = {"step": "”, “".join(one.name for one in lost), "reason": lost[0].reason, "left": left}
    if left is None:
        return (
            _(
                "whether step “%(step)s” ran to its end is not known: %(reason)s; "
                "nor does the host say what runs there still"
            )
            % what
        )
    if left:
        return (
            _(
                "whether step “%(step)s” ran to its end is not known: %(reason)s; "
                "what it had started runs there still: %(left)s"
            )
            % what
        )
    return _("whether step “%(step)s” ran to its end is not known: %(reason)s") % what
