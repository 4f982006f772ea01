"""Group commit: one transaction carries what many host runs did in a moment.

A thread that carries a host run hands over an `Entry` and goes on; it waits only where the next
side effect depends on the commit. Every entry is guarded by the fencing token of its claim (and
by the cursor, where it brings output): one whose guard does not hold changes nothing.
"""

import logging
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from django.db import connection, transaction

from deploy_tasks import calls, desk
from deploy_tasks.errors import LostClaim
from deploy_tasks.failpoints import failpoint
from deploy_tasks.journal import sql
from deploy_tasks.journal.announce import announce
from deploy_tasks.journal.moves import lock_all
from deploy_tasks.journal.news import News, store
from deploy_tasks.models import Attempt, Event, HostRun
from deploy_tasks.states import HostRunState

log = logging.getLogger(__name__)

#: Seconds between two commits under load; when idle an entry is committed at once.
PAUSE = 0.05
#: Bytes of output that may wait for a commit before those who bring more have to wait.
ROOM = 8 << 20
#: The most bytes an output event is joined to.
PIECE = 8192

ATTEMPT_COLUMNS = [f.attname for f in Attempt._meta.concrete_fields if not f.primary_key]


@dataclass
class Entry:
    """What one host run wants in one commit.

    ``fence`` is the token of the claim; with ``claim`` the entry is the claim itself and takes
    ``fence`` from ``fence - 1``. ``changes`` are columns of the host run, ``cursor`` moves
    ``plan_offset`` from one value to another, ``attempts`` are new rows, which have their
    ids after the commit; ``attempt_changes`` are columns by attempt id. ``before`` is the entry
    that it follows: where that one has lost, so has this, whatever its own guard says.
    """

    job: int
    host_run: int
    fence: int
    claim: bool = False
    changes: dict[str, Any] = field(default_factory=dict)
    cursor: tuple[int, int] | None = None
    attempts: list[Attempt] = field(default_factory=list)
    attempt_changes: dict[int, dict[str, Any]] = field(default_factory=dict)
    news: list[News] = field(default_factory=list)
    before: "Entry | None" = field(default=None, repr=False)
    error: BaseException | None = None
    done: threading.Event = field(default_factory=threading.Event)

    @property
    def size(self) -> int:
        return sum(len(one.output) for one in self.news if one.output)

    @property
    def follows_a_loss(self) -> bool:
        return self.before is not None and isinstance(self.before.error, LostClaim)

    def settle(self, error: BaseException | None) -> None:
        self.error, self.before = error, None
        # Whoever handed it over may keep it for hours, on a quiet host; its output need not stay.
        self.news = []
        self.done.set()

    def lose(self) -> None:
        self.settle(LostClaim(f"host run {self.host_run}"))

    def check(self) -> None:
        """Raise what went wrong with it, if it is known by now."""
        if self.error:
            raise self.error

    def wait(self) -> None:
        """Until it is committed. Raises `LostClaim` when another worker has the host run."""
        self.done.wait()
        self.check()


