"""What one watcher wants, how much it can take, and how it ends."""

import asyncio
from typing import Any

import pytest

from deploy_tasks import events
from deploy_tasks.models import Event
from deploy_tasks.states import JobState
from tests.stories import Story
from tests.watching import Headers, Viewer
from webapp import stream, watcher
from webapp.rows import ask

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.usefixtures("a_layer_in_memory", "quick_polls"),
]


# Filters


async def test_output_of_other_hosts_is_left_out_and_covered(
    story: Story, cookies: Headers
) -> None:
    async with Viewer(story.job.pk, cookies) as watching:
        await watching.hello(output=["eu-2"])
        await ask(story.output, "eu-1", b"other")
        await ask(story.news, Event.Kind.HOST, {"to": "failed"}, "eu-1")
        await ask(story.output, "eu-2", b"mine")
        await watching.reach(3)
    assert watching.seqs == [2, 3]


async def test_the_past_is_filtered_like_the_present(
    story: Story, cookies: Headers, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stream, "REWIND", 0)
    await ask(story.output, "eu-1", b"other")
    await ask(story.output, "eu-2", b"mine")
    async with Viewer(story.job.pk, cookies) as watching:
        await watching.hello(output=["eu-2"])
        await watching.reach(2)
    assert watching.seqs == [2]


async def test_a_watcher_may_want_no_output_at_all(story: Story, cookies: Headers) -> None:
    async with Viewer(story.job.pk, cookies) as watching:
        await watching.hello(output="none")
        await ask(story.output, "eu-1", b"x")
        await ask(story.news, Event.Kind.NOTE, {"text": "y"})
        await watching.reach(2)
    assert watching.seqs == [2]


async def test_another_host_may_be_watched_from_a_seq_that_is_told(
    story: Story, cookies: Headers
) -> None:
    async with Viewer(story.job.pk, cookies) as watching:
        await watching.hello(output="none")
        await watching.reach(await ask(story.output, "eu-1", b"before"))
        await watching.say("watch", output=["eu-1"])
        answer = await watching.said("watching")
        assert answer == {"t": "watching", "output": ["eu-1"], "from": 2}
        await watching.reach(await ask(story.output, "eu-1", b"after"))
        await watching.say("watch", output="all")
        assert (await watching.said("watching"))["output"] == "all"
        await watching.reach(await ask(story.output, "eu-2", b"too"))
    assert watching.output == "aftertoo"


# How much a watcher can take


async def test_no_more_than_256_kib_are_on_their_way(story: Story, cookies: Headers) -> None:
    await ask(story.output, "eu-1", *[b"x" * 8000] * 60)
    async with Viewer(story.job.pk, cookies, acknowledging=False) as watching:
        await watching.hello()
        while not await watching.hears_nothing():
            await watching.frame()
        assert 128 * 1024 < watching.bytes <= 256 * 1024
        await watching.say("ack", seq=watching.to)
        reached = watching.to
        await watching.until(lambda: watching.to > reached)
        while watching.to < 60:
            await watching.say("ack", seq=watching.to)
            await watching.frame()
    assert watching.seqs == list(range(1, 61))


async def test_frames_stay_small_whatever_is_in_them(story: Story, cookies: Headers) -> None:
    await ask(story.output, "eu-1", *[b"\x01" * 8192] * 20)
    async with Viewer(story.job.pk, cookies) as watching:
        await watching.hello()
        await watching.reach(20)
    assert watching.output == "\x01" * 8192 * 20


async def test_who_stays_behind_is_sent_to_http_once_and_goes_on_after_it(
    story: Story, cookies: Headers, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watcher, "STALL", 0.1)
    last = await ask(story.output, "eu-1", *[b"x" * 8000] * 150)
    async with Viewer(story.job.pk, cookies, acknowledging=False) as slow:
        await slow.hello()
        behind = await slow.said("behind")
        had = slow.seqs[-1]
        assert behind["to"] == last
        assert behind["bytes"] >= (last - had) * 8000
        now = await ask(story.output, "eu-1", b"live", *[b"x" * 8000] * 50)
        assert await slow.hears_nothing()
        await slow.say("ack", seq=had)
        await slow.until(lambda: slow.to > last)
    assert slow.seqs[:had] == list(range(1, had + 1))
    assert (slow.items[had]["s"], slow.items[had]["d"]) == (last + 1, "live")
    assert slow.to <= now


async def test_a_little_backlog_is_waited_for(
    story: Story, cookies: Headers, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watcher, "STALL", 0.05)
    await ask(story.output, "eu-1", *[b"x" * 8000] * 40)
    async with Viewer(story.job.pk, cookies, acknowledging=False) as slow:
        await slow.hello()
        while not await slow.hears_nothing():
            await slow.frame()
        assert not any(frame["t"] == "behind" for frame in slow.frames)
        await slow.say("ack", seq=slow.to)
        await slow.reach(40)
    assert slow.seqs == list(range(1, 41))


async def test_who_never_acknowledges_is_shown_out(
    story: Story, cookies: Headers, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watcher, "SILENCE", 0.2)
    await ask(story.output, "eu-1", *[b"x" * 8000] * 60)
    async with Viewer(story.job.pk, cookies, acknowledging=False) as silent:
        await silent.hello()
        assert await silent.code() == 4008


