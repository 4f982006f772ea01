"""One reader per process and job: it reads what is new once, for all who watch the job here.

The channel layer only rings. A lost bell, or a layer that is away, costs at most POLL seconds.
"""

import asyncio
import contextlib
import logging
from asyncio import AbstractEventLoop
from collections import Counter
from collections.abc import Callable, Collection, Iterator
from typing import Any, Protocol, TypeVar
from weakref import WeakKeyDictionary

from channels.layers import get_channel_layer
from django.db import Error as DatabaseError
from redis.exceptions import RedisError

from deploy_tasks import events, journal
from deploy_tasks.models import Job
from deploy_tasks.states import JOB_ENDED
from webapp import doorman, rows
from webapp.doorman import Audience, Guest
from webapp.protocol import Batch, Close
from webapp.shared import Shared, Together
from webapp.tail import PAGE, Hosts, Tail

logger = logging.getLogger(__name__)

POLL = 2.0
#: Seconds between two tries to join the group while the channel layer is away.
JOIN_AGAIN = 15.0
#: A reader begins so many events back: after a restart everybody comes back from about there.
REWIND = 256
#: Answers from rows that are kept for others, for POLL seconds: welcomes, pages of the past.
SHARED = 16
#: Seconds of rest per watcher that was fed: the more there are, the fewer and larger the batches.
PACE = 0.000_1
MAX_WATCHERS = 10_000
#: Of one user: nobody keeps everybody else out.
MAX_PER_USER = 2_000

T = TypeVar("T")


class TooMany(Exception):
    """This process has all the watchers it can serve well."""


class Watcher(Protocol):
    """What a reader knows of those it feeds."""

    @property
    def guest(self) -> Guest: ...

    @property
    def cursor(self) -> int:
        """The last event that it was told of."""

    def stir(self) -> None:
        """There may be something to do now."""

    def tick(self) -> None:
        """Time has passed."""

    def close(self, code: Close) -> None: ...


@contextlib.contextmanager
def watching(job_id: int, watcher: Watcher) -> Iterator["Reader"]:
    """The reader of the job, with one more watcher. Who leaves last ends it. Raises TooMany."""
    user = watcher.guest.user_id
    if _watchers_of.total() >= MAX_WATCHERS or _watchers_of[user] >= MAX_PER_USER:
        raise TooMany
    readers = _readers.setdefault(asyncio.get_running_loop(), {})
    reader = readers.get(job_id)
    if reader is None:
        reader = readers[job_id] = Reader(job_id)
        reader.start()
    reader.watchers.add(watcher)
    _watchers_of[user] += 1
    try:
        yield reader
    finally:
        _watchers_of[user] -= 1
        reader.watchers.discard(watcher)
        if not reader.watchers:
            _forget(reader)
            reader.stop()


