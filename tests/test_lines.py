"""Any line of an output, by its number."""

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from deploy_tasks import lines
from deploy_tasks.models import Attempt
from tests.stories import Story

pytestmark = pytest.mark.django_db


@pytest.fixture
def story() -> Story:
    return Story(hosts=["eu-1"])


@pytest.fixture(autouse=True)
def forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ids come again from test to test, and marks are few bytes apart."""
    lines._counted.clear()
    monkeypatch.setattr(lines, "STRIDE", 20)


def attempt(story: Story) -> Attempt:
    return Attempt.objects.get(pk=story.attempts["eu-1"].pk)


def texts(story: Story, first: int, count: int = 500) -> list[str]:
    return [line.text for line in lines.read(attempt(story), first, count)[0]]


def test_every_line_is_found_by_its_number_wherever_the_pieces_end(story: Story) -> None:
    whole = "".join(f"line {n}\n" for n in range(1, 201)).encode()
    story.output("eu-1", *(whole[at : at + 7] for at in range(0, len(whole), 7)))
    for first in (1, 2, 3, 57, 58, 59, 100, 199, 200):
        assert texts(story, first, 2) == [f"line {n}" for n in (first, first + 1) if n <= 200]
    assert texts(story, 201) == []
    assert lines.total(attempt(story)) == 200


def test_what_is_printed_later_is_counted_on(story: Story) -> None:
    story.output("eu-1", b"one\ntw")
    assert (lines.total(attempt(story)), texts(story, 1)) == (2, ["one", "tw"])
    story.output("eu-1", b"o\nthree\n")
    assert (lines.total(attempt(story)), texts(story, 2)) == (3, ["two", "three"])


def test_a_byte_has_the_number_of_its_line(story: Story) -> None:
    story.output("eu-1", *[b"one\n", b"two\nth", b"ree\n", b"four\n" * 20, b"the end"])
    assert [lines.number_at(attempt(story), byte) for byte in (0, 4, 10, 14, 114)] == [
        1,
        2,
        3,
        4,
        24,
    ]


def test_colours_go_on_into_what_is_read(story: Story) -> None:
    story.output("eu-1", b"\x1b[31mred\n", b"still\n" * 20, b"\x1b[0mplain\n", b"\x1b[1mx\n\n")
    assert lines.read(attempt(story), 10, 1)[1] == "\x1b[31m"
    assert lines.read(attempt(story), 22, 1)[1] == "\x1b[31m"
    assert lines.read(attempt(story), 23, 1)[1] == ""
    assert lines.read(attempt(story), 24, 1)[1] == "\x1b[1m"


def test_a_carriage_return_ends_no_line_and_a_long_line_is_cut(story: Story) -> None:
    story.output("eu-1", b"10%\r20%\r30%\n", b"x" * (lines.LONGEST + 5) + b"\n")
    (progress, long), _ = lines.read(attempt(story), 1, 9)
    assert progress.text == "10%\r20%\r30%"
    assert (len(long.text), long.cut) == (lines.LONGEST, 5)


def test_a_line_far_down_costs_no_more_once_its_lines_are_counted(story: Story) -> None:
    story.output("eu-1", *[b"a line\n" * 10] * 600)
    texts(story, 5000, 1)
    with CaptureQueriesContext(connection) as queries:
        assert texts(story, 5990, 1) == ["a line"]
    assert len(queries) <= 3


def test_too_much_is_not_counted(story: Story, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lines, "COUNTED", 10)
    story.output("eu-1", b"more than that\n")
    assert lines.total(attempt(story)) is None
    assert texts(story, 1) == []
