"""Slows down whoever guesses: passwords, tokens, one-time codes.

Counted in this process and not in rows: whoever guesses must not be able to make us write. What
was counted runs off with time, so nobody is kept out for long by others.
"""

import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from ipaddress import ip_address, ip_network

#: Keys that are remembered at a time; of more, the oldest are forgotten.
KEPT = 20_000


def neighbours(address: str) -> str:
    """Who shares an address: of IPv6 a whole network of 64 bits is one customer's."""
    try:
        found = ip_address(address)
    except ValueError:
        return address
    return address if found.version == 4 else str(ip_network((found, 64), strict=False))


class Guesses:
    """``burst`` wrong ones, and after that one every ``seconds``; ``of`` says whose a key is."""

    def __init__(
        self, *, burst: int, seconds: float, of: Callable[[str], str] = lambda key: key
    ) -> None:
        self._burst, self._seconds, self._of = burst, seconds, of
        self._lock = threading.Lock()
        #: Key -> how many wrong ones, and when that was so.
        self._wrong: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def too_many(self, key: str) -> bool:
        with self._lock:
            return self._level(self._of(key)) > self._burst - 1

    def was_wrong(self, key: str) -> None:
        key = self._of(key)
        with self._lock:
            self._wrong[key] = (self._level(key) + 1, time.monotonic())
            self._wrong.move_to_end(key)
            if len(self._wrong) > KEPT:
                self._wrong.popitem(last=False)

    def was_right(self, key: str) -> None:
        with self._lock:
            self._wrong.pop(self._of(key), None)

    def forget(self) -> None:
        with self._lock:
            self._wrong.clear()

    def _level(self, key: str) -> float:
        level, at = self._wrong.get(key, (0.0, 0.0))
        return max(0.0, level - (time.monotonic() - at) / self._seconds)


class Allowance:
    """How much of what strangers cause is written down: ``burst``, and then one in ``seconds``."""

    def __init__(self, *, burst: int, seconds: float) -> None:
        self._spent = Guesses(burst=burst, seconds=seconds)
        self._lock = threading.Lock()
        self._left_out = 0

    def take(self) -> int | None:
        """How many were left out before this one; None where this one is, too."""
        with self._lock:
            if self._spent.too_many(""):
                self._left_out += 1
                return None
            self._spent.was_wrong("")
            left_out, self._left_out = self._left_out, 0
            return left_out

    def forget(self) -> None:
        with self._lock:
            self._spent.forget()
            self._left_out = 0


#: Of one address, whatever names it tries. (The same name from the same address: django-axes.)
PASSWORDS_FROM = Guesses(burst=20, seconds=30, of=neighbours)
#: For one name, wherever they come from: slowed, not locked, or anybody could lock anybody out.
PASSWORDS_FOR = Guesses(burst=30, seconds=10)
TOKENS_FROM = Guesses(burst=20, seconds=1, of=neighbours)
#: One-time codes of one user: six digits, of which three are right at a time.
CODES_FOR = Guesses(burst=5, seconds=60)
#: Ways to the provider, wrong or not, begun from one address; a whole office may share it.
STARTS_FROM = Guesses(burst=50, seconds=5, of=neighbours)
#: What was locked, so that it is told once.
LOCKS = Guesses(burst=1, seconds=900)
#: Entries in the audit about people who did not get in: some 3,000 a day at the most.
STRANGERS = Allowance(burst=200, seconds=30)
ALL = (PASSWORDS_FROM, PASSWORDS_FOR, TOKENS_FROM, CODES_FOR, STARTS_FROM, LOCKS, STRANGERS)
