"""Reading a job's story after a cursor."""

import json

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from pytest_django import DjangoAssertNumQueries

from deploy_tasks import events
from deploy_tasks.models import Event, Job
from deploy_tasks.states import JobState
from tests import factories
from tests.stories import Story

pytestmark = pytest.mark.django_db


@pytest.fixture
def story() -> Story:
    return Story()


def test_an_output_item_says_whose_it_is_and_where_in_the_output_it_stands(story: Story) -> None:
    story.output("eu-1", b"one\n", b"two\n")
    second = events.read(story.job.pk, after=1).items[0]
    assert second.pop("at").endswith("Z")
    assert second == {
        "s": 2,
        "h": "eu-1",
        "k": "output",
        "step": "stop",
        "n": 1,
        "o": 4,
        "d": "two\n",
    }


def test_what_stands_around_output_is_small(story: Story) -> None:
    """Of each of a million events; what a watcher lags behind is reckoned with it."""
    story.output("eu-1", b"x" * 1000)
    (item,) = events.read(story.job.pk, after=0).lines
    assert item.size - 1000 <= events.ENVELOPE


def test_every_other_item_carries_its_own_data(story: Story) -> None:
    data = {"step": "stop", "n": 1, "to": "succeeded", "rc": 0}
    story.news(Event.Kind.STEP, data, host="eu-1")
    story.news(Event.Kind.NOTE, {"text": "half way"})
    step, note = events.read(story.job.pk, after=0).items
    assert (step.pop("at"), note.pop("at")) is not None
    assert step == {"s": 1, "h": "eu-1", "k": "step", **data}
    assert note == {"s": 2, "k": "note", "text": "half way"}


def test_the_text_of_an_item_is_its_fields_as_json_and_its_size_is_true(story: Story) -> None:
    story.output("eu-1", "Größe \u2028 \x00 \x1b[31m".encode())
    story.news(Event.Kind.NOTE, {"text": "zur Hälfte"})
    for line in events.read(story.job.pk, after=0).lines:
        assert json.loads(line.text) == line.fields
        assert line.size == len(line.text.encode()) + 1


def test_bytes_that_are_no_text_are_replaced_and_hurt_nobody(story: Story) -> None:
    story.output("eu-1", b"\xff\xfe\xed\xa0\x80\xc3")
    (item,) = events.read(story.job.pk, after=0).items
    assert set(item["d"]) == {"\ufffd"}


def test_a_page_ends_at_its_bytes_and_the_next_one_goes_on_there(story: Story) -> None:
    story.output("eu-1", *[b"x" * 8000] * 100)
    seen, to = [], 0
    while to < story.last_seq:
        page = events.read(story.job.pk, after=to, limit=100_000)
        assert sum(line.size for line in page.lines) <= 100_000
        assert page.lines
        seen += [item["s"] for item in page.items]
        to = page.to
    assert seen == list(range(1, 101))


