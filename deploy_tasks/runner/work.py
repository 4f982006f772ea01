"""Carries out steps of a host run: plans on the host, uploads over our connection."""

from collections.abc import Sequence
from typing import Any

from django.utils.translation import gettext as _

from deploy_tasks import clock, commands, recipes, ssh
from deploy_tasks.commands import Variables
from deploy_tasks.errors import HostFailed, LinkLost
from deploy_tasks.failpoints import failpoint
from deploy_tasks.masking import Mask
from deploy_tasks.models import Attempt, Event, HostRun
from deploy_tasks.runner import plans, uploading
from deploy_tasks.runner.contact import ASK_LIMIT, Contact
from deploy_tasks.runner.ends import Cancelled, Failed, Unknown
from deploy_tasks.runner.following import End, Follower, abandon
from deploy_tasks.runner.plans import LivePlan, Way
from deploy_tasks.runner.story import Story
from deploy_tasks.states import AttemptKind, AttemptState
from deploy_tasks.wishes import Wish

STANDING = (AttemptState.SUCCEEDED, AttemptState.SKIPPED)
NEVER_BEGUN = (AttemptState.NEW, AttemptState.ABANDONED)


class Work:
    """``attempts`` are all of this host run, in the order in which they were made."""

    def __init__(
        self, run: HostRun, recipe: recipes.Recipe, story: Story, contact: Contact
    ) -> None:
        self._run, self._recipe = run, recipe
        self._story, self._contact = story, contact
        # Before its first claim a host run has none.
        self.attempts = list(run.attempts.order_by("pk")) if run.fence else []
        self._follower: commands.Follower = "tail"
        self._retries: dict[int, int] = {}
        #: The wish that the host knows of.
        self._told_wish = Wish.NONE

    def use(self, variables: Variables) -> None:
        """What scripts are given from here on."""
        self._variables = variables
        self._mask = Mask(variables.secret.values())

    @property
    def launched(self) -> bool:
        return any(one.state not in NEVER_BEGUN for one in self.attempts)

    def forward(self, steps: Sequence[int]) -> None:
        """Do steps, in this order. A cancel ends it: see `Cancelled`."""
        self._carry_through(steps, Way.FORWARD)

    def last_things(self) -> None:
        """Do the ``always`` steps that have not been done; a cancel that is known ends nothing."""
        standing = {one.step for one in self.attempts if one.state in STANDING}
        steps = enumerate(self._recipe.steps)
        self._told_wish = Wish(self._story.carriage.wish)
        self._carry_through(
            [n for n, step in steps if step.always and n not in standing], Way.ASIDE
        )

    def back(self) -> bool:
        """Undo what was launched, last first; False where nothing was undone, now or before."""
        steps = self.to_undo()
        self._told_wish = Wish(self._story.carriage.wish)
        self._refuse_undo_without_previous(steps)
        self._carry_through(steps, Way.BACK)
        # Also by a worker before us, which died before it could tell the end.
        return any(
            one.kind == AttemptKind.UNDO and one.state == AttemptState.SUCCEEDED
            for one in self.attempts
        )

    def to_undo(self) -> list[int]:
        """Steps that were launched, not skipped, not undone since, and can be; last first."""
        needed: set[int] = set()
        for one in self.attempts:
            if one.kind == AttemptKind.UNDO:
                if one.state == AttemptState.SUCCEEDED:
                    needed.discard(one.step)
            elif one.state not in (*NEVER_BEGUN, AttemptState.SKIPPED):
                needed.add(one.step)
        return [n for n in sorted(needed, reverse=True) if self._recipe.steps[n].undo]

    def _refuse_undo_without_previous(self, steps: Sequence[int]) -> None:
        for n in steps:
            if "previous" in (self._recipe.steps[n].undo or "") and not self._run.previous:
                raise Failed(
                    _("step “%s” cannot be undone: no version was on the host before")
                    % self._recipe.steps[n].name
                )

    def finish_open_plan(self) -> None:
        """A plan of an earlier worker that may be running still: the host tells how it ended."""
        run = self._run
        plan = plans.stored_plan(run, self.attempts)
        if not plan.is_open:
            return
        if plan.attempts[0].kind == AttemptKind.UNDO:
            plan.way = Way.BACK
        elif all(self._recipe.steps[one.step].always for one in plan.attempts):
            plan.way = Way.ASIDE
        if plan.way != Way.FORWARD:
            self._told_wish = Wish(self._story.carriage.wish)
        done = self._sum_up(self._carry_out(plan))
        if plan.way == Way.FORWARD:
            run.step = max([run.step, *(n + 1 for n in done)])

    def _carry_through(self, steps: Sequence[int], way: Way) -> None:
        left = list(steps)
        while left:
            self._story.carriage.look()
            if way == Way.FORWARD and self._story.carriage.wish:
                raise Cancelled
            if way != Way.BACK and self._recipe.steps[left[0]].upload:
                attempts = [self._upload(left[0], way)]
            else:
                together = left if way == Way.BACK else plans.together(self._recipe, left)
                attempts = self._carry_out(self._new_plan(together, way))
            done = self._sum_up(attempts)
            left = [n for n in left if n not in done]

    # Plans

    def _new_plan(self, steps: Sequence[int], way: Way) -> LivePlan:
        plan = plans.new_plan(self._run.pk, self._recipe, steps, self.attempts, way)
        changes = {"plan": plan.id, "plan_nonce": plan.nonce, "plan_cksum": plan.cksum}
        entry = self._story.tell(changes=changes, offset=0, attempts=plan.attempts)
        self.attempts += plan.attempts
        # The ids are in the database before anything is sent.
        entry.wait()
        failpoint("plan.committed")
        return plan

    def _carry_out(self, plan: LivePlan) -> list[Attempt]:
        """Launch or attach, and follow until the runner is through, however often it takes."""
        end = None
        while plan.is_open:
            session = self._contact.session(launched=self.launched or plan.seen)
            follower = Follower(plan, self._story, self._mask, told_wish=self._told_wish)
            try:
                end = follower.follow(session, self._program(plan))
                if end == End.WISH:
                    self._pass_on_wish(session, plan)
                elif end == End.ABSENT:
                    self._absent(session, plan)
            except LinkLost as lost:
                self._contact.lost(lost)
            if end == End.FOLLOWER:
                self._follower = "loop"
        if end == End.CANCELLED:
            raise Cancelled
        return plan.attempts

    def _program(self, plan: LivePlan) -> commands.Program:
        if plan.seen:
            offset = plan.position.offset
            return commands.attach(plan.id, plan.nonce, offset, follower=self._follower)
        scripts = [plans.script(self._recipe.steps[one.step], plan.way) for one in plan.attempts]
        return commands.launch(
            plan.id, plan.nonce, scripts, self._variables, follower=self._follower
        )

    def _pass_on_wish(self, session: ssh.Session, plan: LivePlan) -> None:
        wish = Wish(self._story.carriage.wish)
        program = commands.cancel(plan.id, plan.nonce, force=wish.forces)
        try:
            session.run(program.command, stdin=program.stdin, timeout=ASK_LIMIT)
        except TimeoutError as error:
            raise LinkLost(str(error)) from error
        failpoint("wish.sent")
        self._told_wish = wish
        self._story.activity("cancelling")

    def _absent(self, session: ssh.Session, plan: LivePlan) -> None:
        """The host has nothing of the plan: never begun, or taken away under a running step."""
        if not plan.seen and not abandon(session, plan):
            plan.seen = True  # it has started after all
            return
        told = {}
        for one in plan.attempts:
            if one.state in plans.OPEN:
                begun = one.state == AttemptState.RUNNING
                one.state = AttemptState.LOST if begun else AttemptState.ABANDONED
                told[one.pk] = {"state": one.state.value}
        self._story.tell(attempt_changes=told)

    # What follows from how attempts ended

    def _sum_up(self, attempts: Sequence[Attempt]) -> list[int]:
        """The steps that need no more work; raises what ends the way."""
        done = []
        for attempt in attempts:
            step = self._recipe.steps[attempt.step]
            if attempt.state in STANDING:
                done.append(attempt.step)
            elif attempt.kind == AttemptKind.UNDO and attempt.state == AttemptState.FAILED:
                raise Failed(_("undoing: %s") % attempt.reason)
            elif attempt.state == AttemptState.FAILED and not self._tries_again(step, attempt):
                if not step.optional:
                    raise Failed(attempt.reason)
                self._story.tell(changes={"warned": True, "step": attempt.step + 1})
                done.append(attempt.step)
            elif attempt.state == AttemptState.LOST and step.repeat != "safe":
                reason = attempt.reason or _("its files are gone from the host")
                raise Unknown(
                    _("whether step “%(step)s” ran to its end is not known: %(reason)s")
                    % {"step": step.name, "reason": reason}
                )
            else:
                break
        return done

    def _tries_again(self, step: recipes.Step, attempt: Attempt) -> bool:
        """A new attempt by itself after a known failure, as often as the recipe says."""
        used = self._retries.get(attempt.step, 0)
        if step.retries is None or used >= step.retries.times:
            return False
        self._retries[attempt.step] = used + 1
        self._story.carriage.wait(step.retries.delay)
        return True

    # Uploads

    def _upload(self, number: int, way: Way) -> Attempt:
        """Sending again does no harm: an upload that its worker left is gone on with."""
        step = self._recipe.steps[number]
        left = [one for one in self.attempts if one.step == number and one.state in plans.OPEN]
        launched = any(one.state not in NEVER_BEGUN for one in self.attempts if one not in left)
        attempt = left[0] if left else self._new_upload(number, way)
        if attempt.state == AttemptState.NEW:
            attempt.state, attempt.started_at = AttemptState.RUNNING.value, clock.now()
            told = {"state": attempt.state, "started_at": attempt.started_at}
            news = self._story.step_news(attempt, attempt.state)
            self._story.tell(attempt_changes={attempt.pk: told}, news=[news])
        try:
            attempt.state, said = self._bring(step, launched=launched)
        except HostFailed as failure:
            said = self._fail_upload(attempt, failure)
        except (Failed, Cancelled, Unknown) as end:
            said = self._fail_upload(attempt, end)
            self._tell_upload(attempt, said.encode(), way)
            raise
        failpoint("upload.sent")
        self._tell_upload(attempt, said.encode(), way)
        return attempt

    def _new_upload(self, number: int, way: Way) -> Attempt:
        plan = plans.new_plan(self._run.pk, self._recipe, [number], self.attempts, way)
        (attempt,) = plan.attempts
        self._story.tell(attempts=[attempt], changes=way.changes_at_start(attempt)).wait()
        self.attempts.append(attempt)
        failpoint("upload.committed")
        return attempt

    def _fail_upload(self, attempt: Attempt, failure: Exception) -> str:
        """Gives the line for its log."""
        attempt.state = AttemptState.FAILED.value
        said = str(failure) or _("ended by a cancel")
        attempt.reason = _("step “%(step)s”: %(failure)s") % {"step": attempt.name, "failure": said}
        return f"{said}\n"

    def _tell_upload(self, attempt: Attempt, line: bytes, way: Way) -> None:
        attempt.ended_at = clock.now()
        output = self._story.news(Event.Kind.OUTPUT, {}, attempt)
        output.data, output.output = None, line
        output.offset, output.raw_length = 0, len(line)
        more: dict[str, Any] = {"reason": attempt.reason} if attempt.reason else {}
        if attempt.started_at:
            lasted = attempt.ended_at - attempt.started_at
            more["seconds"] = round(lasted.total_seconds(), 2)
        changes = way.changes_at_end(attempt) if attempt.state in STANDING else {}
        told = {
            "state": attempt.state,
            "reason": attempt.reason,
            "ended_at": attempt.ended_at,
            "log_offset": len(line),
        }
        self._story.tell(
            changes=changes,
            attempt_changes={attempt.pk: told},
            news=[output, self._story.step_news(attempt, attempt.state, **more)],
        )

    def _bring(self, step: recipes.Step, *, launched: bool) -> tuple[str, str]:
        """The state of the attempt and a line for its log."""
        release = self._run.job.release
        program, mark = commands.has_artifact(release.sha256)
        if mark in self._contact.ask(program, launched=launched).stdout:
            return AttemptState.SKIPPED.value, _("it is on the host already") + "\n"
        if step.done_if:
            program, _mark = commands.ask(step.done_if, self._variables)
            if self._contact.ask(program, launched=launched).exit_status == 0:
                return AttemptState.SKIPPED.value, _("its work is there already") + "\n"
        said = uploading.bring(
            self._contact,
            release,
            f"{self._run.pk}.{self._story.carriage.fence}",
            limit=step.timeout,
            launched=launched,
            look=lambda: self._look_at_wish(step),
        )
        return AttemptState.SUCCEEDED.value, said

    def _look_at_wish(self, step: recipes.Step) -> None:
        wish = Wish(self._story.carriage.wish)
        if wish != self._told_wish and (step.interrupt == "now" or wish.forces):
            raise Cancelled
