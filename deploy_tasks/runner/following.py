"""Follows one plan over one session until its runner is through, or something else must happen.

The byte offset of the log is the only cursor, for the first follow and for every re-attach.
"""

import time
from enum import StrEnum

from django.utils.translation import gettext as _

from deploy_tasks import cksum, commands, frames, ssh
from deploy_tasks.commands import Program
from deploy_tasks.errors import HostFailed, LinkLost
from deploy_tasks.failpoints import failpoint
from deploy_tasks.masking import Mask
from deploy_tasks.runner.plans import LivePlan
from deploy_tasks.runner.story import Story
from deploy_tasks.runner.telling import Teller
from deploy_tasks.states import AttemptState
from deploy_tasks.wishes import Wish

#: Seconds of silence after which the runner is asked for, the first time and then again.
ASK_AFTER = 5.0
ASK_AGAIN = 30.0
#: A runner that has not said anything by then was never started.
START_LIMIT = 15.0
#: Of the host's answer to the last question: does it have the same log?
SUM_LIMIT = 30.0
SEND_LIMIT = 30.0
#: Bytes kept of what came on standard error.
NOISE = 65_536


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
    #: A person wishes something that the host must be told.
    WISH = "wish"
    #: The host's follower has ended by itself: this host needs another kind.
    FOLLOWER = "follower"


class Follower:
    """``told_wish`` is the wish the host knows of already."""

    def __init__(self, plan: LivePlan, story: Story, mask: Mask, *, told_wish: Wish) -> None:
        self._plan, self._carriage, self._told_wish = plan, story.carriage, told_wish
        self._teller = Teller(plan, story, mask)
        self._reader = frames.LogReader(plan.nonce, plan.position)
        self._noise = b""

    def follow(self, session: ssh.Session, program: Program) -> End:
        """Raises LinkLost, and HostFailed for a host that cannot run plans."""
        channel = session.open(program.command)
        failpoint("launch.opened")
        try:
            self._carriage.wake = channel.wake
            channel.write(program.stdin, timeout=SEND_LIMIT)
            failpoint("launch.sent")
            end = self._read(channel)
            if end in (End.DONE, End.FAILED, End.CANCELLED):
                self._compare(channel)
            return end
        except TimeoutError as error:
            session.close()
            raise LinkLost(str(error)) from error
        finally:
            self._carriage.wake = lambda: None
            channel.close()
            self._teller.give_back()

    def _read(self, channel: ssh.Channel) -> End:
        began = time.monotonic()
        ask_at = began + ASK_AFTER
        while True:
            self._carriage.look()
            if self._carriage.wish != self._told_wish and self._reader.header:
                return End.WISH
            data = channel.read(max(ask_at - time.monotonic(), 0.0), or_stderr=True)
            if data:
                ask_at = time.monotonic() + ASK_AFTER
                if end := self._take(data):
                    return end
                continue
            for answer in self._answers(channel):
                if isinstance(answer, frames.RunnerReport):
                    if end := self._judge(answer, time.monotonic() - began):
                        return end
                    if answer.word != "alive":
                        ask_at = time.monotonic() + ASK_AFTER
            if data == b"":
                return self._closed()
            if time.monotonic() >= ask_at:
                ask_at = time.monotonic() + ASK_AGAIN
                if self._reader.header:
                    channel.write(b"\n", timeout=SEND_LIMIT)

    def _answers(self, channel: ssh.Channel) -> list[frames.RunnerReport | frames.HostSum]:
        self._noise = (self._noise + channel.read_stderr())[-NOISE:]
        found = frames.answers(self._plan.nonce, self._noise)
        if found:
            self._noise = b""
        return found

    def _take(self, data: bytes) -> End | None:
        begin = self._teller.told_to
        is_first = self._reader.header is None
        failpoint("log.read")
        found = self._reader.feed(data)
        if is_first and self._reader.header:
            failpoint("launch.answered")
            self._teller.booted(self._reader.header.uptime)
            if end := self._answered(self._reader.header):
                return end
        self._teller.tell(found, self._reader.consumed, begin=begin)
        if found and isinstance(found[-1], frames.Finished):
            self._teller.abandon_the_rest()
            failpoint("plan.through")
            return End(found[-1].why)
        return None

    def _answered(self, header: frames.Header) -> End | None:
        self._plan.seen = self._plan.seen or header.word in ("launched", "exists")
        if header.word == "noroom":
            raise HostFailed(_("no space left on the host for the runner's files"))
        if header.word == "foreign":
            raise HostFailed(_("~/.patchwave on the host is a link or belongs to somebody else"))
        return End.ABSENT if header.word in ("noplan", "nodir") else None

    def _closed(self) -> End:
        if self._reader.header:
            return End.FOLLOWER
        said = self._noise.decode("utf-8", "replace").strip().splitlines()
        raise HostFailed(
            _("the host does not run commands: %s") % (said[-1][:300] if said else _("no answer"))
        )

    def _judge(self, report: frames.RunnerReport, lasted: float) -> End | None:
        """What follows from how the runner is, when its log has been silent."""
        if report.word == "starting" and lasted > START_LIMIT:
            raise HostFailed(_("the runner did not start on the host; is setsid installed there?"))
        if report.word not in ("dead", "rebooted"):
            return None
        # It may have died in the middle of a record: then that is all there is of it.
        begin = self._teller.told_to
        rest = self._reader.rest()
        self._teller.tell(rest, self._reader.consumed, begin=begin)
        self._teller.take_last_slot(report.last)
        rebooted = report.word == "rebooted"
        reason = _("the host was restarted") if rebooted else _("the runner was killed")
        lost = self._teller.lose(reason)
        self._teller.abandon_the_rest()
        if lost:
            return End.LOST
        failed = any(one.state == AttemptState.FAILED for one in self._plan.attempts)
        return End.FAILED if failed else End.ABANDONED

    def _compare(self, channel: ssh.Channel) -> None:
        """Whether the host's log is what was stored of it, byte for byte."""
        size = self._plan.position.offset
        channel.write(f"sum {size}\n".encode(), timeout=SEND_LIMIT)
        deadline = time.monotonic() + SUM_LIMIT
        while time.monotonic() < deadline:
            # What comes on the log itself now is of a daemon that a step has left behind.
            is_over = channel.read(1.0, or_stderr=True) == b""
            for answer in self._answers(channel):
                if isinstance(answer, frames.HostSum):
                    if (answer.cksum, answer.size) != (cksum.total(self._plan.cksum, size), size):
                        self._teller.mismatch(answer)
                    return
            if is_over:
                return


def abandon(session: ssh.Session, plan: LivePlan) -> bool:
    """Make it certain that nothing of the plan will start; False: it has started."""
    failpoint("abandon.before")
    program = commands.abandon(plan.id, plan.nonce, 1)
    said = session.run(program.command, stdin=program.stdin, timeout=SEND_LIMIT).stdout
    failpoint("abandon.answered")
    return f"\x1e{plan.nonce} H abandoned ".encode() in said
