"""Carries out steps of a host run, in plans: all that are left go over together."""

from collections.abc import Sequence
from functools import partial

from django.utils.translation import gettext as _

from deploy_tasks import commands, desk, recipes, ssh
from deploy_tasks.commands import Variables
from deploy_tasks.errors import ConnectFailed, HostFailed, LinkLost
from deploy_tasks.failpoints import failpoint
from deploy_tasks.journal import Entry
from deploy_tasks.masking import Mask
from deploy_tasks.models import Attempt, Event, HostRun
from deploy_tasks.runner import left_over, plans, target
from deploy_tasks.runner.contact import Contact
from deploy_tasks.runner.ends import Cancelled, Failed, Paused, Unknown
from deploy_tasks.runner.following import End, Follower, abandon, pass_on
from deploy_tasks.runner.plans import STANDING, LivePlan, Way
from deploy_tasks.runner.story import Later, LetGo, Story
from deploy_tasks.runner.uploading import Upload
from deploy_tasks.standing import has_begun, standing, was_refused, without_previous
from deploy_tasks.states import AttemptKind, AttemptState, HostRunState
from deploy_tasks.wishes import Wish

#: Seconds between two tries of what the host answers and does not do.
PAUSE = 1.0
#: So many plans that came to nothing are enough to give a host up.
NOT_BEGUN_LIMIT = 2


@desk.asked
def _attempts(host_run: int) -> list[Attempt]:
    return list(Attempt.objects.filter(host_run=host_run).order_by("pk"))


