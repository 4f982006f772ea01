"""One host's passage through one job, from the claim to its end."""

import logging
import secrets
from contextlib import suppress
from datetime import timedelta
from typing import NoReturn

from django.utils.translation import gettext as _

from deploy_tasks import clock, commands, desk, floors, owner, query, recipes, revisions
from deploy_tasks.errors import HostFailed, InvalidInput, LostClaim, is_out_of_room
from deploy_tasks.failpoints import failpoint
from deploy_tasks.journal import Entry, Writer
from deploy_tasks.masking import Mask
from deploy_tasks.models import Event, HostRun
from deploy_tasks.rollout import Rollout
from deploy_tasks.runner import target, unended
from deploy_tasks.runner.contact import Contact
from deploy_tasks.runner.ends import Cancelled, Failed, Held, Paused, Skipped, Unknown
from deploy_tasks.runner.story import LONGEST_LEASE, Carriage, Later, LetGo, Story
from deploy_tasks.runner.work import Work
from deploy_tasks.states import HostRunState
from deploy_tasks.visible import words
from deploy_tasks.wishes import Wish

log = logging.getLogger(__name__)

#: ``HostRun.activity`` once it ends and is no success, so that the next worker goes on with that,
#: whatever a person wishes meanwhile: steps are taken back, or are left.
UNDOING, LEAVING = "undoing", "leaving"
WINDING_UP = (UNDOING, LEAVING)
#: Seconds after which a host run goes on that had a question to a database that was away, or
#: found no room on this machine.
AWAY_FOR = 2.0
#: A host run that goes on so much later than it wanted has not been looked after.
OVERSLEPT = timedelta(seconds=30)


def claimable(run: HostRun) -> bool:
    """Whether nobody has it, or whoever had it is gone."""
    if run.state not in (HostRunState.QUEUED, HostRunState.RUNNING):
        return False
    now = clock.now()
    if run.wake_at and run.wake_at > now:
        return False
    until = run.lease_until
    # One that ends later than any that could begin now is of a clock that was set back since.
    free = until is None or not now <= until <= now + LONGEST_LEASE
    return free or owner.is_dead(run.owner)


async def carry(run: HostRun, *, writer: Writer, carriage: Carriage) -> None:
    """Claim a host run and bring it as far as it goes. Ends quietly where another has it.

    ``carriage.fence`` is the token that the claim takes: one more than the row's.
    """
    story = Story(run, writer, carriage)
    try:
        await Passage(run, story).go()
    except LostClaim:
        return
    except LetGo:
        story.let_go()
    except Later as later:
        story.let_go(for_seconds=later.seconds)
    except desk.AWAY as error:
        # Nothing is wrong with the host: whoever is free goes on, as after a worker's death.
        log.warning("host run %s, %s: the database is away: %s", run.pk, run.name, error)
        story.let_go(for_seconds=AWAY_FOR)
    except Exception as error:
        if is_out_of_room(error):
            log.warning("host run %s, %s: no room on this machine: %s", run.pk, run.name, error)
            story.let_go(for_seconds=AWAY_FOR)
            return
        # A mistake of ours. Nothing is guessed: the host stays as it is, and a person is told.
        error_id = secrets.token_hex(4)
        log.exception("error %s in host run %s, %s", error_id, run.pk, run.name)
        reason = _("an error inside Patchwave: see %s in the worker's log") % error_id
        with suppress(LostClaim):
            story.end(HostRunState.UNKNOWN, reason=reason)