async def test_a_slow_watcher_does_not_slow_another(story: Story, cookies: Headers) -> None:
    async with (
        Viewer(story.job.pk, cookies, acknowledging=False) as slow,
        Viewer(story.job.pk, cookies) as quick,
    ):
        await slow.hello()
        await quick.hello()
        await ask(story.output, "eu-1", *[b"x" * 8000] * 100)
        await quick.reach(100)
        while not await slow.hears_nothing():
            await slow.frame()
        assert slow.to < 40


async def test_questions_that_wait_for_too_long_are_not_gathered(
    story: Story, cookies: Headers, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever cannot be answered now may not fill our memory with questions."""
    busy, held, batch = asyncio.Event(), asyncio.Event(), stream.Reader.batch

    async def later(*about: Any) -> Any:
        busy.set()
        await held.wait()
        return await batch(*about)

    monkeypatch.setattr(stream.Reader, "batch", later)
    await ask(story.output, "eu-1", b"x")
    async with Viewer(story.job.pk, cookies) as hostile:
        await hostile.hello()
        async with asyncio.timeout(20):
            await busy.wait()
        (watching,) = stream._readers[asyncio.get_running_loop()][story.job.pk].watchers
        for _ in range(watcher.MAX_WAITING + 1):
            await hostile.say("watch", output=["x" * 64] * 900)
        assert isinstance(watching, watcher.Watcher)
        async with asyncio.timeout(20):
            while len(watching._asked) < watcher.MAX_WAITING:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        await hostile.hears_nothing()
        assert len(watching._asked) == watcher.MAX_WAITING
        held.set()
        assert await hostile.code() == 4029


async def test_a_socket_comes_of_age_and_is_asked_to_come_again(
    story: Story, cookies: Headers, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watcher, "MAX_AGE", 0.1)
    async with Viewer(story.job.pk, cookies) as watching:
        await watching.hello()
        assert await watching.code() == 4000


# The end


async def test_after_the_last_event_of_a_job_comes_the_end(story: Story, cookies: Headers) -> None:
    async with Viewer(story.job.pk, cookies) as watching:
        await watching.hello()
        last = await ask(story.reach, JobState.FAILED)
        assert await watching.said("end") == {"t": "end", "last": last, "state": "failed"}
        assert watching.to == last
        assert await watching.code() == 1000


async def test_a_job_that_ended_long_ago_is_told_and_ends(story: Story, cookies: Headers) -> None:
    await ask(story.output, "eu-1", *[b"x" * 8000] * 100)
    last = await ask(story.reach, JobState.SUCCEEDED)
    async with Viewer(story.job.pk, cookies) as watching:
        await watching.hello()
        assert await watching.code() == 1000
    assert watching.seqs == list(range(1, last + 1))
    assert watching.frames[-1]["t"] == "end"


async def test_the_end_waits_for_what_is_on_its_way(
    story: Story, cookies: Headers, monkeypatch: pytest.MonkeyPatch
) -> None:
    await ask(story.output, "eu-1", *[b"x" * 8000] * 20)
    await ask(story.reach, JobState.SUCCEEDED)
    async with Viewer(story.job.pk, cookies, acknowledging=False) as watching:
        await watching.hello()
        await watching.said("end")
        assert await watching.hears_nothing()
        await watching.say("ack", seq=watching.to)
        assert await watching.code() == 1000


async def test_who_stays_sees_a_retry_go_on(story: Story, cookies: Headers) -> None:
    async with Viewer(story.job.pk, cookies) as watching:
        await watching.hello(stay=True)
        await ask(story.reach, JobState.FAILED)
        assert (await watching.said("end"))["state"] == "failed"
        assert await watching.hears_nothing()
        await ask(story.reach, JobState.RUNNING)
        last = await ask(story.reach, JobState.SUCCEEDED)
        assert await watching.said("end") == {"t": "end", "last": last, "state": "succeeded"}
    assert watching.seqs == [1, 2, 3]


async def test_a_filter_does_not_keep_the_end_away(story: Story, cookies: Headers) -> None:
    async with Viewer(story.job.pk, cookies) as watching:
        await watching.hello(output="none")
        await ask(story.output, "eu-1", b"x")
        last = await ask(story.reach, JobState.CANCELLED)
        assert (await watching.said("end"))["last"] == last == watching.to


async def test_a_watcher_that_goes_away_does_nothing_to_the_job(
    story: Story, cookies: Headers
) -> None:
    for _ in range(3):
        async with Viewer(story.job.pk, cookies) as watching:
            await watching.hello()
    await ask(story.job.refresh_from_db)
    assert (story.job.state, story.job.last_seq) == (JobState.RUNNING, 0)


async def test_a_server_that_goes_down_asks_to_come_again(story: Story, cookies: Headers) -> None:
    watching = Viewer(story.job.pk, cookies)
    await watching.__aenter__()
    await watching.hello()
    watching._socket.future.cancel()
    await asyncio.wait([watching._socket.future])
    assert (await watching._socket.output_queue.get())["code"] == 4000


async def test_a_reader_that_breaks_sends_everybody_back_to_come_again(
    story: Story,
    cookies: Headers,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with Viewer(story.job.pk, cookies) as watching:
        await watching.hello()

        def broken(*args: Any, **kwargs: Any) -> None:
            raise RuntimeError("our mistake")

        with monkeypatch.context() as for_now:
            for_now.setattr(events, "read", broken)
            assert await watching.code() == 4000
        async with Viewer(story.job.pk, cookies) as again:
            await again.hello()
            await again.reach(await ask(story.output, "eu-1", b"x"))
    assert "our mistake" in caplog.text
