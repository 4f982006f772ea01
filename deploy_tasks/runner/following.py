"""Follows one plan: turns its log into events, step by step, until the runner is through.

The byte offset of the log is the only cursor. Every read becomes one entry, guarded by the
cursor it began at, so that two followers cannot double or lose a byte.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from django.utils import timezone
from django.utils.translation import gettext as _

from deploy_tasks import cksum, commands, frames, ssh
from deploy_tasks.commands import Program
from deploy_tasks.errors import HostFailed, LinkLost
from deploy_tasks.journal import News
from deploy_tasks.masking import Mask
from deploy_tasks.models import Attempt, Event
from deploy_tasks.runner.plans import OPEN, LivePlan
from deploy_tasks.runner.story import Story
from deploy_tasks.states import AttemptState
from deploy_tasks.wishes import Wish

#: Seconds of silence after which the runner is asked for, the first time and then again.
ASK_AFTER = 5.0
ASK_AGAIN = 30.0
#: Output events hold at most this many bytes.
PIECE = 8192
#: A runner that has not said anything by then was never started.
START_LIMIT = 15.0
#: Of the host's answer to the last question: does it have the same log?
SUM_LIMIT = 30.0


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


@dataclass
class Seen:
    """The last words of a script, to find the operator's word for its failure in them."""

    tail: bytes = b""

    def add(self, data: bytes) -> None:
        self.tail = (self.tail + data)[-2048:]


