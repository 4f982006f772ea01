"""The one connection of a host run, made again where it broke."""

import logging
import random
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from functools import partial

from django.utils.translation import gettext as _

from deploy_tasks import clock, key_rules, refusals, ssh
from deploy_tasks.commands import Program
from deploy_tasks.errors import ConnectFailed, HostFailed, LinkLost, LoginRefused, OrderRefused
from deploy_tasks.failpoints import failpoint
from deploy_tasks.journal import Entry
from deploy_tasks.runner.ends import Cancelled, Failed, Paused, Unknown
from deploy_tasks.runner.story import Story
from deploy_tasks.states import Link
from deploy_tasks.wishes import Wish

log = logging.getLogger(__name__)

#: Seconds. How long a host may be out of reach before, and after, something ran on it.
CONNECT_WITHIN = 60
UNREACHABLE_AFTER = 600
LONGEST_PAUSE = 30
#: For the answer to a short question. A dead link is noticed sooner than that, so that the host is
#: not blamed for it.
ASK_LIMIT = 45
#: For an answer that one can do without.
GLANCE_LIMIT = 10


class Contact:
    """``claim`` is waited for before anything is sent: it is committed during the handshake."""

    def __init__(self, target: ssh.Target, story: Story, claim: Entry) -> None:
        self._target, self._story, self._claim = target, story, claim
        self._session: ssh.Session | None = None
        self._began = time.monotonic()
        #: Seconds that the host was out of reach for an earlier thread.
        self._away_before = _seconds_since(story.run.link_since)

    def look(self, *, launched: bool) -> None:
        """Raise what ends the host run, or this thread's part in it."""
        self._story.carriage.look()
        if launched:
            return
        if self._story.carriage.wish.cancels:
            raise Cancelled
        if self._story.carriage.wish == Wish.PAUSE:
            raise Paused

    def _refuse_burnt(self) -> None:
        run, carriage = self._story.run, self._story.carriage
        burnt, carriage.burnt = carriage.burnt, None
        if burnt is None:
            burnt = refusals.burnt([run.job_id])[run.job_id]
        if refusals.credential_of(run) in burnt:
            raise Failed(
                _("not tried: %s hosts of this job refused the same credential") % refusals.LIMIT
            )

    def session(self, *, launched: bool) -> ssh.Session:
        """A session that lives. ``launched``: something of ours runs, or ran, on the host.

        Raises Failed where nothing was launched and the host stays out of reach, else Unknown.
        """
        if self._session and self._session.is_alive:
            return self._session
        while True:
            self.look(launched=launched)
            if not launched and self._session is None:
                self._refuse_burnt()
            try:
                return self._connect(launched=launched)
            except ConnectFailed as failure:
                # It may be our own doing.
                self.look(launched=launched)
                self._note_away(failure)
                self._wait_after(failure, launched=launched)

    def _pin(self, session: ssh.Session) -> None:
        """A key that a certificate vouches for and that is new here, such as after the host was
        installed anew. The job goes on without: it knows the host by the certificate."""
        vouched, host = session.vouched, self._story.run.host_id
        if vouched and host and vouched.key not in self._target.host_keys:
            try:
                key_rules.pin_vouched(host, [vouched])
            except OrderRefused:
                log.warning("host %s: its certified key is not pinned", self._target.name)

    def _connect(self, *, launched: bool) -> ssh.Session:
        def making(cut: Callable[[], None]) -> None:
            self._story.carriage.wake = partial(self._cut_off, cut, launched=launched)
            self.look(launched=launched)

        try:
            session = self._session = ssh.connect(self._target, making=making)
        finally:
            self._story.carriage.wake = lambda: None
        self._claim.wait()
        self._pin(session)
        failpoint("claim.committed")
        return session

    def ask(self, program: Program, *, launched: bool) -> ssh.Result:
        """Run something short that may be run again, until it was answered."""
        while True:
            session = self.session(launched=launched)
            try:
                with self.cut_when_woken(session, launched=launched):
                    answer = session.run(
                        program.command, stdin=program.stdin, timeout=ASK_LIMIT, hold=True
                    )
            except TimeoutError:
                session.close()
                raise Failed(_("the host gave no answer within %s s") % ASK_LIMIT) from None
            except (LinkLost, ConnectFailed) as lost:
                self.lost(lost, launched=launched)
            else:
                self._story.link(Link.CONNECTED)
                return answer

    def ask_once(self, program: Program) -> bytes | None:
        """What the host prints, where it can be reached at once and does so: it is not waited
        for."""
        try:
            alive = self._session and self._session.is_alive
            session = self._session if alive else self._connect(launched=True)
            assert session
            with self.cut_when_woken(session, launched=True):
                return session.run(
                    program.command, stdin=program.stdin, timeout=GLANCE_LIMIT
                ).stdout
        except (TimeoutError, LinkLost, HostFailed):
            # It may be our own doing.
            self.look(launched=True)
            return None

    @contextmanager
    def cut_when_woken(self, session: ssh.Session, *, launched: bool) -> Iterator[None]:
        """For what waits for the host and can be done again: what `look` raises cuts it off."""
        carriage = self._story.carriage
        carriage.wake = partial(self._cut_off, session.close, launched=launched)
        try:
            self.look(launched=launched)
            yield
        finally:
            carriage.wake = lambda: None

    def _cut_off(self, cut: Callable[[], None], *, launched: bool) -> None:
        carriage = self._story.carriage
        if carriage.is_over or (carriage.wish != Wish.NONE and not launched):
            cut()

    def lost(self, error: LinkLost | ConnectFailed, *, launched: bool) -> None:
        """The connection broke, or is of no use: that is said apart from the host's outcome.

        Raises what made us cut it ourselves, and what `session` raises.
        """
        self.look(launched=launched)
        self.close()
        # A host counts as connected once it has answered. One that lets us in and does not is
        # not tried again at once.
        if self._note_away(error):
            self._wait_after(error, launched=launched)

    def _note_away(self, error: LinkLost | ConnectFailed) -> bool:
        """Whether it was away before."""
        again = self._story.run.link == Link.UNREACHABLE
        if not again:
            self._began, self._away_before = time.monotonic(), 0.0
            self._story.link(Link.UNREACHABLE, str(error))
        return again

    def _wait_after(self, failure: LinkLost | ConnectFailed, *, launched: bool) -> None:
        """Longer and longer, with jitter. What a clock is set to meanwhile changes nothing."""
        away = self._away_before + time.monotonic() - self._began
        limit = UNREACHABLE_AFTER if launched else CONNECT_WITHIN
        if away < limit and (isinstance(failure, LinkLost) or failure.retryable):
            pause = min(max(away, 0.5), LONGEST_PAUSE)
            self._story.carriage.wait(pause * random.uniform(0.5, 1.5))  # noqa: S311
            return
        if isinstance(failure, LoginRefused):
            refused = refusals.credential_of(self._story.run)
            self._story.tell(changes={"refused_credential": refused})
        if launched:
            raise Unknown(_("out of reach since a step was started: %s") % failure)
        raise Failed(str(failure))

    def close(self) -> None:
        if self._session:
            self._session.close()


def _seconds_since(moment: datetime | None) -> float:
    return max(0.0, (clock.now() - moment).total_seconds()) if moment else 0.0
