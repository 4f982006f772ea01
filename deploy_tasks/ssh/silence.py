"""What is waited for while hosts say nothing, without a thread for each.

To be awaited by what `deploy_tasks.hands` carries; see docs/adr/0006.
"""

import selectors
import socket
import threading
import time
from collections.abc import Callable, Generator

#: One thread looks so often whose time has come (seconds).
LOOK_EVERY = 0.1
#: For so long a thread waits for a host that talks; and for one that was silent for longer than
#: that, for it has but given a sign of life (seconds).
LINGER, BRIEFLY = 1.0, 0.02


class Patience:
    """How long a thread is kept for whom it waits: ``seconds``."""

    def __init__(self) -> None:
        self.seconds = LINGER
        self._heard_at = time.monotonic()

    def heard(self) -> None:
        """There is news."""
        now = time.monotonic()
        self.seconds = LINGER if now - self._heard_at < LINGER else BRIEFLY
        self._heard_at = now


class News:
    """Whether something has come: an event for a thread, or a call where no thread waits.

    paramiko sets and clears it as the event of a channel's buffers.
    """

    def __init__(self) -> None:
        self._event = threading.Event()
        self._lock = threading.Lock()
        self._go_on: Callable[[], None] | None = None

    def set(self) -> None:
        self._event.set()
        self.ring()

    def clear(self) -> None:
        self._event.clear()

    def wait(self, seconds: float) -> None:
        self._event.wait(seconds)

    def then(self, go_on: Callable[[], None], until: float) -> None:
        """Have ``go_on`` called once: when something comes, or has come, or at ``until``."""
        with self._lock:
            self._go_on = go_on
        _watch.add(self, until)
        if self._event.is_set():
            self.ring()

    def ring(self) -> None:
        """To go on without news is allowed: whoever is called looks."""
        with self._lock:
            go_on, self._go_on = self._go_on, None
        if go_on:
            _watch.drop(self)
            go_on()


class Silence:
    """Until there is news, or ``until`` (monotonic seconds)."""

    def __init__(self, news: News, until: float) -> None:
        self._news, self._until = news, until

    def __await__(self) -> Generator["Silence", None, None]:
        yield self

    def then(self, go_on: Callable[[], None]) -> None:
        self._news.then(go_on, self._until)


class Readable:
    """Until there is something to read, or a shutdown. Nobody closes the socket meanwhile."""

    def __init__(self, link: socket.socket) -> None:
        self._link = link

    def __await__(self) -> Generator["Readable", None, None]:
        yield self

    def then(self, go_on: Callable[[], None]) -> None:
        _watch.look_at(self._link, go_on)


class _Watch:
    """One thread for all that is awaited; it is there from the first of it on."""

    def __init__(self) -> None:
        self._until: dict[News, float] = {}
        self._links = selectors.DefaultSelector()
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None

    def add(self, news: News, until: float) -> None:
        with self._changed:
            self._until[news] = until
            self._begin()

    def drop(self, news: News) -> None:
        with self._changed:
            self._until.pop(news, None)

    def look_at(self, link: socket.socket, go_on: Callable[[], None]) -> None:
        with self._changed:
            self._links.register(link, selectors.EVENT_READ, go_on)
            self._begin()

    def _begin(self) -> None:
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="silence", daemon=True)
            self._thread.start()
        self._changed.notify()

    def _run(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._until or self._links.get_map())
            heard = [key for key, _events in self._links.select(LOOK_EVERY)]
            with self._changed:
                for key in heard:
                    self._links.unregister(key.fileobj)
                now = time.monotonic()
                due = [news for news, until in self._until.items() if until <= now]
                for news in due:
                    del self._until[news]
            for key in heard:
                key.data()
            for news in due:
                news.ring()


_watch = _Watch()