class Follower:
    """One plan over one session. ``told_wish`` is the wish the host knows of already."""

    def __init__(self, plan: LivePlan, story: Story, mask: Mask, *, told_wish: Wish) -> None:
        self._plan, self._story, self._mask = plan, story, mask
        self._told_wish = told_wish
        self._held = b""
        #: Bytes of the log that were read and are not stored yet, for the checksum.
        self._unstored = b""
        self._seen = Seen()
        self._booted_at = timezone.now()

    def follow(self, session: ssh.Session, program: Program) -> End:
        """Until the runner is through, or something else has to happen. Raises LinkLost."""
        channel = session.open(program.command)
        try:
            self._story.carriage.wake = channel.wake
            channel.write(program.stdin, timeout=30)
            end = self._read(channel)
            if end in (End.DONE, End.FAILED, End.CANCELLED):
                self._compare(channel)
            return end
        except TimeoutError as error:
            session.close()
            raise LinkLost(str(error)) from error
        finally:
            self._story.carriage.wake = lambda: None
            channel.close()
            self._give_back_what_is_held()

    def _give_back_what_is_held(self) -> None:
        """Whoever follows next reads it again."""
        self._plan.position.offset -= len(self._held)
        self._plan.position.output -= len(self._held)
        self._held = self._unstored = b""

    def _read(self, channel: ssh.Channel) -> End:
        reader = frames.LogReader(self._plan.nonce, self._plan.position)
        began = time.monotonic()
        ask_at = began + ASK_AFTER
        noise = b""
        while True:
            self._story.carriage.look()
            if self._story.carriage.wish != self._told_wish and reader.header:
                return End.WISH
            data = channel.read(max(ask_at - time.monotonic(), 0.0), or_stderr=True)
            if data:
                ask_at = time.monotonic() + ASK_AFTER
                if end := self._take(reader, data):
                    return end
                continue
            noise = (noise + channel.read_stderr())[-65536:]
            if data == b"":
                return self._closed(reader, noise)
            for report in frames.answers(self._plan.nonce, noise):
                noise = b""
                if isinstance(report, frames.RunnerReport):
                    if end := self._judge(report, time.monotonic() - began):
                        return end
                    if report.word != "alive":
                        ask_at = time.monotonic() + ASK_AFTER
            if time.monotonic() >= ask_at:
                ask_at = time.monotonic() + ASK_AGAIN
                if reader.header:
                    channel.write(b"\n", timeout=30)

    def _take(self, reader: frames.LogReader, data: bytes) -> End | None:
        first = reader.header is None
        before = self._plan.position.offset - len(self._held)
        found = reader.feed(data)
        self._unstored += reader.consumed
        if first and reader.header:
            self._booted_at = timezone.now() - timedelta(seconds=reader.header.uptime)
            if end := self._answered(reader.header):
                return end
        self._write(found, before)
        if found and isinstance(found[-1], frames.Finished):
            self._close_the_rest(AttemptState.ABANDONED)
            return End(found[-1].why)
        return None

    def _answered(self, header: frames.Header) -> End | None:
        self._plan.seen = self._plan.seen or header.word in ("launched", "exists")
        if header.word == "noroom":
            raise HostFailed(_("no space left on the host for the runner's files"))
        if header.word == "foreign":
            raise HostFailed(_("~/.patchwave on the host is a link or belongs to somebody else"))
        return End.ABSENT if header.word in ("noplan", "nodir") else None

    def _closed(self, reader: frames.LogReader, noise: bytes) -> End:
        if reader.header:
            return End.FOLLOWER
        said = noise.decode("utf-8", "replace").strip().splitlines()
        raise HostFailed(
            _("the host does not run commands: %s") % (said[-1][:300] if said else _("no answer"))
        )

    def _write(self, found: Sequence[frames.Frame], before: int) -> None:
        news: list[News] = []
        attempt_changes: dict[int, dict[str, Any]] = {}
        changes: dict[str, Any] = {}
        for frame in found:
            if isinstance(frame, frames.Finished):
                continue
            attempt = self._plan.attempts[frame.number - 1]
            told = attempt_changes.setdefault(attempt.pk, {})
            if isinstance(frame, frames.Output):
                news += self._output(attempt, frame, told)
            elif isinstance(frame, frames.Started):
                self._seen = Seen()
                changes |= self._plan.way.changes_at_start(attempt)
                told |= {"state": AttemptState.RUNNING.value, "started_at": self._at(frame.uptime)}
                news.append(self._story.step_news(attempt, "running", at=told["started_at"]))
            else:
                news += self._rest(attempt, told)
                told |= self._ended(attempt, frame)
                if told["state"] != AttemptState.FAILED:
                    changes |= self._plan.way.changes_at_end(attempt)
                news.append(self._end_news(attempt, frame, told))
            for name, value in told.items():
                setattr(attempt, name, value)
        after = self._plan.position.offset - len(self._held)
        if after == before:
            return
        stored, self._unstored = self._unstored[: after - before], self._unstored[after - before :]
        self._plan.cksum = changes["plan_cksum"] = cksum.add(self._plan.cksum, stored)
        self._story.tell(
            changes=changes,
            offset=after,
            attempt_changes={pk: told for pk, told in attempt_changes.items() if told},
            news=news,
        )

    def _output(self, attempt: Attempt, frame: frames.Output, told: dict[str, Any]) -> list[News]:
        self._seen.add(frame.data)
        data, start = self._held + frame.data, frame.offset - len(self._held)
        news = self._pieces(attempt, data, start, last=False)
        given = sum(one.raw_length or 0 for one in news)
        self._held = data[given:]
        told["log_offset"] = start + given
        return news

    def _rest(self, attempt: Attempt, told: dict[str, Any]) -> list[News]:
        """What was held back of a script that has ended."""
        if not self._held:
            return []
        start = self._plan.position.output - len(self._held)
        told["log_offset"] = self._plan.position.output
        news = self._pieces(attempt, self._held, start, last=True)
        self._held = b""
        return news

    def _pieces(self, attempt: Attempt, data: bytes, start: int, *, last: bool) -> list[News]:
        news = []
        for piece in self._mask.pieces(data, last=last):
            masked = len(piece.output) != piece.raw_length
            for cut in [piece.output] if masked else _cut(piece.output):
                length = piece.raw_length if masked else len(cut)
                news.append(
                    News(
                        Event.Kind.OUTPUT,
                        host_run=self._story.run.pk,
                        attempt=attempt.pk,
                        offset=start,
                        raw_length=length,
                        output=cut,
                    )
                )
                start += length
        return news

    def _ended(self, attempt: Attempt, frame: frames.Ended) -> dict[str, Any]:
        told: dict[str, Any] = {
            "exit_status": frame.status,
            "ended_at": self._at(frame.uptime),
        }
        if frame.note == "skipped":
            return {**told, "state": AttemptState.SKIPPED.value}
        if frame.status == 0:
            return {**told, "state": AttemptState.SUCCEEDED.value}
        reason = why_failed(attempt.name, frame.status, frame.note, self._seen.tail)
        return {**told, "state": AttemptState.FAILED.value, "reason": reason}

    def _end_news(self, attempt: Attempt, frame: frames.Ended, told: dict[str, Any]) -> News:
        more: dict[str, Any] = {}
        if attempt.started_at:
            lasted = (told["ended_at"] - attempt.started_at).total_seconds()
            more["seconds"] = round(max(lasted, 0.0), 2)
        if "reason" in told:
            more["reason"] = told["reason"]
        return self._story.step_news(
            attempt, told["state"], at=told["ended_at"], exit_status=frame.status, **more
        )

    def _at(self, uptime: float) -> datetime:
        """The host's clock since boot on our clock: its own wall clock may be wrong."""
        return self._booted_at + timedelta(seconds=uptime)

    def _compare(self, channel: ssh.Channel) -> None:
        """Whether the host's log is what was stored of it, byte for byte."""
        size = self._plan.position.offset
        channel.write(f"sum {size}\n".encode(), timeout=SUM_LIMIT)
        deadline, said = time.monotonic() + SUM_LIMIT, b""
        while time.monotonic() < deadline:
            # What comes on the log itself now is of a daemon that a step has left behind.
            ended = channel.read(1.0, or_stderr=True) == b""
            said += channel.read_stderr()
            for answer in frames.answers(self._plan.nonce, said):
                if isinstance(answer, frames.HostSum):
                    if (answer.cksum, answer.size) != (cksum.total(self._plan.cksum, size), size):
                        self._tell_mismatch(answer)
                    return
            if ended:
                return

    def _tell_mismatch(self, host: frames.HostSum) -> None:
        text = _(
            "the output stored here is not what lies on the host: %(size)s bytes there, "
            "%(ours)s here; see %(path)s on the host"
        ) % {
            "size": host.size,
            "ours": self._plan.position.offset,
            "path": f"~/.patchwave/runs/{self._plan.id}/log",
        }
        news = self._story.news(Event.Kind.NOTE, {"text": text})
        self._story.tell(changes={"warned": True}, news=[news])

    def _judge(self, report: frames.RunnerReport, lasted: float) -> End | None:
        """What follows from how the runner is, when its log is silent."""
        if report.word == "starting" and lasted > START_LIMIT:
            raise HostFailed(_("the runner did not start on the host; is setsid installed there?"))
        if report.word not in ("dead", "rebooted"):
            return None
        if report.word == "dead" and (report.size or 0) > self._plan.position.offset:
            return None  # there is more to read
        self._take_last_slot(report)
        if any(attempt.state == AttemptState.RUNNING for attempt in self._plan.attempts):
            self._lose(report.word)
            return End.LOST
        self._close_the_rest(AttemptState.ABANDONED)
        failed = any(one.state == AttemptState.FAILED for one in self._plan.attempts)
        return End.FAILED if failed else End.ABANDONED

    def _take_last_slot(self, report: frames.RunnerReport) -> None:
        """The runner's own note of an end that its log did not get, on a full disk say."""
        position = self._plan.position
        if not position.live or report.last[:2] != ("E", str(position.number)):
            return
        status, uptime, note = report.last[2:5]
        ended = frames.Ended(position.number, int(status), float(uptime), note)
        position.live = False
        attempt = self._plan.attempts[position.number - 1]
        told = self._ended(attempt, ended)
        for name, value in told.items():
            setattr(attempt, name, value)
        news = self._end_news(attempt, ended, told)
        self._story.tell(attempt_changes={attempt.pk: told}, news=[news])

    def _lose(self, word: str) -> None:
        lost = next(one for one in self._plan.attempts if one.state == AttemptState.RUNNING)
        lost.state = AttemptState.LOST
        lost.reason = (
            _("the host was restarted") if word == "rebooted" else _("the runner was killed")
        )
        told = {"state": lost.state.value, "reason": lost.reason}
        self._story.tell(
            attempt_changes={lost.pk: told},
            news=[self._story.step_news(lost, lost.state.value, reason=lost.reason)],
        )
        self._close_the_rest(AttemptState.ABANDONED)

    def _close_the_rest(self, state: AttemptState) -> None:
        """Attempts that are open when the runner is through will never start."""
        rest = [attempt for attempt in self._plan.attempts if attempt.state in OPEN]
        for attempt in rest:
            attempt.state = state
        if rest:
            self._story.tell(attempt_changes={one.pk: {"state": state.value} for one in rest})


