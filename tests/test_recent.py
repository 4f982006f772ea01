"""Answers that are good for a moment."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from webapp import recent
from webapp.recent import Recent


class Clock:
    """The time, in seconds, which stands still unless it is told to go on."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 100.0
        monkeypatch.setattr("time.monotonic", lambda: self.now)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    return Clock(monkeypatch)


def counting() -> Callable[[], int]:
    made: list[int] = []

    def make() -> int:
        made.append(len(made) + 1)
        return made[-1]

    return make


def test_an_answer_is_good_for_a_moment_only(clock: Clock) -> None:
    answers, make = Recent[int](), counting()
    assert [answers.get("a", make), answers.get("a", make)] == [1, 1]
    clock.now += recent.FRESH + 0.1
    assert answers.get("a", make) == 2


def test_an_answer_that_takes_long_is_made_less_often(clock: Clock) -> None:
    def slow() -> float:
        clock.now += 1
        return clock.now

    answers = Recent[float]()
    first = answers.get("a", slow)
    clock.now += recent.WORTH - 1
    assert answers.get("a", slow) == first
    clock.now += 2
    assert answers.get("a", slow) != first


def test_who_wants_one_anew_gets_none_that_was_begun_before(clock: Clock) -> None:
    answers, make = Recent[int](), counting()
    answers.get("a", make)
    clock.now += 0.1
    assert answers.get("a", make, anew=True) == 2
    clock.now += 0.1
    assert answers.get("a", make) == 2


def test_who_waits_for_an_older_one_that_is_being_made_still_gets_a_newer_one() -> None:
    answers, begun, go_on = Recent[str](), threading.Event(), threading.Event()

    def slow() -> str:
        begun.set()
        assert go_on.wait(30)
        return "older"

    with ThreadPoolExecutor(2) as threads:
        older = threads.submit(answers.get, "a", slow)
        assert begun.wait(30)
        newer = threads.submit(answers.get, "a", lambda: "newer", anew=True)
        go_on.set()
        assert (older.result(30), newer.result(30)) == ("older", "newer")


def test_only_so_many_answers_are_kept() -> None:
    answers, make = Recent[int](), counting()
    for n in range(recent.KEPT + 10):
        answers.get(n, make)
    assert len(answers._kept) == recent.KEPT
