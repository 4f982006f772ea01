"""What a host run tells the journal, always under the token of its claim."""

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from deploy_tasks import clock, desk, owner
from deploy_tasks.errors import LostClaim
from deploy_tasks.failpoints import failpoint
from deploy_tasks.journal import Entry, News, Writer, change_host_runs
from deploy_tasks.models import Attempt, Event, HostRun
from deploy_tasks.states import HostRunState, Link
from deploy_tasks.wishes import Wish

#: Seconds a claim lasts unless it is renewed.
LEASE = 15
#: No lease ends later than this from now, also as a machine with another clock sees it.
LONGEST_LEASE = timedelta(seconds=4 * LEASE)

#: Columns that the event of a host run's end tells of.
SHOWN = ("reason", "error", "version", "down")


#: Longer waits are waited without a thread and a connection.
LONGEST_NAP = 5.0


class LetGo(Exception):
    """The worker is stopping: the host goes on, the next worker attaches to it."""


class Later(Exception):
    """There is nothing to do for ``seconds``; whoever is free then goes on."""

    def __init__(self, seconds: float) -> None:
        super().__init__(f"in {seconds:.0f} s")
        self.seconds = seconds


@dataclass
class Carriage:
    """A host run that a thread of this worker carries; the keeper keeps it up to date."""

    host_run: int
    fence: int
    stopping: threading.Event
    wish: Wish = Wish.NONE
    lost: bool = False
    #: Credentials that too many hosts of its job had refused when it was handed out; good for one
    #: try. None: to be asked.
    burnt: frozenset[str] | None = None
    #: Ends the read in which the thread waits for its host.
    wake: Callable[[], None] = lambda: None

    @property
    def is_over(self) -> bool:
        """Whoever waits for its host has to let go of it."""
        return self.lost or self.stopping.is_set()

    def look(self) -> None:
        """Raise what should end the thread."""
        if self.lost:
            raise LostClaim(f"host run {self.host_run}")
        if self.stopping.is_set():
            raise LetGo

    def wait(self, seconds: float) -> None:
        """Sleep, but not through the worker's end. Raises `Later` for a long wait."""
        if seconds > LONGEST_NAP:
            raise Later(seconds)
        self.stopping.wait(seconds)
        self.look()


