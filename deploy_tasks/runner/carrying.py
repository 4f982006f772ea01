"""Brings a plan to its host and follows it there, over as many connections as that takes."""

from functools import partial

from django.utils.translation import gettext as _

from deploy_tasks import commands, recipes, ssh
from deploy_tasks.commands import Variables
from deploy_tasks.errors import ConnectFailed, HostFailed, LinkLost
from deploy_tasks.failpoints import failpoint
from deploy_tasks.journal import Entry
from deploy_tasks.masking import Mask
from deploy_tasks.models import Attempt, HostRun
from deploy_tasks.runner import plans, target
from deploy_tasks.runner.contact import Contact
from deploy_tasks.runner.ends import Cancelled, Failed, Paused
from deploy_tasks.runner.following import End, Follower, abandon, pass_on
from deploy_tasks.runner.plans import LivePlan, Way
from deploy_tasks.runner.story import Later, LetGo, Story
from deploy_tasks.runner.uploading import Upload
from deploy_tasks.standing import has_begun
from deploy_tasks.wishes import Wish

#: Seconds between two tries of what the host answers and does not do.
PAUSE = 1.0
#: So many plans that came to nothing are enough to give a host up.
NOT_BEGUN_LIMIT = 2


class Carrying:
    """One plan after the other, of one host run. ``attempts`` are all of it; who makes a plan adds
    those of the new one."""

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
        #: Stores the ids of the newest plan, as long as nobody has waited for it.
        self._planned: Entry | None = None
        self._follower: commands.Follower = "tail"
        #: Plans that the host has taken and not begun.
        self._not_begun = 0
        #: The wish that the host knows of, and whether it has just not taken another.
        self._told_wish, self._takes_no_wish = Wish.NONE, False

    def use(self, variables: Variables, mask: Mask) -> None:
        """What scripts are given from here on, and what of it must not be told."""
        self._variables, self._mask = variables, mask

    def begin(self, planned: Entry) -> None:
        """With a new plan, of which the host knows nothing. ``planned`` stores its ids."""
        self._planned = planned
        self._told_wish, self._takes_no_wish = Wish.NONE, False

    @property
    def launched(self) -> bool:
        return any(has_begun(one) for one in self._attempts)

    def _await_ids(self) -> None:
        planned, self._planned = self._planned, None
        if planned:
            planned.wait()
            failpoint("plan.committed")

    async def carry_out(self, plan: LivePlan) -> None:
        """Launch or attach, and follow until the runner is through, however often it takes."""
        end = None
        upload = self._upload(plan)
        while plan.is_open:
            follower = Follower(
                plan,
                self._story,
                self._mask,
                wish=partial(self.wish_for, plan.way),
                told_wish=self._told_wish,
                tells_later=self._takes_no_wish,
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
        is_over = end == End.CANCELLED and not self.is_end(plan.way)
        if is_over and (self._told_wish.cancels or self.wish.cancels):
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
            if plan.seen or self.wish_for(plan.way) == self._told_wish:
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
    def wish(self) -> Wish:
        return Wish(self._story.carriage.wish)

    def is_end(self, way: Way) -> bool:
        """Whether its steps are those of an end: they lead nowhere, or back without anybody having
        started a job for that."""
        return way == Way.ASIDE or (way == Way.BACK and not self._run.undoes_id)

    def wish_for(self, way: Way) -> Wish:
        """What a person wishes of steps of this way.

        Who cancels wants what was done taken back, and last things are done whatever happens: what
        does so goes on, unless it shall be left as it is. Force ends whatever runs.
        """
        wish = self.wish
        leaves = way == Way.BACK and wish.cancels and not wish.undoes
        return wish if not self.is_end(way) or wish.forces or leaves else Wish.NONE

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
        wish = self.wish_for(plan.way)
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
            if not self.is_end(plan.way):
                self._story.activity("cancelling" if wish.cancels else "pausing")
        self._takes_no_wish = not is_told
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
