"""Follows one plan over one session until its runner is through, or something else must happen.

The byte offset of the log is the only cursor, for the first follow and for every re-attach.
"""

import math
import time
from collections.abc import Callable
from contextlib import closing, suppress
from dataclasses import replace
from enum import StrEnum
from functools import partial

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from deploy_tasks import cksum, commands, frames, ssh
from deploy_tasks.commands import Program
from deploy_tasks.errors import HostFailed, LinkLost
from deploy_tasks.failpoints import failpoint
from deploy_tasks.masking import Mask
from deploy_tasks.runner.plans import LivePlan, Way
from deploy_tasks.runner.story import Story
from deploy_tasks.runner.telling import Teller
from deploy_tasks.runner.uploading import Upload
from deploy_tasks.states import AttemptState, Link
from deploy_tasks.visible import words
from deploy_tasks.wishes import Wish

#: Seconds of silence after which we ask how the runner is, the first time and then again. The
#: second is just below `ssh.session.PING_AFTER`: its answer saves asking for a sign of life.
ASK_AFTER = 5.0
ASK_AGAIN = 19.0
#: A log that never falls silent: whoever answers also ends what nobody else ends any more.
ASK_ANYWAY = 60.0
QUESTION = b"\n"
#: Of silence in spite of questions. What should answer there was killed or hangs: the plan is
#: followed anew.
ANSWERS_WITHIN = 60.0
#: Before we ask again, to be sure, about a runner that is said to be gone.
CONFIRM_AFTER = 1.0
#: How often a follower that complains is asked, `CONFIRM_AFTER` apart, whether it still answers.
DOUBTS = 3
#: Words for a runner that is gone.
GONE = ("dead", "rebooted")
#: For the rest of the log of a runner that is gone; what has not come by then cannot be read.
REST_LIMIT = 30.0
#: A runner that has not said anything by then was never started.
START_LIMIT = 15.0
#: For the answer to the last question: is the host's log what we have stored?
SUM_LIMIT = 30.0
SEND_LIMIT = 30.0
#: For the host's first word: a log-in shell or a file system may hang while the link is well.
ANSWER_LIMIT = 45.0
#: For its answer to a wish. A host that gives none is shown as out of reach, and told again.
TELL_LIMIT = 15
#: Where the host does not take a wish, its plan is followed for so long, and how its runner is is
#: asked, before the host is told again.
TELL_AGAIN = 10.0
#: Bytes kept of what came on standard error.
NOISE = 65_536
#: Bytes of an artifact that are brought without a word.
SOON_SENT = 4 << 20
#: ``HostRun.activity`` while a larger one is brought.
UPLOADING = "uploading"


#: Words of a header that say why nothing will run.
REFUSALS = {
    "noroom": gettext_lazy("no space left on the host for the runner's files"),
    "sick": gettext_lazy("the disk of the host's home fails"),
    "readonly": gettext_lazy("the home directory on the host cannot be written to"),
    "foreign": gettext_lazy("~/.patchwave on the host is a link or belongs to somebody else"),
    "nosetsid": gettext_lazy("the host has no setsid"),
    "noproc": gettext_lazy("the host has no /proc"),
}
#: The same, of the artifact.
UPLOAD_REFUSALS = {
    "damaged": gettext_lazy("the artifact arrived damaged"),
    "nosum": gettext_lazy("the host has no sha256sum"),
    "nospace": gettext_lazy("no space left on the host for the artifact"),
}


class End(StrEnum):
    """Why following ended."""

    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"
    ABANDONED = "abandoned"
    #: The runner is gone and left a step without an end.
    LOST = "lost"
    #: The plan's directory is not there, or nothing was started from it.
    ABSENT = "absent"
    #: The host took the plan, and no runner came of it.
    STUCK = "stuck"
    #: The host has ended our program without an answer.
    SILENT = "silent"
    #: The host asks for the artifact, and begins when it has it.
    WANTED = "wanted"
    #: The artifact cannot be brought; `Follower.refusal` says why.
    REFUSED = "refused"
    #: A person wishes something that the host must be told.
    WISH = "wish"
    #: The host's follower has ended by itself: this host needs another kind.
    FOLLOWER = "follower"


