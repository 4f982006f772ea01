"""One reader feeds all watchers of a job: the whole story, once, in one sequence."""

import asyncio
import re
from contextlib import AsyncExitStack
from typing import Any

import pytest
from channels.layers import InMemoryChannelLayer
from django.db import OperationalError, transaction
from pytest_django import Settings

from deploy_tasks import events, journal
from deploy_tasks.journal import News
from deploy_tasks.models import Event
from tests.stories import Story
from tests.watching import Headers, Viewer, ring, seen_queries
from webapp import stream, tail
from webapp.rows import ask

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.usefixtures("a_layer_in_memory", "quick_polls"),
]


async def test_a_late_watcher_gets_the_past_and_then_the_present(
    story: Story, cookies: Headers
) -> None:
    await ask(story.output, "eu-1", *[b"past "] * 3)
    async with Viewer(story.job.pk, cookies) as watching:
        await watching.hello()
        await watching.reach(3)
        await ring(story, await ask(story.output, "eu-1", b"present"))
        await watching.reach(4)
    assert watching.seqs == [1, 2, 3, 4]
    assert watching.output == "past past past present"


async def test_who_comes_back_goes_on_after_what_it_had(story: Story, cookies: Headers) -> None:
    await ask(story.output, "eu-1", *[b"x"] * 5)
    async with Viewer(story.job.pk, cookies) as watching:
        await watching.hello(after=3)
        await watching.reach(5)
    assert watching.seqs == [4, 5]


async def test_the_past_of_a_long_job_comes_from_rows_and_joins_the_present(
    story: Story, cookies: Headers, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stream, "REWIND", 2)
    await ask(story.output, "eu-1", *[b"x" * 8000] * 100)
    async with Viewer(story.job.pk, cookies) as watching:
        await watching.hello()
        await watching.reach(60)
        await ring(story, await ask(story.output, "eu-1", b"last"))
        await watching.reach(101)
    assert watching.seqs == list(range(1, 102))


async def test_a_bell_brings_the_news_at_once(
    story: Story, cookies: Headers, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stream, "POLL", 3600)
    async with Viewer(story.job.pk, cookies) as watching:
        await watching.hello()
        await ring(story, await ask(story.output, "eu-1", b"x"))
        assert len(await watching.reach(1)) == 1


async def test_the_bell_of_the_journal_comes_through_a_real_valkey(
    story: Story, cookies: Headers, valkey: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stream, "POLL", 3600)

    def tell() -> None:
        with transaction.atomic():
            journal.append(story.job.pk, [News(Event.Kind.NOTE, {"text": "news"})])

    async with Viewer(story.job.pk, cookies) as watching:
        await watching.hello()
        await ask(tell)
        (item,) = await watching.reach(1)
    assert item["text"] == "news"


async def test_a_lost_bell_costs_one_poll(story: Story, cookies: Headers) -> None:
    async with Viewer(story.job.pk, cookies) as watching:
        await watching.hello()
        await ask(story.output, "eu-1", b"x")
        assert len(await watching.reach(1)) == 1


async def test_bells_that_come_late_or_twice_or_lie_change_nothing(
    story: Story, cookies: Headers
) -> None:
    async with Viewer(story.job.pk, cookies) as watching:
        await watching.hello()
        await ask(story.output, "eu-1", b"x", b"y")
        for to in (1, 1, 0, 900, 2, 2):
            await ring(story, to)
        await watching.reach(2)
        assert await watching.hears_nothing()
    assert watching.seqs == [1, 2]


async def test_a_layer_that_is_away_costs_one_poll(
    story: Story, cookies: Headers, settings: Settings
) -> None:
    settings.CHANNEL_LAYERS = {
        "default": {
            "BACKEND": "channels_redis.pubsub.RedisPubSubChannelLayer",
            "CONFIG": {"hosts": ["unix:///nowhere/valkey.sock"]},
        }
    }
    async with Viewer(story.job.pk, cookies) as watching:
        await watching.hello()
        await ask(story.output, "eu-1", b"x")
        assert len(await watching.reach(1)) == 1


async def test_a_database_that_is_away_for_a_moment_is_waited_for(
    story: Story, cookies: Headers, monkeypatch: pytest.MonkeyPatch
) -> None:
    read, away = events.read, [OperationalError("locked")] * 2

    def failing(*args: Any, **kwargs: Any) -> events.Page:
        if away:
            raise away.pop()
        return read(*args, **kwargs)

    monkeypatch.setattr(events, "read", failing)
    async with Viewer(story.job.pk, cookies) as watching:
        await watching.hello()
        await ask(story.output, "eu-1", b"x")
        assert len(await watching.reach(1)) == 1
    assert away == []