class Reader:
    """Follows one job for as long as it has watchers."""

    def __init__(self, job_id: int) -> None:
        self.job_id = job_id
        self.watchers: set[Watcher] = set()
        self.tail = Tail(0)
        #: How the job ended, if it has and ``tail.last`` is its last event.
        self.ended: str | None = None
        self._shared = Shared(SHARED)
        self._rights = Together(self._look)
        #: Pages of the past, and whose output is in them (None: everybody's).
        self._past: list[tuple[Hosts, Tail]] = []
        self._bell = asyncio.Event()
        #: Somebody has come to the newest page there is, or has room for the next.
        self._wanted = asyncio.Event()
        self._work: asyncio.Task[None] | None = None

    def start(self) -> None:
        self._work = asyncio.create_task(self._run(), name=f"reader of job {self.job_id}")
        self._work.add_done_callback(self._broke)

    def stop(self) -> None:
        self._shared.close()
        self._rights.close()
        if self._work:
            self._work.cancel()

    async def welcome(self, audience: Audience) -> dict[str, Any]:
        """What those who come in are told first, as it was within POLL. Raises Job.DoesNotExist."""
        return await self._shared.get(
            audience, lambda: self._ask(doorman.welcome, audience=audience)
        )

    async def must_go(self, guest: Guest) -> Close | None:
        """Why somebody may not watch, as it is now: asked once for all who come meanwhile."""
        return await self._rights.get(guest)

    async def batch(self, cursor: int, hosts: Hosts) -> Batch:
        """What comes after a cursor: from the tail, or from rows where it has left that behind.

        After a restart many come back to about the same place; what one asks of the rows, the
        others get too.
        """
        if self.tail.has(cursor):
            batch = self.tail.next(cursor, hosts)
            if batch.to > self.tail.newest:
                self._wanted.set()
            return batch
        for of, past in self._past:
            if of in (None, hosts) and past.goes_on(cursor):
                return past.next(cursor, hosts)
        past = await self._shared.get((cursor, hosts), lambda: self._read_past(cursor, hosts))
        return past.next(cursor, hosts)

    def want(self, cursor: int) -> None:
        """Somebody has all there is here, and room for more.

        One that was sent over to HTTP may be ahead of this reader: it does not drive the reader
        past those who still need what comes next.
        """
        last = self.tail.last
        if cursor == last or all(watcher.cursor > last for watcher in self.watchers):
            self._wanted.set()

    async def backlog(self, cursor: int, hosts: Hosts) -> tuple[int, int]:
        """The newest event there is, and about how many bytes lie between."""
        to, _state = await self._ask(events.head)
        return to, await self._ask(events.weigh, after=cursor, to=to, hosts=hosts)

    async def _read_past(self, cursor: int, hosts: Hosts) -> Tail:
        past = Tail(cursor)
        past.extend(await self._ask(events.read, after=cursor, limit=PAGE, hosts=hosts))
        self._past.append((hosts, past))
        return past

    async def _run(self) -> None:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._listen())
            tasks.create_task(self._follow())
            tasks.create_task(self._look_after())

    async def _listen(self) -> None:
        """Hears the bell, if it can."""
        layer = get_channel_layer()
        group = journal.group_of(self.job_id)
        while layer is not None:
            try:
                channel = await layer.new_channel()
                await layer.group_add(group, channel)
                try:
                    # What was committed before we joined rang for nobody.
                    self._bell.set()
                    while True:
                        self._heard(await layer.receive(channel))
                finally:
                    # An error of a broken layer must not take the place of the cancel that ends us:
                    # it would be caught below, and we would join again for ever.
                    with contextlib.suppress(OSError, RedisError):
                        await layer.group_discard(group, channel)
            except (OSError, RedisError) as error:
                logger.warning("job %s: no bell: %s", self.job_id, error)
                await asyncio.sleep(JOIN_AGAIN)

    def _heard(self, message: dict[str, Any]) -> None:
        if message["type"] == "job.grew" and message["to"] > self.tail.last:
            self._bell.set()

    async def _follow(self) -> None:
        try:
            last_seq, _state = await self._ask(events.head)
            self.tail = Tail(max(0, last_seq - REWIND))
            while True:
                self._bell.clear()
                await self._read()
                await asyncio.sleep(PACE * len(self.watchers))
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(POLL):
                        await self._bell.wait()
        except Job.DoesNotExist:
            self._close_all(Close.NO_SUCH_JOB)

    async def _read(self) -> None:
        """Everything that is new, a page at a time."""
        more = True
        while more:
            page = await self._ask(events.read, after=self.tail.last, limit=PAGE)
            more = page.to < page.last_seq
            ended = page.state if not more and page.state in JOB_ENDED else None
            if page.to == self.tail.last and ended == self.ended:
                return
            self.tail.extend(page)
            self.ended = ended
            self._wanted.clear()
            for watcher in self.watchers:
                watcher.stir()
            if more:
                await self._until_wanted(page.last_seq)

    async def _until_wanted(self, last_seq: int) -> None:
        """Waits until the fastest watcher has room: a page that is read before that would push out
        of the tail what nobody has been sent yet."""
        while not self._wanted.is_set():
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(POLL):
                    await self._wanted.wait()
            # All of them have what comes next, from HTTP or from the past.
            after = min([last_seq, *(watcher.cursor for watcher in self.watchers)])
            if after > self.tail.last:
                self.tail = Tail(after)
                return

    async def _look_after(self) -> None:
        """Asks for everybody's rights again, and lets time pass for all of them."""
        while True:
            await asyncio.sleep(POLL)
            self._shared.forget()
            self._past.clear()
            for watcher in self.watchers:
                watcher.tick()
            guests = {watcher.guest for watcher in self.watchers}
            try:
                gone = await rows.ask(doorman.no_longer_welcome, self.job_id, guests)
            except DatabaseError as error:
                # Nobody is shown anything meanwhile: the events are away as well.
                logger.warning("job %s: rights cannot be checked: %s", self.job_id, error)
                continue
            for watcher in self.watchers:
                if code := gone.get(watcher.guest):
                    watcher.close(code)

    async def _look(self, guests: Collection[Guest]) -> dict[Guest, Close]:
        return await self._ask(doorman.no_longer_welcome, guests=guests)

    async def _ask(self, question: Callable[..., T], **about: Any) -> T:
        """Asks the rows about this job, and again until the database answers."""
        while True:
            try:
                return await rows.ask(question, self.job_id, **about)
            except DatabaseError as error:
                logger.warning("job %s: events cannot be read: %s", self.job_id, error)
                await asyncio.sleep(POLL)

    def _broke(self, work: asyncio.Task[None]) -> None:
        if work.cancelled() or work.exception() is None:
            return
        logger.error("job %s: its reader broke", self.job_id, exc_info=work.exception())
        _forget(self)
        self._close_all(Close.RESTARTING)

    def _close_all(self, code: Close) -> None:
        for watcher in self.watchers:
            watcher.close(code)


def _forget(reader: Reader) -> None:
    readers = _readers[asyncio.get_running_loop()]
    if readers.get(reader.job_id) is reader:
        del readers[reader.job_id]


#: A process has one loop; a test has one each.
_readers: WeakKeyDictionary[AbstractEventLoop, dict[int, Reader]] = WeakKeyDictionary()
#: How many each user has here.
_watchers_of: Counter[int] = Counter()