@dataclass
class Story:
    """Entries of one claim, in order. Raises `LostClaim` once one of them has lost."""

    run: HostRun
    writer: Writer
    carriage: Carriage
    _last: Entry | None = field(default=None, init=False)
    _offset: int = field(init=False)

    def __post_init__(self) -> None:
        self._offset = self.run.plan_offset

    def claim(self, changes: Mapping[str, Any], news: Sequence[News]) -> Entry:
        until = clock.now() + timedelta(seconds=LEASE)
        held = {
            "state": HostRunState.RUNNING.value,
            "owner": owner.me(),
            "lease_until": until,
            "wake_at": None,
        }
        return self._put(claim=True, changes={**changes, **held}, news=list(news))

    def catch_up(self) -> None:
        """Read what whoever had it before has written until our claim: from here on it cannot."""
        if self._last:
            self._last.wait()
        _refresh(self.run)
        self._offset = self.run.plan_offset

    def tell(
        self,
        *,
        changes: Mapping[str, Any] | None = None,
        news: Sequence[News] = (),
        offset: int | None = None,
        attempts: Sequence[Attempt] = (),
        attempt_changes: Mapping[int, Mapping[str, Any]] | None = None,
    ) -> Entry:
        """Hand over and go on; ``.wait()`` on what is returned where the next thing depends.

        ``offset``: up to where the plan's log is stored with this.
        """
        cursor = None
        self.run.step = (changes or {}).get("step", self.run.step)
        if offset is not None:
            cursor, self._offset = (self._offset, offset), offset
        return self._put(
            changes=dict(changes or {}),
            news=list(news),
            cursor=cursor,
            attempts=list(attempts),
            attempt_changes={pk: dict(given) for pk, given in (attempt_changes or {}).items()},
        )

    def _put(self, **entry: Any) -> Entry:
        if self._last and self._last.done.is_set():
            self._last.check()
        self._last = self.writer.put(
            Entry(self.run.job_id, self.run.pk, self.carriage.fence, before=self._last, **entry)
        )
        return self._last

    def link(self, link: Link, reason: str = "") -> None:
        """Transport only; says nothing about the outcome."""
        if self.run.link == link:
            return
        self.run.link, self.run.link_since = link, clock.now()
        data = {"to": link.value} | ({"reason": reason} if reason else {})
        self.tell(
            changes={"link": link.value, "link_since": self.run.link_since},
            news=[self.news(Event.Kind.LINK, data)],
        )

    def activity(self, activity: str) -> None:
        """What a running host run is busy with, where that is not going forward."""
        told = {"to": HostRunState.RUNNING.value, "activity": activity}
        self.tell(changes={"activity": activity}, news=[self.news(Event.Kind.HOST, told)])

    def end(self, state: HostRunState, **changes: Any) -> None:
        """The last entry: waits until it is committed."""
        over = {
            "state": state.value,
            "holds_host": state == HostRunState.UNKNOWN,
            "owner": "",
            "lease_until": None,
            "activity": "",
            "link": Link.NONE.value,
            "ended_at": None if state == HostRunState.UNKNOWN else clock.now(),
        }
        if state != HostRunState.UNKNOWN:
            over["out"] = False
        told = {name: changes[name] for name in SHOWN if changes.get(name)}
        news = self.news(Event.Kind.HOST, {"to": state.value, **told})
        failpoint("end.before")
        self.tell(changes={**over, **changes}, news=[news]).wait()
        failpoint("end.committed")

    def pause(self, *, out: bool) -> None:
        """It stands still, without a worker, until the conductor lets it go on."""
        self._stand_still(HostRunState.PAUSED, out=out, held=False)

    def hold(self, *, staged: bool) -> None:
        """The same before its first disruptive step, until the conductor lets it in."""
        state = HostRunState.STAGED if staged else HostRunState.PAUSED
        self._stand_still(state, out=False, held=True)

    def _stand_still(self, state: HostRunState, **changes: Any) -> None:
        still = {"owner": "", "lease_until": None, "activity": "", "link": Link.NONE.value}
        news = self.news(Event.Kind.HOST, {"to": state.value})
        self.tell(changes={**still, "state": state.value, **changes}, news=[news]).wait()

    def let_go(self, *, for_seconds: float = 0) -> None:
        """Free the lease so that any worker can go on, at once or later; the state stays."""
        failpoint("let-go.before")
        wake_at = clock.now() + timedelta(seconds=for_seconds) if for_seconds else None
        self.tell(changes={"owner": "", "lease_until": None, "wake_at": wake_at}).wait()

    @desk.asked
    def spend_force(self) -> None:
        """It was meant for what ran until now: what comes next is ended by another order."""
        carriage = self.carriage
        forced = Wish(carriage.wish)
        if forced.forces:
            rows = HostRun.objects.filter(pk=self.run.pk, fence=carriage.fence, wish=forced)
            change_host_runs(rows, wish=forced.without_force)
            carriage.wish = forced.without_force

    def news(
        self, kind: Event.Kind, data: Mapping[str, Any], attempt: Attempt | None = None
    ) -> News:
        return News(kind, dict(data), host_run=self.run.pk, attempt=attempt.pk if attempt else None)

    def step_news(
        self,
        attempt: Attempt,
        to: str,
        *,
        at: datetime | None = None,
        exit_status: int | None = None,
        **more: Any,
    ) -> News:
        """``at``: when it happened on the host, where that was not just now."""
        data = {
            "step": attempt.name,
            "n": attempt.number,
            "kind": attempt.kind,
            "to": to,
            "rc": exit_status,
            **more,
        }
        news = self.news(Event.Kind.STEP, data, attempt)
        news.at = at or news.at
        return news


#: Its own columns: related rows that were read together with it stay as they are.
_COLUMNS = [one.attname for one in HostRun._meta.concrete_fields if not one.is_relation]


@desk.asked
def _refresh(run: HostRun) -> None:
    run.refresh_from_db(fields=_COLUMNS)
