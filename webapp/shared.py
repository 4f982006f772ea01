"""Answers that many wait for: asked once for all who ask the same at about the same time."""

import asyncio
from collections.abc import Callable, Coroutine, Hashable, Mapping, Set
from typing import Any, Generic, TypeVar

K = TypeVar("K", bound=Hashable)
T = TypeVar("T")


class Shared:
    """Keeps the ``most`` newest answers until they are forgotten."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._answers: dict[Hashable, asyncio.Task[Any]] = {}

    async def get(self, about: Hashable, ask: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """What ``ask`` gives, now or for somebody before. Raises what it raises."""
        answer: asyncio.Task[T] | None = self._answers.get(about)
        if answer is None:
            if len(self._answers) >= self._most:
                del self._answers[next(iter(self._answers))]
            answer = self._answers[about] = asyncio.create_task(ask())
        # Who goes away while waiting takes nothing from those who wait as well.
        return await asyncio.shield(answer)

    def forget(self) -> None:
        """Whoever asks from here on is told anew."""
        self._answers.clear()

    def close(self) -> None:
        """Nobody waits any more."""
        for answer in self._answers.values():
            answer.cancel()


class Together(Generic[K, T]):
    """One question about all who came while the one before was asked."""

    def __init__(self, ask: Callable[[Set[K]], Coroutine[Any, Any, Mapping[K, T]]]) -> None:
        self._ask = ask
        self._coming: set[K] = set()
        self._answer: asyncio.Task[Mapping[K, T]] | None = None

    async def get(self, about: K) -> T | None:
        """What is answered about one of them, if anything is. Raises what ``ask`` raises."""
        if not self._coming:
            self._answer = asyncio.create_task(self._ask_after(self._answer))
        self._coming.add(about)
        assert self._answer is not None
        return (await asyncio.shield(self._answer)).get(about)

    async def _ask_after(self, before: asyncio.Task[Mapping[K, T]] | None) -> Mapping[K, T]:
        if before is not None:
            await asyncio.wait([before])
        coming, self._coming = self._coming, set()
        return await self._ask(coming)

    def close(self) -> None:
        """Nobody waits any more."""
        if self._answer is not None:
            self._answer.cancel()