class Work:
    """``attempts`` are all of this host run, in the order in which they were made."""

    def __init__(
        self, run: HostRun, recipe: recipes.Recipe, story: Story, contact: Contact
    ) -> None:
        self._run, self._recipe = run, recipe
        self._story, self._contact = story, contact
        # Before its first claim a host run has none.
        self.attempts = _attempts(run.pk) if run.fence else []
        #: What an earlier job did, where this host run takes it back.
        self._earlier = _attempts(run.undoes_id) if run.undoes_id else []
        #: Stores the ids of the newest plan, as long as nobody has waited for it.
        self._planned: Entry | None = None
        self._follower: commands.Follower = "tail"
        #: Plans that the host has taken and not begun.
        self._not_begun = 0
        #: The wish that the host knows of.
        self._told_wish = Wish.NONE

    def use(self, variables: Variables) -> None:
        """What scripts are given from here on."""
        self._variables = variables
        self._mask = Mask(variables.secret.values())

    @property
    def launched(self) -> bool:
        return any(has_begun(one) for one in self.attempts)

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
        tried = {n: self._given_up(n, AttemptKind.DO) for n in left}
        return {n: one.reason for n, one in tried.items() if one}

    async def back(self) -> bool:
        """Undo what was launched, last first; False where nothing was undone, now or before."""
        steps = self.to_undo()
        for n in steps:
            # By a worker that died before it could tell the end.
            if attempt := self._given_up(n, AttemptKind.UNDO):
                raise Failed(_undoing(attempt))
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
        await self._carry_out(plan)
        self._go_on_after(plan, self._sum_up(plan))

    def _way_of(self, plan: LivePlan) -> Way:
        if any(one.kind == AttemptKind.UNDO for one in plan.attempts):
            return Way.BACK
        if plan.attempts and all(self._recipe.steps[one.step].always for one in plan.attempts):
            return Way.ASIDE
        return Way.FORWARD

    def _conclude(self, plan: LivePlan, *, is_told: bool, has_waited: bool) -> None:
        """A step that failed, or is lost, is not done again before somebody has said so: once that
        is said, the host run has no plan any more."""
        if plan.way == Way.FORWARD and not is_told and not self._wish.cancels:
            self._go_on_after(plan, self._sum_up(plan, has_waited=has_waited))
        else:
            self._refuse_to_guess(plan.attempts)

    def _go_on_after(self, plan: LivePlan, done: Sequence[int]) -> None:
        if plan.way == Way.FORWARD:
            self._run.step = max([self._run.step, *(n + 1 for n in done)])

    async def _carry_through(self, steps: Sequence[int], way: Way) -> None:
        left = list(steps)
        while left:
            self._story.carriage.look()
            if not self._is_end(way):
                self.heed_wish()
            else:
                self._story.spend_force()
                if self._wish_for(way).cancels:
                    raise Cancelled
            plan = self._new_plan(left, way)
            await self._carry_out(plan)
            done = self._sum_up(plan)
            left = [n for n in left if n not in done]

    # Plans

    def _new_plan(self, steps: Sequence[int], way: Way) -> LivePlan:
        self._told_wish = Wish.NONE
        plan = plans.new_plan(self._run.pk, self._recipe, steps, self.attempts, way)
        changes = {"plan": plan.id, "plan_nonce": plan.nonce, "plan_cksum": plan.cksum}
        self._planned = self._story.tell(changes=changes, offset=0, attempts=plan.attempts)
        self.attempts += plan.attempts
        return plan

    def _await_ids(self) -> None:
        planned, self._planned = self._planned, None
        if planned:
            planned.wait()
            failpoint("plan.committed")

    async def _carry_out(self, plan: LivePlan) -> None:
        """Launch or attach, and follow until the runner is through, however often it takes."""
        end = None
        upload = self._upload(plan)
        while plan.is_open:
            follower = Follower(
                plan,
                self._story,
                self._mask,
                wish=partial(self._wish_for, plan.way),
                told_wish=self._told_wish,
                upload=upload,
            )
            try:
                end = await self._go_on_with(plan, follower, upload)
            except (Cancelled, Failed, Paused):
                # Of the contact, and only where the host has nothing of the plan.
                follower.teller.abandon_the_rest()
                raise
            except (Later, LetGo):
                # Whoever goes on must not take for launched what the host has never seen: it
                # would wait ten times as long, and then ask a person how it ended.
                if not (plan.sent or self.launched):
                    follower.teller.abandon_the_rest()
                raise
        is_over = end == End.CANCELLED and not self._is_end(plan.way)
        if is_over and (self._told_wish.cancels or self._wish.cancels):
            raise Cancelled

    async def _go_on_with(
        self, plan: LivePlan, follower: Follower, upload: Upload | None
    ) -> End | None:
        """As far as one connection goes; None where it broke."""
        launched = self.launched or plan.sent
        try:
            session = self._contact.session(launched=launched)
        finally:
            # Stored while the connection was made: before anything is sent, and before the plan's
            # attempts are told of by their ids, also where there is no connection.
            self._await_ids()
        try:
            # What shall end is not launched once more, only to learn whether it was.
            end = End.WISH
            if plan.seen or self._wish_for(plan.way) == self._told_wish:
                end = await follower.follow(session, self._program(plan, upload))
            if end == End.WISH:
                end = self._pass_on_wish(session, plan, follower)
            elif end == End.REFUSED and upload:
                end = self._take_refusal(plan, follower, upload)
            elif end == End.FOLLOWER:
                self._follow_otherwise()
            elif end in (End.ABSENT, End.STUCK, End.SILENT):
                self._ask_for(plan, session, follower, end, launched=launched)
        except (LinkLost, ConnectFailed) as lost:
            self._contact.lost(lost, launched=self.launched or plan.sent)
            return None
        return end

    @property
    def _wish(self) -> Wish:
        return Wish(self._story.carriage.wish)

    def _is_end(self, way: Way) -> bool:
        """Whether its steps are those of an end: they lead nowhere, or back without anybody having
        started a job for that."""
        return way == Way.ASIDE or (way == Way.BACK and not self._run.undoes_id)

    def _wish_for(self, way: Way) -> Wish:
        """What a person wishes of steps of this way.

        Who cancels wants what was done taken back, and last things are done whatever happens: what
        does so goes on, unless it shall be left as it is. Force ends whatever runs.
        """
        wish = self._wish
        leaves = way == Way.BACK and wish.cancels and not wish.undoes
        return wish if not self._is_end(way) or wish.forces or leaves else Wish.NONE

    def heed_wish(self) -> None:
        """Between two steps: raises what a person wishes."""
        if self._wish.cancels:
            raise Cancelled
        if self._wish == Wish.PAUSE:
            raise Paused

    def _upload(self, plan: LivePlan) -> Upload | None:
        """What a plan needs on the host before it begins."""
        if plan.way == Way.BACK:
            return None
        for one in plan.attempts:
            step = self._recipe.steps[one.step]
            if step.upload:
                artifact = target.artifact_of(self._run.job.release)
                return Upload(artifact, one, limit=step.timeout)
        return None

    def _program(self, plan: LivePlan, upload: Upload | None) -> commands.Program:
        if plan.seen:
            offset = plan.position.offset
            return commands.attach(plan.id, plan.nonce, offset, follower=self._follower)
        scripts = [plans.script(self._recipe.steps[one.step], plan.way) for one in plan.attempts]
        return commands.launch(
            plan.id,
            plan.nonce,
            scripts,
            self._variables,
            artifact=upload.artifact if upload else None,
            run=self._run.pk,
            follower=self._follower,
        )

    def _pass_on_wish(self, session: ssh.Session, plan: LivePlan, follower: Follower) -> End:
        wish = self._wish_for(plan.way)
        if wish == Wish.NONE:
            # A pause was taken back: should the plan end between two steps, another goes on.
            self._told_wish = wish
            return End.WISH
        with self._contact.cut_when_woken(session, launched=True):
            if not plan.seen and not (plan.sent and self._has_begun(session, plan)):
                follower.teller.abandon_the_rest()
                return End.CANCELLED
            is_told = pass_on(session, plan, wish)
        if is_told:
            self._told_wish = wish
            if not self._is_end(plan.way):
                self._story.activity("cancelling" if wish.cancels else "pausing")
        else:
            self._story.carriage.wait(PAUSE)
        return End.WISH

    def _take_refusal(self, plan: LivePlan, follower: Follower, upload: Upload) -> End:
        """The artifact's step has failed, and none has begun; unless a launch before this one, of
        which nothing was heard any more, has had it all."""
        if plan.sent and self._has_begun(self._contact.session(launched=True), plan):
            return End.WANTED
        follower.teller.refuse(upload.attempt, follower.refusal)
        return End.FAILED

    def _has_begun(self, session: ssh.Session, plan: LivePlan) -> bool:
        """Of a plan that may be on its way to the host, or there: from here on it is certain."""
        said = abandon(session, plan)
        if not said:
            raise LinkLost(_("the host does not say whether a step has begun"))
        plan.seen = said == "started"
        return plan.seen

    def _follow_otherwise(self) -> None:
        if self._follower == "loop":  # this one ends, too: then it is asked again and again
            self._story.carriage.wait(PAUSE)
        self._follower = "loop"

    def _ask_for(
        self,
        plan: LivePlan,
        session: ssh.Session,
        follower: Follower,
        end: End,
        *,
        launched: bool,
    ) -> None:
        """Nothing is heard of a plan: the host keeps it so, or it knows that it has started."""
        if end == End.ABSENT and plan.seen:
            follower.teller.lose_all(_("its files are gone from the host"))
            return
        reason = {
            End.ABSENT: _("the host has taken the steps and not begun with them"),
            End.STUCK: _("Patchwave's own runner did not start on the host"),
            End.SILENT: _("the host does not run commands: %s") % follower.said,
        }[end]
        said = abandon(session, plan)
        if said == "abandoned":
            follower.teller.abandon_the_rest()
            self._not_begun += 1
            if self._not_begun >= NOT_BEGUN_LIMIT:
                raise HostFailed(reason)
        elif said == "started" and end == End.STUCK and plan.doubted:
            follower.teller.lose_all(_("Patchwave's own runner left no trace on the host"))
        elif said == "started":
            plan.seen, plan.doubted = True, end == End.STUCK
        elif launched:
            raise LinkLost(reason)
        else:
            raise HostFailed(reason)

    # What follows from how attempts ended

    def _sum_up(self, plan: LivePlan, *, has_waited: bool = False) -> list[int]:
        """The steps that need no more work; raises what ends the way."""
        done = []
        for attempt in [one for one in plan.attempts if was_refused(one)] or plan.attempts:
            step = self._recipe.steps[attempt.step]
            if attempt.state in STANDING:
                done.append(attempt.step)
            elif attempt.kind == AttemptKind.UNDO and attempt.state == AttemptState.FAILED:
                raise Failed(_undoing(attempt))
            elif attempt.state == AttemptState.FAILED and not self._tries_again(
                step, attempt, has_waited=has_waited
            ):
                if not step.optional:
                    raise Failed(attempt.reason)
                moved = plans.changes_without(plan, attempt)
                self._story.tell(changes={"warned": True, **moved})
                done.append(attempt.step)
            else:
                self._refuse_to_guess(plan.attempts)
                break
        return done

    def _refuse_to_guess(self, attempts: Sequence[Attempt]) -> None:
        """Raises Unknown where a lost one must not be done again by itself: as its recipe says, and
        beside what it has left running."""
        lost = [one for one in attempts if one.state == AttemptState.LOST]
        if not lost:
            return
        unsafe = [one for one in lost if self._recipe.steps[one.step].repeat != "safe"]
        plan = lost[0].uid.partition(".")[0]
        left = left_over.named(self._contact, plan, self._mask, certain=not unsafe)
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

    def _given_up(self, step: int, kind: AttemptKind) -> Attempt | None:
        """Its last attempt, where that failed and there is to be no other by itself: neither for
        the rest of the host run, nor after the death of a worker."""
        begun = [one for one in self.attempts if (one.step, one.kind) == (step, kind)]
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
            for one in self.attempts
        )


def _undoing(attempt: Attempt) -> str:
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
