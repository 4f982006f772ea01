"""Brings the artifact to a host: content-addressed, checked there, whole or not at all.

Nothing here can do harm by happening twice, so it runs over our connection and is simply done
again where that breaks.
"""

import io
import time
from collections.abc import Callable
from typing import Any, BinaryIO, cast

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from deploy_tasks import artifacts, clock, commands, recipes, ssh
from deploy_tasks.commands import Variables
from deploy_tasks.errors import ConnectFailed, HostFailed, LinkLost
from deploy_tasks.failpoints import failpoint
from deploy_tasks.models import Attempt, Event, HostRun, Release
from deploy_tasks.runner.contact import Contact
from deploy_tasks.runner.ends import Cancelled, Failed, Unknown
from deploy_tasks.runner.plans import Way
from deploy_tasks.runner.story import Story
from deploy_tasks.states import AttemptState

IDLE_LIMIT = 60.0

#: What the receiving program's exit status means.
REFUSALS = {
    65: gettext_lazy("the artifact arrived damaged"),
    69: gettext_lazy("the host has no sha256sum"),
    73: gettext_lazy("no space left on the host for the artifact"),
}


class Upload:
    """One attempt, by however many workers: nothing in it can do harm by happening twice."""

    def __init__(
        self,
        run: HostRun,
        step: recipes.Step,
        attempt: Attempt,
        way: Way,
        story: Story,
        contact: Contact,
    ) -> None:
        self._run, self._step, self._attempt, self._way = run, step, attempt, way
        self._story, self._contact = story, contact

    def carry_out(self, variables: Variables, *, launched: bool, look: Callable[[], None]) -> None:
        """``look`` raises what should end it. Raises what ends the host run."""
        if self._attempt.state == AttemptState.NEW:
            self._begin()
        try:
            self._end(*self._bring(variables, launched=launched, look=look))
        except HostFailed as failure:
            self._fail(str(failure))
        except (Failed, Cancelled, Unknown) as end:
            self._fail(str(end) or _("ended by a cancel"))
            raise

    def _bring(
        self, variables: Variables, *, launched: bool, look: Callable[[], None]
    ) -> tuple[AttemptState, str]:
        """The state of the attempt and a line for its log."""
        release = self._run.job.release
        program, mark = commands.has_artifact(release.sha256)
        if mark in self._contact.ask(program, launched=launched).stdout:
            return AttemptState.SKIPPED, _("it is on the host already")
        if self._step.done_if:
            program, _mark = commands.ask(self._step.done_if, variables)
            if self._contact.ask(program, launched=launched).exit_status == 0:
                return AttemptState.SKIPPED, _("its work is there already")
        # The unfinished file is this claim's own: an earlier worker may be writing still.
        part = f"{self._run.pk}.{self._story.carriage.fence}"
        deadline = time.monotonic() + self._step.timeout
        while True:
            session = self._contact.session(launched=launched)
            limit = max(deadline - time.monotonic(), 1)
            try:
                failpoint("upload.opened")
                with self._contact.cut_when_woken(session):
                    said = _send(session, release, part, limit=limit)
                failpoint("upload.sent")
                return AttemptState.SUCCEEDED, said
            except (LinkLost, ConnectFailed) as lost:
                look()
                self._contact.lost(lost, launched=launched)
                if time.monotonic() > deadline:
                    raise HostFailed(str(lost)) from lost

    # What is told of it

    def _begin(self) -> None:
        attempt = self._attempt
        attempt.state, attempt.started_at = AttemptState.RUNNING.value, clock.now()
        told = {"state": attempt.state, "started_at": attempt.started_at}
        news = self._story.step_news(attempt, attempt.state)
        self._story.tell(attempt_changes={attempt.pk: told}, news=[news])

    def _fail(self, why: str) -> None:
        self._attempt.reason = _("step “%(step)s”: %(failure)s") % {
            "step": self._step.name,
            "failure": why,
        }
        self._end(AttemptState.FAILED, why)

    def _end(self, state: AttemptState, said: str) -> None:
        attempt = self._attempt
        attempt.state, attempt.ended_at = state.value, clock.now()
        line = f"{said}\n".encode()
        output = self._story.news(Event.Kind.OUTPUT, {}, attempt)
        output.data, output.output = None, line
        output.offset, output.raw_length = 0, len(line)
        more: dict[str, Any] = {"reason": attempt.reason} if attempt.reason else {}
        if attempt.started_at:
            lasted = attempt.ended_at - attempt.started_at
            more["seconds"] = round(lasted.total_seconds(), 2)
        told = {
            "state": attempt.state,
            "reason": attempt.reason,
            "ended_at": attempt.ended_at,
            "log_offset": len(line),
        }
        self._story.tell(
            changes={} if state == AttemptState.FAILED else self._way.changes_at_end(attempt),
            attempt_changes={attempt.pk: told},
            news=[output, self._story.step_news(attempt, attempt.state, **more)],
        )


def _send(session: ssh.Session, release: Release, part: str, *, limit: float) -> str:
    program = commands.receive_artifact(release.sha256, part)
    began = time.monotonic()
    try:
        with artifacts.path_of(release.sha256).open("rb") as file:
            source = cast(BinaryIO, _Joined(program.stdin, file))
            result = session.send_file(
                program.command, source, timeout=limit, idle_timeout=IDLE_LIMIT
            )
    except FileNotFoundError:
        raise HostFailed(_("the artifact is not in the store of this worker")) from None
    except TimeoutError as error:
        session.close()
        raise HostFailed(_("the upload stalled: %s") % error) from error
    if result.exit_status != 0:
        raise HostFailed(_refusal(result))
    seconds = time.monotonic() - began
    return f"{release.size} bytes sent in {seconds:.1f} s, sha256 checked"


def _refusal(result: ssh.Result) -> str:
    said = result.stderr.decode("utf-8", "replace").strip()[-300:]
    known = REFUSALS.get(result.exit_status or 0)
    if known:
        return f"{known}: {said}" if said else str(known)
    return _("the upload ended with exit status %(status)s: %(said)s") % {
        "status": result.exit_status,
        "said": said,
    }


class _Joined(io.RawIOBase):
    """The program, then the file, as one stream to read."""

    def __init__(self, head: bytes, file: BinaryIO) -> None:
        self._head, self._file = io.BytesIO(head), file

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        return self._head.read(size) or self._file.read(size)
