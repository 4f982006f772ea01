"""What is waited for while hosts say nothing, without a thread for each.

To be awaited by what `deploy_tasks.hands` carries; see docs/adr/0006. After a `Silence` or a
`Readable` it is mostly the watch that carries on, one thread for all hosts: nothing may block
there before `OwnThread` was awaited.
"""

import logging
import selectors
import socket
import threading
import time
from collections import deque
from collections.abc import Callable, Generator

from deploy_tasks.hands import Turn

log = logging.getLogger(__name__)

#: One thread looks so often whose time has come (seconds).
LOOK_EVERY = 0.1
#: How long a thread waits for more from a host that talks; and from one that was silent for longer
#: than that, which has probably only given a sign of life (seconds).
LINGER, BRIEFLY = 1.0, 0.02


class Patience:
    """For how many ``seconds`` a thread waits for a host before it is given back."""

    def __init__(self) -> None:
        self.seconds = LINGER
        self._heard_at = time.monotonic()

    def heard(self) -> None:
        """There is news."""
        now = time.monotonic()
        self.seconds = LINGER if now - self._heard_at < LINGER else BRIEFLY
        self._heard_at = now


class News:
    """Whether something has come: an event for a thread, or a turn where no thread waits.

    paramiko sets and clears it as the event of a channel's buffers.
    """

    def __init__(self) -> None:
        self._event = threading.Event()
        self._lock = threading.Lock()
        self._turn: Turn | None = None

    def set(self) -> None:
        self._event.set()
        self.ring()

    def clear(self) -> None:
        self._event.clear()

    def wait(self, seconds: float) -> None:
        self._event.wait(seconds)

    def then(self, turn: Turn, until: float) -> None:
        """Have the turn taken: when something comes, or has come, or at ``until``."""
        with self._lock:
            self._turn = turn
        _watch.add(self, until)
        if self._event.is_set():
            self.ring()

    def ring(self) -> None:
        """To go on without news is allowed: whoever is called looks."""
        with self._lock:
            turn, self._turn = self._turn, None
        if turn:
            _watch.drop(self)
            _watch.give(turn)


class Silence:
    """Until there is news, or ``until`` (monotonic seconds)."""

    def __init__(self, news: News, until: float) -> None:
        self._news, self._until = news, until

    def __await__(self) -> Generator["Silence", None, None]:
        yield self

    def then(self, turn: Turn) -> None:
        self._news.then(turn, self._until)


class Readable:
    """Until there is something to read, or a shutdown. Nobody closes the socket meanwhile."""

    def __init__(self, link: socket.socket) -> None:
        self._link = link

    def __await__(self) -> Generator["Readable", None, None]:
        yield self

    def then(self, turn: Turn) -> None:
        _watch.look_at(self._link, turn)


class OwnThread:
    """From here on it may block: another thread than the watch carries it."""

    def __await__(self) -> Generator["OwnThread", None, None]:
        if _watch.is_this_thread:
            yield self

    def then(self, turn: Turn) -> None:
        turn()


class _Watch:
    """One thread for all that is awaited; it is there from the first of it on."""

    def __init__(self) -> None:
        #: Whose time comes when, in ticks of ``LOOK_EVERY``: as many more cost no more.
        self._at: dict[int, set[News]] = {}
        self._tick_of: dict[News, int] = {}
        self._looked_at = 0
        self._links = selectors.DefaultSelector()
        #: What has its turn, and is carried by the watch itself.
        self._ready: deque[Turn] = deque()
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None

    @property
    def is_this_thread(self) -> bool:
        return threading.current_thread() is self._thread

    def add(self, news: News, until: float) -> None:
        self.drop(news)
        with self._changed:
            if not self._tick_of:
                self._looked_at = _tick(time.monotonic())
            tick = max(_tick(until), self._looked_at) + 1
            self._tick_of[news] = tick
            self._at.setdefault(tick, set()).add(news)
            self._begin()

    def drop(self, news: News) -> None:
        with self._changed:
            tick = self._tick_of.pop(news, None)
            if tick is not None:
                self._at[tick].discard(news)

    def look_at(self, link: socket.socket, turn: Turn) -> None:
        try:
            with self._changed:
                stale = self._links.get_map().get(link)
                if stale:
                    # It was closed, and its number given to this one.
                    self._links.unregister(stale.fd)
                self._links.register(link, selectors.EVENT_READ, turn)
                self._begin()
        except (OSError, ValueError):
            # It is closed: whoever reads it is told.
            turn()
            return
        if stale:
            stale.data()

    def give(self, turn: Turn) -> None:
        """Let it go on: in the watch, where that has brought the news."""
        if self.is_this_thread:
            # Not here and now: whoever rings may hold what the other one wants.
            self._ready.append(turn)
        else:
            turn()

    def _begin(self) -> None:
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="silence", daemon=True)
            self._thread.start()
        self._changed.notify()

    def _run(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(
                    lambda: self._ready or self._tick_of or self._links.get_map()
                )
            self._alone(self._look)

    def _look(self) -> None:
        for key, _events in self._links.select(0 if self._ready else LOOK_EVERY):
            with self._changed:
                self._links.unregister(key.fd)
            self._alone(key.data.here)
        for news in self._due():
            self._alone(news.ring)
        for _ in range(len(self._ready)):
            self._alone(self._ready.popleft().here)

    def _due(self) -> list[News]:
        due: list[News] = []
        with self._changed:
            if self._tick_of:
                for tick in range(self._looked_at, _tick(time.monotonic())):
                    due += self._at.pop(tick + 1, ())
                    self._looked_at = tick + 1
            for news in due:
                del self._tick_of[news]
        return due

    def _alone(self, do: Callable[[], None]) -> None:
        """The trouble of one connection is not that of all others."""
        try:
            do()
        except Exception:
            log.exception("a connection that nobody looks after")
            # Nor does it keep a core busy.
            time.sleep(LOOK_EVERY / 100)


def _tick(moment: float) -> int:
    return int(moment / LOOK_EVERY)


_watch = _Watch()