class Follower:
    """``wish`` is what a person wishes of this plan, ``told_wish`` what the host knows of that;
    ``tells_later``: it has just not taken what it does not know.

    ``upload`` brings the artifact, for a plan that begins only then.
    """

    def __init__(
        self,
        plan: LivePlan,
        story: Story,
        mask: Mask,
        *,
        wish: Callable[[], Wish],
        told_wish: Wish,
        tells_later: bool = False,
        upload: Upload | None = None,
    ) -> None:
        self._plan, self._story = plan, story
        self._wish, self._told_wish = wish, told_wish
        self._tell_at = math.inf if tells_later else -math.inf
        self._upload, self._mask = upload, mask
        self._carriage = story.carriage
        self.teller = Teller(plan, story, mask)
        self._reader = frames.LogReader(plan.nonce, plan.position)
        self._vigil = ssh.Vigil(
            QUESTION, ASK_AGAIN, ANSWERS_WITHIN, partial(frames.is_well, plan.nonce)
        )
        self._noise = b""
        self._doubts: int | None = None
        self._last_report: frames.RunnerReport | None = None
        self._asked_at = self._read_at = time.monotonic()
        self.refusal = ""
        self._sent_before = plan.sent

    @property
    def said(self) -> str:
        """The last line that came without being asked for."""
        lines = words(self._noise, self._mask).splitlines()
        return lines[-1][:300] if lines else _("no answer")

    async def follow(self, session: ssh.Session, program: Program) -> End:
        """Raises LinkLost, ConnectFailed for a host that takes no more commands, and HostFailed
        for one that cannot run plans."""
        # A host that opens no channel need not be waited for.
        self._carriage.wake = session.close
        channel = session.open(program.command)
        failpoint("launch.opened")
        self._sent_before, self._plan.sent = self._plan.sent, True
        try:
            self._carriage.wake = channel.wake
            channel.write(program.stdin, timeout=SEND_LIMIT)
            failpoint("launch.sent")
            # A thousand quiet hosts would keep a thousand of them.
            del program
            end = await self._read(channel, answer_within=ANSWER_LIMIT)
            if end == End.WANTED:
                # It does not begin before it has the last byte.
                self._plan.sent = self._sent_before
                end = self._bring(session, channel) or await self._read_on(channel)
            if end == End.REFUSED:
                self._plan.sent = self._sent_before
        except TimeoutError as error:
            session.close()
            raise LinkLost(str(error)) from error
        else:
            if end in (End.DONE, End.FAILED, End.CANCELLED) and self._reader.header:
                self._compare(channel)
            return end
        finally:
            self._carriage.wake = lambda: None
            channel.close()
            self.teller.give_back()

    def _bring(self, session: ssh.Session, channel: ssh.Channel) -> End | None:
        assert self._upload
        is_long = self._upload.artifact.size > SOON_SENT
        if is_long:
            self._story.activity(UPLOADING)
        # An order need not wait for a host that takes nothing.
        self._carriage.wake = session.close
        try:
            is_sent = self._upload.send(channel, goes_on=self._goes_on)
        except HostFailed as failure:
            session.close()
            return self._refused(str(failure))
        except LinkLost:
            if self._goes_on() or not self._upload.left:
                raise
            is_sent = False
        finally:
            # With the last byte it begins, whatever we hear of that.
            self._plan.sent = self._plan.sent or not self._upload.left
            self._carriage.wake = channel.wake
            if is_long:
                self._story.activity("")
        if is_sent:
            return None
        if self._plan.sent:  # and an earlier launch may have had it all
            return End.WISH
        self.teller.abandon_the_rest()
        return End.CANCELLED

    def _goes_on(self) -> bool:
        self._carriage.look()
        return self._wish() == self._told_wish

    def _refused(self, why: str) -> End:
        self.refusal = why
        return End.REFUSED

    async def _read_on(self, channel: ssh.Channel) -> End:
        """The host sums up what was brought before it says a word: as slowly as its disk is."""
        assert self._upload
        return await self._read(channel, answer_within=self._upload.time_left + ANSWER_LIMIT)

    async def _read(self, channel: ssh.Channel, *, answer_within: float) -> End:
        """Raises TimeoutError where the host does not say that it has the plan."""
        began = time.monotonic()
        ask_at = began + ASK_AFTER
        while True:
            self._carriage.look()
            is_told = self._wish() == self._told_wish
            if not is_told and time.monotonic() >= self._tell_at:
                return End.WISH
            if self._reader.header and self._noise and self._doubts is None:
                # It may be the complaint of a follower that cannot follow, and is about to end.
                self._doubts, ask_at = DOUBTS, time.monotonic()
            next_at = ask_at if self._reader.header else began + answer_within
            if not self._reader.header and time.monotonic() >= next_at:
                raise TimeoutError(_("the host gave no answer within %s s") % round(answer_within))
            is_calm = is_told and self._reader.header and not self._doubts
            until = next_at if is_told else min(next_at, self._tell_at)
            vigil = self._vigil if is_calm else None
            data = await channel.listen(max(until - time.monotonic(), 0.0), vigil)
            if data:
                ask_at = min(time.monotonic() + ASK_AFTER, self._asked_at + ASK_ANYWAY)
                end = self._take(data)
                # A host that falls silent now would keep what it said last.
                data = None
                if end:
                    return end
                if time.monotonic() < ask_at:
                    continue
            for answer in self._answers(channel):
                if isinstance(answer, frames.RunnerReport):
                    if end := self._judge(answer, time.monotonic() - began):
                        return end
                    if answer.word != "alive":
                        pause = CONFIRM_AFTER if answer.word in GONE else ASK_AFTER
                        ask_at = time.monotonic() + pause
            if data == b"":
                return End.FOLLOWER if self._reader.header else End.SILENT
            if self._reader.header and time.monotonic() >= ask_at:
                ask_at = time.monotonic() + (CONFIRM_AFTER if self._doubts else ASK_AGAIN)
                self._doubts = self._doubts and self._doubts - 1
                self._ask(channel)

    def _ask(self, channel: ssh.Channel) -> None:
        """Raises TimeoutError where it has not been heard for too long."""
        if time.monotonic() - channel.heard_at > ANSWERS_WITHIN:
            raise TimeoutError(_("the host gave no answer within %s s") % round(ANSWERS_WITHIN))
        self._asked_at = time.monotonic()
        channel.write(QUESTION, timeout=SEND_LIMIT)

    def _answers(self, channel: ssh.Channel) -> list[frames.RunnerReport | frames.HostSum]:
        self._noise = (self._noise + channel.read_stderr())[-NOISE:]
        found = frames.answers(self._plan.nonce, self._noise)
        if found:
            # Of the next answer the beginning may be here: the two parts of one come apart.
            self._noise = self._noise.rpartition(b"\n")[2]
        return found

    def _take(self, data: bytes) -> End | None:
        begin = self.teller.told_to
        self._read_at = time.monotonic()
        is_first = self._reader.header is None
        failpoint("log.read")
        found = self._reader.feed(data)
        if self._upload and self._reader.wanted and not self._reader.header:
            self._reader.wanted = False
            return End.WANTED
        if is_first and self._reader.header:
            failpoint("launch.answered")
            self.teller.booted(self._reader.header.uptime)
            if end := self._answered(self._reader.header):
                return end
            # One that answers and is of no use is tried again less and less often.
            self._story.link(Link.CONNECTED)
        self.teller.tell(found, self._reader.consumed, begin=begin)
        self._plan.breaks_off = self._plan.breaks_off and not self._reader.consumed
        self._reader.consumed = b""
        if found and isinstance(found[-1], frames.Finished):
            self.teller.abandon_the_rest()
            failpoint("plan.through")
            return End(found[-1].why)
        return None

    def _answered(self, header: frames.Header) -> End | None:
        self._plan.seen = self._plan.seen or header.word in ("launched", "exists")
        self._tell_at = min(self._tell_at, time.monotonic() + TELL_AGAIN)
        if header.word in UPLOAD_REFUSALS:
            return self._refused(str(UPLOAD_REFUSALS[header.word]))
        if header.word in REFUSALS:
            if self._sent_before:
                # One before this, of which nothing was heard, may have found it otherwise.
                raise LinkLost(str(REFUSALS[header.word]))
            # No claim could be taken, or nothing will ever be started from it.
            self.teller.abandon_the_rest()
            raise HostFailed(REFUSALS[header.word])
        return End.ABSENT if header.word in ("noplan", "nodir") else None

    def _judge(self, report: frames.RunnerReport, lasted: float) -> End | None:
        """What follows from how the runner is, when its log has been silent."""
        if report.word == "starting" and lasted > START_LIMIT:
            return End.STUCK
        if report.word not in GONE:
            return None
        # Its relay may still be writing: it is believed when it says the same again.
        last_report, self._last_report = self._last_report, replace(report, uptime=0)
        if self._last_report != last_report:
            return None
        if report.size > self._reader.received:
            if time.monotonic() - self._read_at < REST_LIMIT:
                return None
            if not self._plan.breaks_off:
                # What follows it may stand still.
                self._plan.breaks_off = True
                return End.FOLLOWER
        # It may have died in the middle of a record: then that is all there is of it.
        begin = self.teller.told_to
        rest = self._reader.rest()
        self.teller.tell(rest, self._reader.consumed, begin=begin)
        self.teller.recalled(self._reader.recall(report.slots))
        lost = self.teller.lose_what_runs(_why_lost(report))
        self.teller.abandon_the_rest()
        if lost:
            return End.LOST
        if self._told_wish.cancels and self._plan.way == Way.FORWARD:
            return End.CANCELLED
        failed = any(one.state == AttemptState.FAILED for one in self._plan.attempts)
        return End.FAILED if failed else End.ABANDONED

    def _compare(self, channel: ssh.Channel) -> None:
        """Whether the host's log is what was stored of it, byte for byte."""
        size = self._plan.position.offset
        # All is known already: a link that breaks now leaves this one question open.
        with suppress(LinkLost, TimeoutError):
            answer = self._sum(channel, "sum")
            if answer and answer.cksum is not None and answer.size > size:
                # A daemon that a step has left behind has gone on writing.
                answer = self._sum(channel, f"part {size}")
            if answer:
                self._judge_sum(answer, size)

    def _sum(self, channel: ssh.Channel, question: str) -> frames.HostSum | None:
        channel.write(f"{question}\n".encode(), timeout=SEND_LIMIT)
        deadline = time.monotonic() + SUM_LIMIT
        while time.monotonic() < deadline and not self._carriage.is_over:
            # What comes on the log itself now is that daemon's.
            is_over = channel.read(1.0, or_stderr=True) == b""
            for answer in self._answers(channel):
                if isinstance(answer, frames.HostSum):
                    return answer
            if is_over:
                break
        return None

    def _judge_sum(self, answer: frames.HostSum, size: int) -> None:
        if answer.cksum is None:
            is_same = answer.size >= size
        else:
            is_same = (answer.cksum, answer.size) == (cksum.total(self._plan.cksum, size), size)
        if not is_same:
            self.teller.mismatch(answer)