class Passage:
    def __init__(self, run: HostRun, story: Story) -> None:
        self._run, self._story = run, story
        self._recipe = revisions.recipe_of(run.job.revision)
        self._border = floors.border(self._recipe)
        terms = Rollout.model_validate(run.job.rollout)
        self._stages_ahead = terms.stages_ahead
        #: The conductor has to let it in.
        self._limited = terms.limits_others or terms.stages_ahead
        # The last words of a worker that has not let go of it may be missing.
        self._was_let_go = run.state != HostRunState.RUNNING or not run.owner

    async def go(self) -> None:
        refusal = self._set_target()
        was_claimed = self._run.fence > 0
        claim = self._claim()
        if was_claimed:
            # Frozen, it may have gone on after we had read, and until this very claim.
            self._story.catch_up()
        if refusal:
            self._story.end(HostRunState.FAILED, error=refusal)
            return
        try:
            place = target.of_run(self._run)
            variables = target.variables(self._run, self._run.target or {})
        except HostFailed as failure:
            self._story.end(HostRunState.FAILED, error=str(failure))
            return
        self._contact = Contact(place, self._story, claim)
        self._work = Work(self._run, self._recipe, self._story, self._contact)
        self._work.use(variables)
        try:
            await self._pass_through()
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
        news = []
        if run.state == HostRunState.QUEUED:
            news = [self._story.news(Event.Kind.HOST, {"to": HostRunState.RUNNING.value})]
        elif run.owner:
            text = _("its worker is gone; another goes on where it stopped")
            news = [self._story.news(Event.Kind.NOTE, {"text": text})]
        began = run.started_at or clock.now()
        changes = {"started_at": began, "target": run.target}
        if run.link_since and run.wake_at and (late := clock.now() - run.wake_at) > OVERSLEPT:
            # Nobody has tried to reach it since: no worker lived, or a clock was set forward.
            run.link_since += late
            changes["link_since"] = run.link_since
        if self._border is not None and not self._is_let_in:
            # Counted while nobody has looked yet, so that a job with limits sees it.
            run.held, run.out = True, not self._limited
            changes |= {"held": run.held, "out": run.out}
        claim = self._story.claim(changes, news)
        failpoint("claim.told")
        return claim

    async def _pass_through(self) -> None:
        try:
            await self._do()
        except Skipped:
            self._story.end(HostRunState.SKIPPED, reason=_("already at it"))
        except Unknown as unknown:
            # A worker before us may have begun to take back.
            before = self._run.activity
            self._leave_unknown(unknown, activity=before if before in WINDING_UP else "")
        except Paused:
            self._story.pause(out=self._is_let_in)
        except Held:
            self._story.hold(staged=self._stages_ahead)
        except Cancelled:
            wish = Wish(self._story.carriage.wish)
            left_out = wish == Wish.LEAVE_OUT
            end = HostRunState.SKIPPED if left_out else HostRunState.CANCELLED
            await self._wind_up(end, "", undo=wish.undoes)
        except (Failed, HostFailed) as failure:
            error = str(failure)
            if self._run.undoes_id and not self._run.error:
                error = _joined(error, self._left_for_the_hand())
            wish = Wish(self._story.carriage.wish)
            undo = wish.undoes if wish.cancels else self._recipe.on_failure == "undo"
            await self._wind_up(HostRunState.FAILED, error, undo=undo)
        else:
            self._story.end(HostRunState.SUCCEEDED, version=self._run.version)

    async def _do(self) -> None:
        run = self._run
        is_told = bool(run.error) or run.activity in WINDING_UP
        # What fails while it is wound up is found again then, and does not hide why that is.
        with suppress(*([Failed] if is_told else [])):
            await self._work.finish_open_plan(is_told=is_told, has_waited=self._was_let_go)
        unended.end(self._story, self._contact, launched=self._work.launched)
        self._forget_its_host()
        if run.activity in WINDING_UP and not run.error:
            raise Cancelled
        if run.error:
            raise Failed(run.error)  # found by an earlier worker, which got no further
        if run.undoes_id:
            self._go_down()
            await self._work.back()
        else:
            await self._go_forward()
        await self._work.last_things()
        self._check_version()
        self._check_running()

    def _forget_its_host(self) -> None:
        """What is needed of it from here on was fixed at the claim. With its keys and its game it
        would be kept for as long as a step takes."""
        field = HostRun._meta.get_field("host")
        if field.is_cached(self._run):
            field.delete_cached_value(self._run)

    async def _go_forward(self) -> None:
        if self._recipe.current and self._run.previous is None:
            self._ask_previous()
        steps = enumerate(self._recipe.steps)
        left = [n for n, step in steps if not step.always and n >= self._run.step]
        if not self._may_go_down():
            await self._work.forward([n for n in left if self._border is None or n < self._border])
            self._hold()
        await self._work.forward(left)

    def _go_down(self) -> None:
        if not self._may_go_down():
            self._hold()

    def _hold(self) -> NoReturn:
        self._work.heed_wish()
        raise Held

    def _may_go_down(self) -> bool:
        """Whether its host is counted as down already, or no job limits how many are."""
        run = self._run
        if self._border is None or self._is_let_in:
            return True
        if self._limited:
            return False
        # Others see that it is counted before it looks for their limits.
        self._contact.session(launched=self._work.launched)
        run.held = floors.limits_in_force(run.job.game_id, own=run.job_id)
        run.out = not run.held
        self._story.tell(changes={"out": run.out, "held": run.held})
        return run.out

    @property
    def _is_let_in(self) -> bool:
        """By the conductor, or because nothing limited it, or it is down from before a retry."""
        return self._run.out and not self._run.held

    async def _wind_up(self, state: HostRunState, error: str, *, undo: bool = False) -> None:
        """After an end that is no success: take back what is to be taken back, then the rest."""
        if self._run.activity in WINDING_UP:
            undo = self._run.activity == UNDOING
        # What takes a job back is not taken back itself.
        undo = undo and not self._run.undoes_id
        again = {} if self._run.undoes_id else {"step": self._work.begin_again_at()}
        activity = UNDOING if undo else LEAVING
        self._story.tell(changes={"error": error, "activity": activity, **again})
        if self._work.launched:
            try:
                if undo and await self._take_back() and state != HostRunState.SKIPPED:
                    state = HostRunState.ROLLED_BACK
            except Unknown as unknown:
                self._leave_unknown(unknown, activity=UNDOING)
                return
            except (Failed, HostFailed, Cancelled) as problem:
                state = HostRunState.FAILED
                error = _joined(error, str(problem), self._left_for_the_hand())
            error = _joined(error, await self._do_last_things())
        told = {"reason": _("left out")} if state == HostRunState.SKIPPED else {}
        self._story.end(state, error=error, down=self._is_down(state), **told)

    async def _take_back(self) -> bool:
        self._story.activity(UNDOING)
        failpoint("undo.begun")
        return await self._work.back()

    async def _do_last_things(self) -> str:
        """The ``always`` steps; gives what went wrong with them."""
        try:
            await self._work.last_things(whatever=True)
        except (Failed, HostFailed, Unknown, Cancelled) as problem:
            return str(problem)
        return ""

    def _left_for_the_hand(self) -> str:
        """Says which undoing is left, and tells the commands as a note."""
        left = [self._recipe.steps[n] for n in self._work.to_undo()]
        if not left:
            return ""
        text = "\n".join([_("left to undo by hand:"), *(f"# {s.name}\n{s.undo}" for s in left)])
        self._story.tell(news=[self._story.news(Event.Kind.NOTE, {"text": text})])
        return _("left to undo by hand: %s") % ", ".join(step.name for step in left)

    def _leave_unknown(self, unknown: Unknown, *, activity: str = "") -> None:
        down = self._is_down(HostRunState.UNKNOWN)
        self._story.end(HostRunState.UNKNOWN, reason=str(unknown), activity=activity, down=down)

    def _is_down(self, state: HostRunState) -> bool:
        """It ended badly, or nobody knows how, after the first step that players feel, and that
        was not undone."""
        if state == HostRunState.ROLLED_BACK:
            return False
        return self._work.is_felt(floors.felt(self._recipe))

    # The version

    def _ask_previous(self) -> None:
        job = self._run.job
        version = self._run.previous = self._ask_version()
        failpoint("previous.asked")
        self._work.use(target.variables(self._run, self._run.target or {}))
        self._story.tell(changes={"previous": version, "version": version})
        if version == job.release.version and not job.force and self._stands_well():
            raise Skipped

    @desk.asked
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
        failpoint("version.asked")
        if version != target.version_wanted(self._run):
            self._story.tell(changes={"version": version})
            raise Failed(
                _("all steps ended well, but the host still says %s") % (version or _("nothing"))
            )

    def _check_running(self) -> None:
        """What lies on the disk need not be what runs: a game that reports another release of
        ours was not started anew. One that does not say is no failure: its health was looked at."""
        wanted = target.version_wanted(self._run)
        if wanted is None or not (asked := self._recipe.query):
            return
        try:
            version = self._query(asked).version
        except HostFailed:
            return
        if version != wanted and self._run.job.game.releases.filter(version=version).exists():
            raise Failed(_("all steps ended well, but %s still runs") % version)

    def _query(self, asked: recipes.Query) -> query.Answer:
        snapshot = self._run.target or {}
        if not asked.run:
            return query.ask(asked, snapshot["vars"], snapshot["address"])
        variables = target.variables(self._run, snapshot)
        program, mark = commands.ask(asked.run, variables)
        result = self._contact.ask(program, launched=self._work.launched)
        return query.read(words(result.stdout.partition(mark)[2], Mask(variables.secret.values())))

    def _ask_version(self) -> str:
        variables = target.variables(self._run, self._run.target or {})
        secrets = Mask(variables.secret.values())
        program, mark = commands.ask(self._recipe.current or "", variables)
        result = self._contact.ask(program, launched=self._work.launched)
        if result.exit_status != 0:
            said = words(result.stderr, secrets)[-300:]
            raise Failed(_("asking for the current version failed: %s") % said)
        _noise, _mark, answer = result.stdout.partition(mark)
        # The rest of the mark's own line is the host's uptime.
        return words(answer.partition(b"\n")[2], secrets)[:255]


def _joined(*troubles: str) -> str:
    """In one line. What stops steps often stops the last ones, too: it is said once."""
    return "; ".join(dict.fromkeys(filter(None, troubles)))
