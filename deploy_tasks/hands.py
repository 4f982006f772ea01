"""Threads that carry host runs, as many as have something to do.

A host run is a coroutine. It has a thread of its own while it works, and may block there like any
other function; where it would wait for a host that says nothing it awaits that, gives its thread
back, and goes on with whichever thread is free when there is news. Where there may be all but
nothing to do it goes on with the thread that has brought the news.
"""

import logging
import threading
import time
from collections.abc import Callable, Coroutine
from queue import Empty, SimpleQueue
from typing import Any, Protocol

log = logging.getLogger(__name__)

#: Seconds for which a thread that has nothing to do is kept.
IDLE = 2.0


class Wait(Protocol):
    """What a coroutine awaits."""

    def then(self, turn: "Turn") -> None:
        """Have the turn taken once, when there is news: by any thread, perhaps at once."""


Work = Coroutine[Wait, None, None]


class Turn:
    """How work goes on after its wait."""

    __slots__ = ("_hands", "_work")

    def __init__(self, hands: "Hands", work: Work) -> None:
        self._hands, self._work = hands, work

    def __call__(self) -> None:
        """With a thread that is free."""
        self._hands._go_on(self._work)

    def here(self) -> None:
        """With this thread, up to its next wait: nothing of it may block."""
        self._hands._carry(self._work)


_Seat = SimpleQueue[Work | None]


class Hands:
    """``begin`` is called by each thread before all else."""

    def __init__(self, *, name: str, begin: Callable[[], None]) -> None:
        self._name, self._begin = name, begin
        self._changed = threading.Condition()
        #: Where threads wait that have nothing to do.
        self._idle: list[_Seat] = []
        #: For which there was no thread to be had.
        self._left: list[Work] = []
        self._open = 0
        self._closed = False

    def take(self, work: Any) -> None:
        """Begin with ``work``, a coroutine that awaits nothing but a `Wait`."""
        with self._changed:
            self._open += 1
        self._go_on(work)

    def close(self, *, within: float) -> bool:
        """Wait for all work to end, so many seconds; whether it has. Threads end with it."""
        deadline = time.monotonic() + within
        with self._changed:
            self._changed.wait_for(lambda: not self._open, deadline - time.monotonic())
            self._closed = True
            idle, self._idle = self._idle, []
            for seat in idle:
                seat.put(None)
            return not self._open

    def _go_on(self, work: Work) -> None:
        with self._changed:
            # The one that was busy last: the others come to their end.
            seat = self._idle.pop() if self._idle else None
        if seat is not None:
            seat.put(work)
            return
        fresh = threading.Thread(target=self._serve, args=(work,), name=self._name, daemon=True)
        try:
            fresh.start()
        except RuntimeError as error:
            log.warning("waits for a thread that is free: %s", error)
            with self._changed:
                self._left.append(work)

    def _serve(self, first: Work) -> None:
        self._begin()
        seat: _Seat = SimpleQueue()
        work: Work | None = first
        del first
        while work is not None:
            self._carry(work)
            # Others have it by now, or nobody.
            del work
            work = self._next(seat)

    def _next(self, seat: _Seat) -> Work | None:
        with self._changed:
            if self._left:
                return self._left.pop(0)
            if self._closed:
                return None
            self._idle.append(seat)
        try:
            return seat.get(timeout=IDLE)
        except Empty:
            pass
        with self._changed:
            if seat in self._idle:
                self._idle.remove(seat)
                return None
        # Just now it was given something.
        return seat.get()

    def _carry(self, work: Work) -> None:
        try:
            wait = work.send(None)
        except StopIteration:
            pass
        except Exception:
            log.exception("work that nobody carries on")
        else:
            wait.then(Turn(self, work))
            return
        with self._changed:
            self._open -= 1
            self._changed.notify_all()