def _why_lost(report: frames.RunnerReport) -> str:
    if report.word == "rebooted":
        return _("the host was restarted")
    if not report.could_note:
        return _("the disk of the host's home takes nothing any more")
    return _("Patchwave's own runner on the host was killed")


def abandon(session: ssh.Session, plan: LivePlan) -> str:
    """Make it certain that nothing of the plan will start.

    ``abandoned``, or ``started`` where it has; empty where the host does not say. Raises LinkLost.
    """
    failpoint("abandon.before")
    said = _answer(session, commands.abandon(plan.id, plan.nonce), plan.nonce)
    failpoint("abandon.answered")
    return said


def pass_on(session: ssh.Session, plan: LivePlan, wish: Wish) -> bool:
    """Tell the host that a person wishes the plan to end; False where it does not take it."""
    program = commands.pause(plan.id, plan.nonce)
    if wish.cancels:
        program = commands.cancel(plan.id, plan.nonce, force=wish.forces)
    said = _answer(session, program, plan.nonce)
    failpoint("wish.sent")
    return said == "wished"


def _answer(session: ssh.Session, program: Program, nonce: str) -> str:
    """The word of the header that a short program ends with. A log-in shell that takes its time to
    end is not waited for."""
    deadline, said = time.monotonic() + TELL_LIMIT, b""
    try:
        with closing(session.open(program.command)) as channel:
            channel.write(program.stdin, timeout=TELL_LIMIT)
            channel.close_stdin()
            while not commands.word(said, nonce):
                data = channel.read(deadline - time.monotonic())
                if data is None:
                    raise TimeoutError(_("the host gave no answer within %s s") % TELL_LIMIT)
                if not data:
                    break
                said = (said + data)[-NOISE:]
    except TimeoutError as error:
        session.close()
        raise LinkLost(str(error)) from error
    return commands.word(said, nonce)
