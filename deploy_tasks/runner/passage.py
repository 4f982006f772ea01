"""One host's passage through one job, from the claim to its end."""

from collections.abc import Sequence
from typing import Any

from django.utils.translation import gettext as _

from deploy_tasks import clock, commands, owner, recipes, ssh
from deploy_tasks.errors import HostFailed, InvalidInput, LinkLost, LostClaim
from deploy_tasks.journal import Entry, Writer
from deploy_tasks.masking import Mask
from deploy_tasks.models import Attempt, Event, HostRun
from deploy_tasks.runner import plans, target, uploading
from deploy_tasks.runner.contact import ASK_LIMIT, Contact
from deploy_tasks.runner.ends import Cancelled, Failed, Skipped, Unknown
from deploy_tasks.runner.following import End, Follower, abandon
from deploy_tasks.runner.plans import LivePlan
from deploy_tasks.runner.story import Carriage, LetGo, Story
from deploy_tasks.states import AttemptState, HostRunState

STANDING = (AttemptState.SUCCEEDED, AttemptState.SKIPPED)
NEVER_BEGUN = (AttemptState.NEW, AttemptState.ABANDONED)


def claimable(run: HostRun) -> bool:
    """Whether nobody has it, or whoever had it is gone."""
    if run.state not in (HostRunState.QUEUED, HostRunState.RUNNING):
        return False
    free = run.lease_until is None or run.lease_until < clock.now()
    return free or owner.is_dead(run.owner)


def carry(run: HostRun, *, writer: Writer, carriage: Carriage) -> None:
    """Claim a host run and bring it as far as it goes. Ends quietly where another has it.

    ``carriage.fence`` is the token that the claim takes: one more than the row's.
    """
    story = Story(run, writer, carriage)
    try:
        Passage(run, story).go()
    except LostClaim:
        return
    except LetGo:
        story.let_go()