def test_a_page_reads_hardly_more_rows_than_it_has(
    story: Story, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    story.output("eu-1", *[b"x" * 5000] * 200)
    with django_assert_max_num_queries(4) as seen:
        page = events.read(story.job.pk, after=0, limit=256 * 1024)
    asked = sum(int(query["sql"].rpartition("LIMIT ")[2]) for query in seen.captured_queries[1:])
    assert len(page.lines) <= asked <= len(page.lines) + 4


def test_a_page_ends_at_its_rows(story: Story, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(events, "PAGE_ROWS", 3)
    story.output("eu-1", *[b"x"] * 10)
    page = events.read(story.job.pk, after=2)
    assert [item["s"] for item in page.items] == [3, 4, 5]
    assert (page.to, page.last_seq) == (5, 10)


def test_an_item_that_is_larger_than_a_page_comes_alone(story: Story) -> None:
    story.output("eu-1", b"x" * 8000, b"y" * 8000)
    page = events.read(story.job.pk, after=0, limit=10)
    assert (len(page.items), page.to) == (1, 1)


def test_a_filter_leaves_the_output_of_others_out_and_to_still_covers_it(story: Story) -> None:
    story.output("eu-1", b"mine")
    story.output("eu-2", b"other")
    story.news(Event.Kind.HOST, {"to": "failed"}, host="eu-2")
    story.output("eu-2", b"other")
    page = events.read(story.job.pk, after=0, hosts=["eu-1"])
    assert [(item["s"], item["k"]) for item in page.items] == [(1, "output"), (3, "host")]
    assert page.to == page.last_seq == 4
    assert [item["s"] for item in events.read(story.job.pk, after=0, hosts=[]).items] == [3]


def test_a_filtered_page_that_is_full_covers_what_was_left_out_before_the_next_item(
    story: Story, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(events, "PAGE_ROWS", 1)
    story.output("eu-1", b"a")
    story.output("eu-2", b"b", b"c")
    story.output("eu-1", b"d")
    page = events.read(story.job.pk, after=0, hosts=["eu-1"])
    assert ([item["s"] for item in page.items], page.to) == ([1], 3)


def test_a_page_reaches_so_far_and_no_further(
    story: Story, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(events, "PAGE_SPAN", 5)
    story.output("eu-2", *[b"x"] * 12)
    assert events.read(story.job.pk, after=0, hosts=["eu-1"]).to == 5
    assert events.read(story.job.pk, after=10, hosts=["eu-1"]).to == 12


def test_a_cursor_at_the_end_or_beyond_it_gives_an_empty_page(story: Story) -> None:
    story.output("eu-1", b"x")
    for after in (1, 99):
        page = events.read(story.job.pk, after=after)
        assert (page.items, page.to, page.last_seq) == ([], 1, 1)


def test_a_page_knows_the_state_the_job_had_at_its_last_event(story: Story) -> None:
    story.reach(JobState.FAILED)
    assert events.read(story.job.pk, after=0).state == JobState.FAILED


def test_the_events_of_no_job_cannot_be_read() -> None:
    with pytest.raises(Job.DoesNotExist):
        events.read(404, after=0)


def test_the_events_of_another_job_are_not_read(story: Story) -> None:
    Story(of=factories.game("theirs")).output("eu-1", b"secret")
    assert events.read(story.job.pk, after=0).items == []


def test_a_page_costs_the_same_queries_for_one_host_and_for_many() -> None:
    def queries(hosts: int) -> int:
        story = Story(hosts=[f"h-{n}" for n in range(hosts)], of=factories.game(f"g-{hosts}"))
        for host in story.host_runs:
            story.output(host, b"x")
        with CaptureQueriesContext(
            connection,
        ) as asked:
            assert len(events.read(story.job.pk, after=0).items) == hosts
        return len(asked)

    assert queries(1) == queries(20) == 2


def test_weighing_counts_the_bytes_a_watcher_would_get(story: Story) -> None:
    story.output("eu-1", b"x" * 5000)
    story.output("eu-2", b"x" * 300)
    every = events.weigh(story.job.pk, after=0, to=2)
    mine = events.weigh(story.job.pk, after=0, to=2, hosts=["eu-2"])
    assert 5300 <= every < 6000
    assert 300 <= mine < 1000
    assert events.weigh(story.job.pk, after=2, to=2) == 0


def test_a_log_is_the_stored_bytes_of_one_host_in_order(
    story: Story, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(events, "SLICE", 2)
    pieces = [b"\x00\xff", b"two", b"three", b"\xc3", b"\xa4"]
    for piece in pieces:
        story.output("eu-1", piece)
        story.output("eu-2", b"other")
    assert b"".join(events.log_bytes(story.job, "eu-1")) == b"".join(pieces)


def test_a_log_can_be_of_one_step_or_one_attempt(story: Story) -> None:
    story.output("eu-1", b"first")
    first = story.attempts["eu-1"]
    first.pk, first.uid, first.number, first.log_offset = None, "second", 2, 0
    first.save()
    story.output("eu-1", b"second")
    assert b"".join(events.log_bytes(story.job, "eu-1", attempt=2)) == b"second"
    assert b"".join(events.log_bytes(story.job, "eu-1", step="stop")) == b"firstsecond"
    assert b"".join(events.log_bytes(story.job, "eu-1", step="start")) == b""


def test_a_host_that_is_not_part_of_the_job_has_an_empty_log(story: Story) -> None:
    Story(hosts=["eu-9"], of=story.job.game).output("eu-9", b"elsewhere")
    assert list(events.log_bytes(story.job, "eu-9")) == []
