"""Answers that many wait for: asked once for all who ask the same at about the same time."""

import asyncio
from collections.abc import Callable, Coroutine, Hashable
from typing import Any, TypeVar

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