class Passage:
    def __init__(self, run: HostRun, story: Story) -> None:
        self._run, self._story = run, story
        self._recipe = recipes.parse(run.job.revision.text, file=str(run.job.revision))
        self._attempts = list(run.attempts.order_by("pk"))
        self._follower: commands.Follower = "tail"
        self._retries: dict[int, int] = {}
        #: The wish that the host knows of; what comes last is not stopped by it.
        self._told_wish = ""
        self._last_things = False

    def go(self) -> None:
        refusal = self._set_target()
        claim = self._claim()
        if refusal:
            self._story.end(HostRunState.FAILED, error=refusal)
            return
        try:
            place = target.of_run(self._run.target or {})
            self._set_variables()
        except HostFailed as failure:
            self._story.end(HostRunState.FAILED, error=str(failure))
            return
        self._contact = Contact(place, self._story, claim)
        try:
            self._pass_through()
        finally:
            self._contact.close()

    def _set_target(self) -> str:
        """Where to go and what to give, as they are at the first claim; or why that cannot be."""
        if self._run.target is not None:
            return ""
        try:
            self._run.target = target.snapshot(self._run, self._recipe)
        except (HostFailed, InvalidInput) as error:
            return str(error)
        return ""

    def _claim(self) -> Entry:
        run = self._run
        if run.state == HostRunState.QUEUED:
            news = self._story.news(Event.Kind.HOST, {"to": HostRunState.RUNNING.value})
        else:
            text = _("another worker goes on where the last one stopped")
            news = self._story.news(Event.Kind.NOTE, {"text": text})
        began = run.started_at or clock.now()
        return self._story.claim({"started_at": began, "target": run.target}, [news])

    def _set_variables(self) -> None:
        self._variables = target.variables(self._run, self._run.target or {})
        self._mask = Mask(self._variables.secret.values())

    def _pass_through(self) -> None:
        try:
            self._do()
        except Skipped:
            self._story.end(HostRunState.SKIPPED, reason=_("already at it"))
        except Unknown as unknown:
            self._story.end(HostRunState.UNKNOWN, reason=str(unknown))
        except Cancelled:
            problem = self._do_last_things()
            self._story.end(HostRunState.CANCELLED, error=problem)
        except (Failed, HostFailed) as failure:
            self._run.error = str(failure)
            self._story.tell(changes={"error": self._run.error})
            problem = self._do_last_things()
            error = "; ".join(filter(None, [self._run.error, problem]))
            self._story.end(HostRunState.FAILED, error=error, down=self._is_down())
        else:
            self._story.end(HostRunState.SUCCEEDED, version=self._run.version)

    def _do(self) -> None:
        self._finish_open_plan()
        if self._run.error:
            raise Failed(self._run.error)  # found by an earlier worker, which got no further
        if self._recipe.current and self._run.previous is None:
            self._ask_previous()
        steps = enumerate(self._recipe.steps)
        self._steps([n for n, step in steps if not step.always and n >= self._run.step])
        self._always()
        self._check_version()

    def _do_last_things(self) -> str:
        """The ``always`` steps after an end that is no success; gives what went wrong with them."""
        if not self._launched:
            return ""
        try:
            self._always()
        except (Failed, HostFailed, Unknown, Cancelled) as problem:
            return str(problem)
        return ""

    def _always(self) -> None:
        """The steps that come last whatever happened; a cancel does not stop them."""
        self._last_things, self._told_wish = True, self._story.carriage.wish
        standing = {one.step for one in self._attempts if one.state in STANDING}
        steps = enumerate(self._recipe.steps)
        self._steps([n for n, step in steps if step.always and n not in standing])

    def _is_down(self) -> bool:
        """Failed after the first step that players feel."""
        disruptive = [n for n, step in enumerate(self._recipe.steps) if step.disruptive]
        begun = [one.step for one in self._attempts if one.state not in NEVER_BEGUN]
        return bool(disruptive) and any(step >= disruptive[0] for step in begun)

    @property
    def _launched(self) -> bool:
        return any(one.state not in NEVER_BEGUN for one in self._attempts)

    # The steps

    def _steps(self, steps: Sequence[int]) -> None:
        left = list(steps)
        while left:
            self._story.carriage.look()
            if self._story.carriage.wish and not self._last_things:
                raise Cancelled
            if self._recipe.steps[left[0]].upload:
                attempts = [self._upload(left[0])]
            else:
                plan = self._new_plan(plans.together(self._recipe, left))
                attempts = self._carry_out(plan)
            done = self._sum_up(attempts)
            left = [n for n in left if n not in done]

    def _finish_open_plan(self) -> None:
        """A plan of an earlier worker that may be running still: the host tells how it ended."""
        run = self._run
        plan = plans.stored_plan(run.plan, run.plan_nonce, run.plan_offset, self._attempts)
        if not plan.is_open:
            return
        plan.moves_on = not all(self._recipe.steps[one.step].always for one in plan.attempts)
        done = self._sum_up(self._carry_out(plan))
        if plan.moves_on:
            run.step = max([run.step, *(n + 1 for n in done)])

    def _new_plan(self, steps: Sequence[int]) -> LivePlan:
        plan = plans.new_plan(self._run.pk, self._recipe, steps, self._attempts)
        plan.moves_on = not self._last_things
        changes = {"plan": plan.id, "plan_nonce": plan.nonce}
        entry = self._story.tell(changes=changes, offset=0, attempts=plan.attempts)
        self._attempts += plan.attempts
        # The ids are in the database before anything is sent.
        entry.wait()
        return plan

    def _carry_out(self, plan: LivePlan) -> list[Attempt]:
        """Launch or attach, and follow until the runner is through, however often it takes."""
        end = None
        while plan.is_open:
            session = self._contact.session(launched=self._launched or plan.seen)
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
        scripts = [plans.script(self._recipe.steps[one.step]) for one in plan.attempts]
        return commands.launch(
            plan.id, plan.nonce, scripts, self._variables, follower=self._follower
        )

    def _pass_on_wish(self, session: ssh.Session, plan: LivePlan) -> None:
        wish = self._story.carriage.wish
        program = commands.cancel(plan.id, plan.nonce, force=wish == "force")
        try:
            session.run(program.command, stdin=program.stdin, timeout=ASK_LIMIT)
        except TimeoutError as error:
            raise LinkLost(str(error)) from error
        self._told_wish = wish
        activity = {"to": HostRunState.RUNNING.value, "activity": "cancelling"}
        self._story.tell(
            changes={"activity": "cancelling"},
            news=[self._story.news(Event.Kind.HOST, activity)],
        )

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

    def _sum_up(self, attempts: Sequence[Attempt]) -> list[int]:
        """The steps that need no more work; raises what ends the passage."""
        done = []
        for attempt in attempts:
            step = self._recipe.steps[attempt.step]
            if attempt.state in STANDING:
                done.append(attempt.step)
            elif attempt.state == AttemptState.FAILED and not self._tries_again(step, attempt):
                if not step.optional:
                    raise Failed(attempt.reason)
                self._story.tell(changes={"warned": True} | self._moved_to(attempt.step + 1))
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

    def _upload(self, number: int) -> Attempt:
        step = self._recipe.steps[number]
        (attempt,) = plans.new_plan(self._run.pk, self._recipe, [number], self._attempts).attempts
        attempt.state, attempt.started_at = AttemptState.RUNNING.value, clock.now()
        self._story.tell(attempts=[attempt], changes=self._moved_to(number)).wait()
        launched = self._launched
        self._attempts.append(attempt)
        self._story.tell(news=[self._story.step_news(attempt, "running")])
        try:
            attempt.state, said = self._bring(step, launched=launched)
        except HostFailed as failure:
            attempt.state, said = AttemptState.FAILED, f"{failure}\n"
            attempt.reason = _("step “%(step)s”: %(failure)s") % {
                "step": step.name,
                "failure": failure,
            }
        line = said.encode()
        lasted = round((clock.now() - attempt.started_at).total_seconds(), 2)
        more: dict[str, Any] = {"reason": attempt.reason} if attempt.reason else {}
        output = self._story.news(Event.Kind.OUTPUT, {}, attempt)
        output.data, output.output = None, line
        output.offset, output.raw_length = 0, len(line)
        self._story.tell(
            attempt_changes={
                attempt.pk: {
                    "state": attempt.state,
                    "reason": attempt.reason,
                    "ended_at": clock.now(),
                    "log_offset": len(line),
                }
            },
            news=[
                output,
                self._story.step_news(attempt, attempt.state, seconds=lasted, **more),
            ],
            changes=self._moved_to(number + (attempt.state in STANDING)),
        )
        return attempt

    def _moved_to(self, step: int) -> dict[str, Any]:
        return {} if self._last_things else {"step": step}

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
        part = f"{self._run.pk}.{self._story.carriage.fence}"
        said = uploading.bring(self._contact, release, part, limit=step.timeout, launched=launched)
        return AttemptState.SUCCEEDED.value, said

    # The version

    def _ask_previous(self) -> None:
        job = self._run.job
        version = self._run.previous = self._ask_version()
        self._set_variables()
        self._story.tell(changes={"previous": version, "version": version})
        if version == job.release.version and not job.force and self._stands_well():
            raise Skipped

    def _stands_well(self) -> bool:
        """No earlier host run left this host in doubt: what it reports can be believed."""
        earlier = HostRun.objects.filter(host=self._run.host_id, attempts__isnull=False)
        last = earlier.exclude(pk=self._run.pk).order_by("-pk").first()
        return last is None or last.state == HostRunState.SUCCEEDED

    def _check_version(self) -> None:
        """All steps ended well; the host has the last word."""
        if not self._recipe.current:
            return
        version = self._run.version = self._ask_version()
        if version != self._run.job.release.version:
            self._story.tell(changes={"version": version})
            raise Failed(
                _("all steps ended well, but the host still says %s") % (version or _("nothing"))
            )

    def _ask_version(self) -> str:
        program, mark = commands.ask(self._recipe.current or "", self._variables)
        result = self._contact.ask(program, launched=self._launched)
        if result.exit_status != 0:
            said = result.stderr.decode("utf-8", "replace").strip()[-300:]
            raise Failed(_("asking for the current version failed: %s") % said)
        _noise, _mark, answer = result.stdout.partition(mark)
        # The rest of the mark's own line is the host's uptime.
        return answer.partition(b"\n")[2].decode("utf-8", "replace").strip()[:255]
