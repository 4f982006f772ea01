"""What was made a moment ago, for all who ask for the same at about the same time."""

import math
import threading
import time
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

T = TypeVar("T")

#: Seconds that an answer is good for; one that took long to make, for so many times as long.
FRESH = 2.0
WORTH = 10
#: Answers that are kept at a time.
KEPT = 64


class Recent(Generic[T]):
    """To be asked by any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._kept: dict[Hashable, _Answer[T]] = {}

    def get(self, about: Hashable, make: Callable[[], T], *, anew: bool = False) -> T:
        """What ``make`` gave a moment ago, or gives now; who comes meanwhile waits for it.

        ``anew``: never what was begun before it was asked for.
        """
        asked = time.monotonic()
        with self._lock:
            answer = self._kept.setdefault(about, _Answer())
            while len(self._kept) > KEPT:
                del self._kept[next(iter(self._kept))]
        with answer.lock:
            begun = time.monotonic()
            if begun >= answer.until or (anew and answer.begun < asked):
                answer.made = make()
                answer.begun = begun
                made = time.monotonic()
                answer.until = made + max(FRESH, WORTH * (made - begun))
            return answer.made


class _Answer(Generic[T]):
    made: T

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.begun = self.until = -math.inf
