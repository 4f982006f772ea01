"""Slows down whoever guesses: passwords, tokens, one-time codes.

Counted in this process and not in rows: whoever guesses must not be able to make us write. What
was counted runs off with time, so nobody is kept out for long by others.
"""

import threading
import time
from collections import OrderedDict

#: Keys that are remembered at a time; of more, the oldest are forgotten.
KEPT = 20_000


class Guesses:
    """``burst`` wrong ones, and after that one every ``seconds``."""

    def __init__(self, *, burst: int, seconds: float) -> None:
        self._burst, self._seconds = burst, seconds
        self._lock = threading.Lock()
        #: Key -> how many wrong ones, and when that was so.
        self._wrong: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def too_many(self, key: str) -> bool:
        with self._lock:
            return self._level(key) > self._burst - 1

    def was_wrong(self, key: str) -> None:
        with self._lock:
            self._wrong[key] = (self._level(key) + 1, time.monotonic())
            self._wrong.move_to_end(key)
            if len(self._wrong) > KEPT:
                self._wrong.popitem(last=False)

    def was_right(self, key: str) -> None:
        with self._lock:
            self._wrong.pop(key, None)

    def forget(self) -> None:
        with self._lock:
            self._wrong.clear()

    def _level(self, key: str) -> float:
        level, at = self._wrong.get(key, (0.0, 0.0))
        return max(0.0, level - (time.monotonic() - at) / self._seconds)


#: Of one address, whatever names it tries. (The same name from the same address: django-axes.)
PASSWORDS_FROM = Guesses(burst=20, seconds=30)
#: For one name, wherever they come from: slowed, not locked, or anybody could lock anybody out.
PASSWORDS_FOR = Guesses(burst=30, seconds=10)
TOKENS_FROM = Guesses(burst=20, seconds=1)
ALL = (PASSWORDS_FROM, PASSWORDS_FOR, TOKENS_FROM)