class Writer:
    """The thread that commits, one per worker process.

    ``on_ended`` is told, by job, how many host runs have ended in a commit.
    """

    def __init__(self, on_ended: Callable[[Counter[int]], None] = lambda jobs: None) -> None:
        self._on_ended = on_ended
        self._entries: deque[Entry] = deque()
        self._size = 0
        self._news = threading.Condition()
        #: Held during a commit by this thread, and by others of this process that write as well.
        #: Those who wait for SQLite itself sleep longer and longer between two tries: beside a busy
        #: journal the conductor never got in, and the next hosts began only when all had ended.
        self.turn = threading.Lock()
        self._stopping = False
        self._thread = threading.Thread(target=self._run, name="journal", daemon=True)
        self._thread.start()

    def put(self, entry: Entry) -> Entry:
        """Hand over; waits only while too much output waits before it."""
        with self._news:
            while self._size > ROOM:
                self._news.wait()
            self._entries.append(entry)
            self._size += entry.size
            self._news.notify_all()
        return entry

    def close(self) -> None:
        """Commit what was handed over, then end the thread."""
        with self._news:
            self._stopping = True
            self._news.notify_all()
        self._thread.join()

    def _run(self) -> None:
        last = 0.0
        while True:
            with self._news:
                while not self._entries and not self._stopping:
                    self._news.wait()
                if not self._entries:
                    break
            if not self._stopping and self._size < ROOM // 2:
                time.sleep(max(0.0, last + PAUSE - time.monotonic()))
            last = time.monotonic()
            with self._news:
                entries = list(self._entries)
                self._entries.clear()
                self._size = 0
                self._news.notify_all()
            self._commit(entries)
        connection.close()

    def _commit(self, entries: Sequence[Entry]) -> None:
        try:
            ended = self._flush_when_possible(entries)
        except Exception as error:  # whatever it is, the others' entries are not lost for it
            if len(entries) > 1:
                middle = len(entries) // 2
                self._commit(entries[:middle])
                self._commit(entries[middle:])
                return
            log.exception("an entry of host run %s cannot be stored", entries[0].host_run)
            entries[0].settle(error)
        else:
            if ended:
                self._on_ended(ended)

    def _flush_when_possible(self, entries: Sequence[Entry]) -> Counter[int]:
        """A database that is away or busy is waited for: the hosts keep their logs meanwhile."""
        while True:
            try:
                with self.turn:
                    return flush(entries)
            except desk.AWAY as error:
                log.warning("the journal could not be written, trying again: %s", error)
                connection.close()
                time.sleep(1)


def flush(entries: Sequence[Entry]) -> Counter[int]:
    """Commit entries, tell those who wait, announce; counts the ended host runs by job."""
    groups = _merge(entries)
    failpoint("flush.begun")
    with transaction.atomic():
        lock_all({group.job for group in groups})
        won = [
            *(claimed := _compare_and_set([group for group in groups if group.claim])),
            *_compare_and_set(_others(groups, claimed)),
        ]
        _write_attempts(won)
        failpoint("flush.moved")
        news_of: dict[int, list[News]] = {}
        for group in won:
            news_of.setdefault(group.job, []).extend(_joined(group.news))
        grown = store({job: news for job, news in news_of.items() if news})
        for job in {g.job for g in won if g.changes.get("state") == HostRunState.UNKNOWN}:
            calls.note_unknown(job)
        failpoint("flush.written")
    failpoint("flush.committed")
    winners = {id(group) for group in won}
    for group in groups:
        for entry in group.entries:
            if id(group) in winners:
                entry.settle(None)
            else:
                entry.lose()
    for job, to in grown.items():
        announce(job, to)
    return Counter(group.job for group in won if group.changes.get("state", "running") != "running")


@dataclass
class _Group:
    """The entries of one claim in one flush, as one."""

    entries: list[Entry]
    changes: dict[str, Any] = field(default_factory=dict)
    attempt_changes: dict[int, dict[str, Any]] = field(default_factory=dict)
    news: list[News] = field(default_factory=list)
    cursor: tuple[int, int] | None = None

    @property
    def job(self) -> int:
        return self.entries[0].job

    @property
    def host_run(self) -> int:
        return self.entries[0].host_run

    @property
    def fence(self) -> int:
        return self.entries[0].fence

    @property
    def claim(self) -> bool:
        return self.entries[0].claim

    def add(self, entry: Entry) -> None:
        self.changes |= entry.changes
        for attempt, changes in entry.attempt_changes.items():
            self.attempt_changes.setdefault(attempt, {}).update(changes)
        self.news += entry.news
        if entry.cursor:
            began = self.cursor[0] if self.cursor else entry.cursor[0]
            self.cursor = (began, entry.cursor[1])


