"""Answers that many wait for."""

import asyncio
from collections.abc import Mapping, Set

import pytest

from webapp.shared import Together


class Slow:
    """Answers when it may, and remembers about whom it was asked."""

    def __init__(self) -> None:
        self.asked: list[Set[str]] = []
        self.heard = asyncio.Event()
        self.may = asyncio.Semaphore(0)

    async def __call__(self, about: Set[str]) -> Mapping[str, int]:
        self.asked.append(about)
        self.heard.set()
        await self.may.acquire()
        return {name: len(self.asked) for name in about if name != "nobody"}


async def test_all_who_come_while_one_is_asked_about_are_asked_about_together() -> None:
    slow = Slow()
    together = Together(slow)
    first = asyncio.create_task(together.get("first"))
    await slow.heard.wait()
    others = [asyncio.create_task(together.get(name)) for name in ("second", "third", "nobody")]
    for _ in range(2):
        slow.may.release()
    assert await asyncio.gather(first, *others) == [1, 2, 2, None]
    assert slow.asked == [{"first"}, {"second", "third", "nobody"}]


async def test_who_comes_later_is_asked_about_anew() -> None:
    slow = Slow()
    together = Together(slow)
    for turn in (1, 2):
        slow.may.release()
        assert await together.get("one") == turn


async def test_who_goes_while_waiting_takes_nothing_from_the_others() -> None:
    slow = Slow()
    together = Together(slow)
    one, other = (asyncio.create_task(together.get(name)) for name in ("one", "other"))
    await slow.heard.wait()
    one.cancel()
    slow.may.release()
    assert await other == 1


async def test_a_question_that_fails_is_asked_again_for_the_next() -> None:
    async def fail(about: Set[str]) -> Mapping[str, int]:
        if "bad" in about:
            raise ValueError
        return dict.fromkeys(about, 1)

    together = Together(fail)
    with pytest.raises(ValueError):
        await together.get("bad")
    assert await together.get("good") == 1


async def test_nobody_waits_for_what_is_closed() -> None:
    together = Together(Slow())
    waiting = asyncio.create_task(together.get("one"))
    await asyncio.sleep(0)
    together.close()
    with pytest.raises(asyncio.CancelledError):
        await waiting
