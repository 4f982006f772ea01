import pytest

from deploy_tasks.durations import positive, seconds, seconds_or_number


@pytest.mark.parametrize(
    ("text", "length"),
    [("500ms", 0.5), ("10s", 10), ("2m", 120), ("1h", 3600), ("1.5h", 5400), ("0s", 0)],
)
def test_a_duration_is_a_number_and_a_unit(text: str, length: float) -> None:
    assert seconds(text) == length


@pytest.mark.parametrize(
    "text", ["", "10", "s", "-1s", "1 m", "1d", "1m30s", "1e3s", "٣s", None, []]
)
def test_anything_else_is_refused_with_an_example(text: object) -> None:
    with pytest.raises(ValueError, match="500ms, 10s, 2m"):
        seconds(text)


def test_a_bare_number_asks_for_its_unit() -> None:
    with pytest.raises(ValueError, match="needs a unit: 10s"):
        seconds(10)


def test_a_program_may_send_seconds_as_a_number() -> None:
    assert seconds_or_number(1.5) == 1.5
    assert seconds_or_number("2m") == 120


@pytest.mark.parametrize("number", [-1, float("nan"), float("inf"), True])
def test_but_only_a_number_that_is_a_length_of_time(number: float) -> None:
    with pytest.raises(ValueError):
        seconds_or_number(number)


def test_nothing_takes_longer_than_three_days() -> None:
    with pytest.raises(ValueError, match="72h"):
        seconds("73h")
    with pytest.raises(ValueError, match="72h"):
        seconds_or_number(10**400)


def test_where_time_must_pass_zero_is_refused() -> None:
    with pytest.raises(ValueError, match="longer than nothing"):
        positive("0s")