def _merge(entries: Iterable[Entry]) -> list[_Group]:
    groups: dict[tuple[int, int, bool], _Group] = {}
    # A flush that is tried again leaves out what has lost already.
    for entry in (one for one in entries if not one.done.is_set()):
        key = (entry.host_run, entry.fence, entry.claim)
        # Two threads want the same token: the second has lost without asking the database.
        if entry.follows_a_loss or (entry.claim and key in groups):
            entry.lose()
            continue
        group = groups.setdefault(key, _Group([]))
        group.entries.append(entry)
        group.add(entry)
    return sorted(groups.values(), key=lambda group: group.host_run)


def _others(groups: Sequence[_Group], claimed: Sequence[_Group]) -> list[_Group]:
    """Groups that claim nothing, less those that rest on a claim which was lost in this very flush:
    another worker has that token."""
    mine = {(group.host_run, group.fence) for group in claimed}
    lost = {
        id(e) for g in groups if g.claim and (g.host_run, g.fence) not in mine for e in g.entries
    }
    return [g for g in groups if not g.claim and id(g.entries[0].before) not in lost]


def _compare_and_set(groups: Sequence[_Group]) -> list[_Group]:
    """Guarded updates, one statement for all groups that change the same columns."""
    shapes: dict[tuple[Any, ...], list[_Group]] = {}
    for group in groups:
        shapes.setdefault((group.cursor is not None, *sorted(group.changes)), []).append(group)
    won: list[_Group] = []
    for (moves_cursor, *columns), alike in shapes.items():
        won += _update_alike(alike, columns, moves_cursor=moves_cursor, claim=alike[0].claim)
    return won


def _update_alike(
    groups: Sequence[_Group], columns: list[str], *, moves_cursor: bool, claim: bool
) -> list[_Group]:
    guards = ["fence", "plan_offset"] if moves_cursor else ["fence"]
    rows = []
    for group in groups:
        row = [group.host_run, group.fence - 1 if claim else group.fence]
        new = [group.changes[column] for column in columns]
        if group.cursor:
            row.append(group.cursor[0])
            new.append(group.cursor[1])
        rows.append([*row, *new, *([group.fence] if claim else [])])
    sets = [*columns, *(["plan_offset"] if moves_cursor else []), *(["fence"] if claim else [])]
    takes = (HostRunState.QUEUED, HostRunState.RUNNING) if claim else (HostRunState.RUNNING,)
    states = ", ".join(f"'{state.value}'" for state in takes)
    if not sets:
        sets, rows = ["fence"], [[*row, row[1]] for row in rows]
    won = sql.compare_and_set(HostRun, guards, sets, rows, where=f"state IN ({states})")
    return [group for group in groups if group.host_run in won]


def _write_attempts(groups: Sequence[_Group]) -> None:
    new = [attempt for group in groups for entry in group.entries for attempt in entry.attempts]
    rows = [[getattr(attempt, name) for name in ATTEMPT_COLUMNS] for attempt in new]
    for attempt, pk in zip(new, sql.insert_for_ids(Attempt, ATTEMPT_COLUMNS, rows), strict=True):
        attempt.pk = pk
    shapes: dict[tuple[str, ...], list[tuple[Any, ...]]] = {}
    for group in groups:
        for pk, changes in group.attempt_changes.items():
            columns = tuple(sorted(changes))
            shapes.setdefault(columns, []).append((pk, *(changes[c] for c in columns)))
    for columns, changed in shapes.items():
        sql.update(Attempt, columns, changed)


def _joined(news: Iterable[News]) -> list[News]:
    """Neighbouring pieces of one output as one event, as far as they fit."""
    joined: list[News] = []
    for one in news:
        last = joined[-1] if joined else None
        if last and _continues(last, one):
            # A new one: a commit that fails is tried again with what was handed over.
            joined[-1] = replace(
                last,
                output=(last.output or b"") + (one.output or b""),
                raw_length=(last.raw_length or 0) + (one.raw_length or 0),
            )
        else:
            joined.append(one)
    return joined


def _continues(last: News, one: News) -> bool:
    return (
        one.kind == last.kind == Event.Kind.OUTPUT
        and one.attempt == last.attempt
        and len(last.output or b"") + len(one.output or b"") <= PIECE
    )