async def test_joining_while_the_story_grows_makes_no_hole_and_no_double(
    story: Story, cookies: Headers
) -> None:
    async def tell() -> None:
        for n in range(60):
            to = await ask(story.output, "eu-1", *[b"line\n"] * (n % 4 + 1))
            if n % 3:
                await ring(story, to)

    async def watch(after: int) -> list[int]:
        async with Viewer(story.job.pk, cookies) as watching:
            await watching.hello(after)
            await watching.reach(150)
        assert watching.seqs == list(range(after + 1, watching.to + 1))
        return watching.seqs

    telling = asyncio.create_task(tell())
    for wave in range(4):
        async with Viewer(story.job.pk, cookies) as ahead:
            await ahead.hello()
            await ahead.reach(10 * (wave + 1))
        await asyncio.gather(*(watch(after) for after in range(0, 10 * (wave + 1), 7)))
    await telling


async def test_all_watchers_of_a_job_cost_one_read(
    story: Story, cookies: Headers, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stream, "POLL", 3600)
    viewers = [Viewer(story.job.pk, cookies) for _ in range(10)]
    for watching in viewers:
        await watching.__aenter__()
        await watching.hello()
    to = await ask(story.output, "eu-1", b"x")
    asked = seen_queries(monkeypatch)
    await ring(story, to)
    for watching in viewers:
        assert len(await watching.reach(to)) == 1
    assert len([query for query in asked if "deploy_tasks_event" in query]) == 1
    for watching in viewers:
        await watching.__aexit__(None, None, None)


async def test_all_who_come_back_to_one_place_cost_one_read_of_what_lies_behind(
    story: Story, cookies: Headers, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stream, "POLL", 3600)
    monkeypatch.setattr(stream, "REWIND", 0)
    last = await ask(story.output, "eu-1", *[b"x" * 8000] * 20)
    asked = seen_queries(monkeypatch)
    async with AsyncExitStack() as open_sockets:
        viewers = [Viewer(story.job.pk, cookies) for _ in range(8)]
        for watching in viewers:
            await open_sockets.enter_async_context(watching)
            await watching.hello(after=2)
        for watching in viewers:
            await watching.reach(last)
            assert watching.seqs == list(range(3, last + 1))
    reads = [query for query in asked if "deploy_tasks_event" in query]
    assert len(viewers[0].frames) > 3
    assert len(reads) == 1


async def test_whoever_keeps_up_costs_one_read_of_each_event(
    story: Story, cookies: Headers, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stream, "POLL", 3600)
    asked = seen_queries(monkeypatch)
    async with Viewer(story.job.pk, cookies) as watching:
        await watching.hello()
        await ring(story, await ask(story.output, "eu-1", *[b"x" * 8000] * 400))
        await watching.reach(400)
    begun = [
        int(found[1]) for query in asked if (found := re.search(r'_event"."seq" > (\d+)', query))
    ]
    assert begun == sorted(set(begun)), "an event was read again"
    assert len(begun) <= 400 * 8000 / tail.PAGE + 3


async def test_whoever_comes_late_to_a_busy_job_waits_for_no_poll(
    story: Story, cookies: Headers, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stream, "POLL", 3600)
    monkeypatch.setattr(stream, "REWIND", 40)
    await ask(story.output, "eu-1", *[b"x" * 8000] * 60, *[b"y"] * 200)
    async with Viewer(story.job.pk, cookies) as watching:
        await watching.hello()
        await ring(story, last := await ask(story.output, "eu-1", *[b"x" * 8000] * 100))
        await watching.reach(last)
    assert watching.seqs == list(range(1, last + 1))


async def test_nothing_is_read_ahead_of_the_quickest(story: Story, cookies: Headers) -> None:
    last = await ask(story.output, "eu-1", *[b"x" * 8000] * 400)
    async with Viewer(story.job.pk, cookies, acknowledging=False) as slow:
        await slow.hello(after=1)
        while not await slow.hears_nothing():
            await slow.frame()
        (reader,) = stream._readers[asyncio.get_running_loop()].values()
        assert reader.tail.last < last
        await slow.say("ack", seq=slow.to)
        while slow.to < last:
            await slow.frame()
            await slow.say("ack", seq=slow.to)
    assert slow.seqs == list(range(2, last + 1))


async def test_the_last_who_leaves_ends_the_reader(story: Story, cookies: Headers) -> None:
    async with Viewer(story.job.pk, cookies) as first:
        await first.hello()
        async with Viewer(story.job.pk, cookies) as second:
            await second.hello()
        assert await ask(story.output, "eu-1", b"x")
        await first.reach(1)
        work = next(task for task in asyncio.all_tasks() if "reader" in task.get_name())
    await asyncio.wait([work], timeout=10)
    assert work.cancelled()


async def test_a_layer_that_breaks_keeps_no_reader_alive(
    story: Story, cookies: Headers, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def broken(*args: Any) -> None:
        raise ConnectionRefusedError

    monkeypatch.setattr(InMemoryChannelLayer, "group_discard", broken)
    async with Viewer(story.job.pk, cookies) as watching:
        await watching.hello()
        await watching.reach(await ask(story.output, "eu-1", b"x"))
        work = next(task for task in asyncio.all_tasks() if "reader" in task.get_name())
    await asyncio.wait([work], timeout=10)
    assert work.cancelled()
