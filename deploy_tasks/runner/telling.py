"""Tells the journal what a plan's log says: output in pieces, steps that start and end.

Every read becomes one entry, guarded by the cursor it began at, so that two followers cannot
double or lose a byte.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.utils import timezone
from django.utils.translation import gettext as _

from deploy_tasks import cksum, clock, frames
from deploy_tasks.failpoints import failpoint
from deploy_tasks.journal import News
from deploy_tasks.masking import Mask
from deploy_tasks.models import Attempt, Event
from deploy_tasks.runner.plans import OPEN, LivePlan
from deploy_tasks.runner.story import Story
from deploy_tasks.states import AttemptState

#: Output events hold at most this many bytes.
PIECE = 8192
#: Bytes kept of the end of an output that is too long to be stored whole.
TAIL = 1 << 20
#: Of an attempt, whichever of them have changed: those of all hosts are then one statement.
TOLD = ("state", "reason", "exit_status", "log_offset", "started_at", "ended_at")
#: Bytes at the end of an output in which the operator's word for a failure is looked for.
LAST_WORDS = 2048


@dataclass
class Skipped:
    """The part of a too long output that only the host has, and its end, which is kept."""

    size: int = 0
    end: bytes = b""


class Teller:
    """Of one plan, while it is followed. What a mask holds back is not told before it is safe."""

    def __init__(self, plan: LivePlan, story: Story, mask: Mask) -> None:
        self._plan, self._story, self._mask = plan, story, mask
        self._held = b""
        #: Bytes of the log that were read and are not stored yet, for the checksum.
        self._unstored = b""
        self._last_words = b""
        self._skipped = Skipped()
        self._booted_at = timezone.now()

    def booted(self, uptime: float) -> None:
        """Set the host's clock since boot on ours: its own wall clock may be wrong."""
        self._booted_at = timezone.now() - timedelta(seconds=uptime)

    @property
    def told_to(self) -> int:
        """The byte of the log up to which everything was handed to the journal."""
        return self._plan.position.offset - len(self._held)

    def give_back(self) -> None:
        """Whoever follows next reads again what is held."""
        self._plan.position.offset -= len(self._held)
        self._plan.position.output -= len(self._held)
        self._held = self._unstored = b""

    def tell(self, found: Sequence[frames.Frame], consumed: bytes, *, begin: int) -> None:
        """Hand over ``found``, read in ``consumed`` bytes; ``begin`` is what was told before."""
        self._unstored += consumed
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
                self._last_words, self._skipped = b"", Skipped()
                changes |= self._plan.way.changes_at_start(attempt, self._story.run.step)
                told |= {"state": AttemptState.RUNNING.value, "started_at": self._at(frame.uptime)}
                news.append(self._story.step_news(attempt, "running", at=told["started_at"]))
            else:
                news += self._end_of_output(attempt, told)
                told |= self._ended(attempt, frame)
                if told["state"] != AttemptState.FAILED:
                    changes |= self._plan.way.changes_at_end(attempt)
                news.append(self._end_news(attempt, frame, told))
            _apply(attempt, told)
        end = self.told_to
        changed = [one for one in self._plan.attempts if attempt_changes.get(one.pk)]
        if end == begin and not changed:
            return
        stored, self._unstored = self._unstored[: end - begin], self._unstored[end - begin :]
        self._plan.cksum = changes["plan_cksum"] = cksum.add(self._plan.cksum, stored)
        self._story.tell(
            changes=changes,
            offset=end,
            attempt_changes={
                one.pk: {name: getattr(one, name) for name in TOLD} for one in changed
            },
            news=news,
        )
        failpoint("log.told")

    def recalled(self, found: Sequence[frames.Frame]) -> None:
        """What the runner noted of steps whose end did not come into its log."""
        self.tell(found, b"", begin=self.told_to)
        if found:
            self._note(
                _("the log breaks off on the host; see %(path)s after byte %(size)s")
                % {"size": self._plan.position.offset, "path": self._path}
            )

    def lose_what_runs(self, reason: str) -> bool:
        """What is running has lost its runner; False if nothing is."""
        return self._lose(AttemptState.RUNNING, reason=reason)

    def lose_all(self, reason: str) -> None:
        """Every trace of the plan is gone: any of its steps may have run."""
        self._lose(*OPEN, reason=reason)

    def _lose(self, *states: AttemptState, reason: str) -> bool:
        lost = [attempt for attempt in self._plan.attempts if attempt.state in states]
        told = {"state": AttemptState.LOST.value, "reason": reason}
        for attempt in lost:
            _apply(attempt, told)
        if lost:
            self._story.tell(
                attempt_changes={attempt.pk: told for attempt in lost},
                news=[
                    self._story.step_news(attempt, told["state"], reason=reason) for attempt in lost
                ],
            )
        return bool(lost)

    def abandon_the_rest(self) -> None:
        """Attempts that are open when the runner is through will never start."""
        rest = [attempt for attempt in self._plan.attempts if attempt.state in OPEN]
        told = {"state": AttemptState.ABANDONED.value}
        for attempt in rest:
            _apply(attempt, told)
        if rest:
            self._story.tell(attempt_changes={attempt.pk: told for attempt in rest})

    def refuse(self, attempt: Attempt, why: str) -> None:
        """It failed before the plan could begin: the others never start. All in one entry."""
        reason = _("step “%(step)s”: %(failure)s") % {"step": attempt.name, "failure": why}
        failed = {"state": AttemptState.FAILED.value, "reason": reason, "ended_at": clock.now()}
        never = {"state": AttemptState.ABANDONED.value}
        told: dict[int, dict[str, Any]] = {one.pk: never for one in self._plan.attempts}
        told[attempt.pk] = failed
        for one in self._plan.attempts:
            _apply(one, told[one.pk])
        news = [self._story.step_news(attempt, AttemptState.FAILED.value, reason=reason)]
        self._story.tell(attempt_changes=told, news=news)

    def mismatch(self, host: frames.HostSum) -> None:
        """What lies on the host is not what is stored of it."""
        self._note(
            _(
                "the output stored here is not what lies on the host: %(size)s bytes there, "
                "%(ours)s here; see %(path)s on the host"
            )
            % {"size": host.size, "ours": self._plan.position.offset, "path": self._path}
        )

    @property
    def _path(self) -> str:
        return f"~/.patchwave/runs/{self._plan.id}/log"

    def _note(self, text: str) -> None:
        news = self._story.news(Event.Kind.NOTE, {"text": text})
        self._story.tell(changes={"warned": True}, news=[news])

    # Output

    def _output(
        self, attempt: Attempt, frame: frames.Output, told: dict[str, Any]
    ) -> Iterator[News]:
        self._last_words = (self._last_words + frame.data)[-LAST_WORDS:]
        data, start = self._held + frame.data, frame.offset - len(self._held)
        if start >= settings.OUTPUT_LIMIT:
            self._skip(data)
            self._held, told["log_offset"] = b"", start + len(data)
            return
        given = 0
        for news in self._pieces(attempt, data, start, last=False):
            given += news.raw_length or 0
            yield news
        self._held, told["log_offset"] = data[given:], start + given

    def _skip(self, data: bytes) -> None:
        end = self._skipped.end + data
        self._skipped.size += len(data)
        self._skipped.end = end[-TAIL:]

    def _end_of_output(self, attempt: Attempt, told: dict[str, Any]) -> Iterator[News]:
        """What was held back of a script that has ended, and the end of one that said too much."""
        position, end = self._plan.position.output, self._held or self._skipped.end
        self._held = b""
        if not end:
            return
        told["log_offset"] = position
        yield from self._pieces(attempt, end, position - len(end), last=True)
        if only_there := self._skipped.size - len(end):
            self._note(
                _("step “%(step)s” said too much: %(size)s bytes are only on the host, in %(path)s")
                % {"step": attempt.name, "size": only_there, "path": self._path}
            )

    def _pieces(self, attempt: Attempt, data: bytes, start: int, *, last: bool) -> Iterator[News]:
        for piece in self._mask.pieces(data, last=last):
            masked = len(piece.output) != piece.raw_length
            for cut in [piece.output] if masked else _cut(piece.output):
                length = piece.raw_length if masked else len(cut)
                yield News(
                    Event.Kind.OUTPUT,
                    host_run=self._story.run.pk,
                    attempt=attempt.pk,
                    offset=start,
                    raw_length=length,
                    output=cut,
                )
                start += length

    # Ends

    def _ended(self, attempt: Attempt, frame: frames.Ended) -> dict[str, Any]:
        told: dict[str, Any] = {"exit_status": frame.status, "ended_at": self._at(frame.uptime)}
        if frame.note == "skipped":
            return {**told, "state": AttemptState.SKIPPED.value}
        if frame.status == 0:
            return {**told, "state": AttemptState.SUCCEEDED.value}
        reason = why_failed(attempt.name, frame.status, frame.note, self._last_words)
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
        return self._booted_at + timedelta(seconds=uptime)


def why_failed(step: str, status: int, note: str, last_words: bytes) -> str:
    """The operator's words for a script that ended badly."""
    if note == "timeout":
        return _("step “%s” ran into its time limit") % step
    if note == "cancelled":
        return _("step “%s” was ended by a cancel") % step
    if b"sudo: a password is required" in last_words or b"sudo: a terminal is" in last_words:
        return _("step “%s”: sudo wants a password") % step
    return _("step “%(step)s” ended with exit status %(status)s") % {
        "step": step,
        "status": status,
    }


def _apply(attempt: Attempt, told: dict[str, Any]) -> None:
    for name, value in told.items():
        setattr(attempt, name, value)


def _cut(data: bytes) -> Iterator[bytes]:
    """Pieces of at most `PIECE` bytes, cut at a UTF-8 border where there is one."""
    while len(data) > PIECE:
        end = PIECE
        while end > PIECE - 4 and data[end] & 0xC0 == 0x80:
            end -= 1
        if data[end] & 0xC0 == 0x80:
            end = PIECE
        yield data[:end]
        data = data[end:]
    if data:
        yield data
