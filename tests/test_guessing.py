import pytest

from webapp import guessing
from webapp.guessing import Guesses


@pytest.fixture
def now(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    clock = [1000.0]
    monkeypatch.setattr(guessing.time, "monotonic", lambda: clock[0])
    return clock


def test_after_a_burst_there_is_one_every_so_often(now: list[float]) -> None:
    guesses = Guesses(burst=3, seconds=10)
    for _ in range(3):
        assert not guesses.too_many("eve")
        guesses.was_wrong("eve")
    assert guesses.too_many("eve")
    now[0] += 10.1
    assert not guesses.too_many("eve")
    guesses.was_wrong("eve")
    assert guesses.too_many("eve")
    now[0] += 1000
    assert not guesses.too_many("eve")


def test_one_does_not_slow_another(now: list[float]) -> None:
    guesses = Guesses(burst=1, seconds=10)
    guesses.was_wrong("eve")
    assert guesses.too_many("eve")
    assert not guesses.too_many("mira")


def test_who_is_right_begins_anew(now: list[float]) -> None:
    guesses = Guesses(burst=1, seconds=10)
    guesses.was_wrong("mira")
    guesses.was_right("mira")
    assert not guesses.too_many("mira")


def test_it_remembers_so_many_and_no_more(
    now: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(guessing, "KEPT", 2)
    guesses = Guesses(burst=1, seconds=10)
    for name in "abc":
        guesses.was_wrong(name)
    assert [guesses.too_many(name) for name in "abc"] == [False, True, True]


def test_who_has_a_whole_network_is_one_who_guesses() -> None:
    guesses = Guesses(burst=1, seconds=10, of=guessing.neighbours)
    guesses.was_wrong("2001:db8:1:2::1")
    assert guesses.too_many("2001:db8:1:2:ffff::9")
    assert not guesses.too_many("2001:db8:1:3::1")
    guesses.was_wrong("203.0.113.1")
    assert not guesses.too_many("203.0.113.2")
    assert not guesses.too_many("")
