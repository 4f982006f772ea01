"""What is waited for while a host says nothing, without a thread for each."""

import threading
import time
from collections.abc import Callable, Generator

#: One thread looks so often whose time has come (seconds).
LOOK_EVERY = 0.1


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
        _clock.add(self, until)
        if self._event.is_set():
            self.ring()

    def ring(self) -> None:
        """To go on without news is allowed: whoever is called looks."""
        with self._lock:
            go_on, self._go_on = self._go_on, None
        if go_on:
            _clock.drop(self)
            go_on()


class Silence:
    """Awaited until there is news, or ``until`` (monotonic seconds); see `deploy_tasks.hands`."""

    def __init__(self, news: News, until: float) -> None:
        self._news, self._until = news, until

    def __await__(self) -> Generator["Silence", None, None]:
        yield self

    def then(self, go_on: Callable[[], None]) -> None:
        self._news.then(go_on, self._until)


class _Clock:
    """Rings for those whose time has come. Its thread is there from the first of them on."""

    def __init__(self) -> None:
        self._until: dict[News, float] = {}
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None

    def add(self, news: News, until: float) -> None:
        with self._changed:
            self._until[news] = until
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="silence", daemon=True)
                self._thread.start()
            if len(self._until) == 1:
                self._changed.notify()

    def drop(self, news: News) -> None:
        with self._changed:
            self._until.pop(news, None)

    def _run(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._until)
                now = time.monotonic()
                due = [news for news, until in self._until.items() if until <= now]
                for news in due:
                    del self._until[news]
            for news in due:
                news.ring()
            time.sleep(LOOK_EVERY)


_clock = _Clock()