def why_failed(step: str, status: int, note: str, tail: bytes) -> str:
    """The operator's words for a script that ended badly."""
    if note == "timeout":
        return _("step “%s” ran into its time limit") % step
    if note == "cancelled":
        return _("step “%s” was ended by a cancel") % step
    if b"sudo: a password is required" in tail or b"sudo: a terminal is required" in tail:
        return _("step “%s”: sudo wants a password") % step
    return _("step “%(step)s” ended with exit status %(status)s") % {
        "step": step,
        "status": status,
    }


def _cut(data: bytes) -> list[bytes]:
    """Pieces of at most `PIECE` bytes, cut at a UTF-8 border where there is one."""
    pieces = []
    while len(data) > PIECE:
        end = PIECE
        while end > PIECE - 4 and data[end] & 0xC0 == 0x80:
            end -= 1
        if data[end] & 0xC0 == 0x80:
            end = PIECE
        pieces.append(data[:end])
        data = data[end:]
    return [*pieces, data] if data else pieces


def abandon(session: ssh.Session, plan: LivePlan) -> bool:
    """Make it certain that nothing of the plan will start; False: it has started."""
    program = commands.abandon(plan.id, plan.nonce, 1)
    said = session.run(program.command, stdin=program.stdin, timeout=30).stdout
    return f"\x1e{plan.nonce} H abandoned ".encode() in said
