"""What a client may say on the socket of a job."""

from typing import Any

import pytest

from deploy_tasks.states import JobState
from tests.stories import Story
from tests.watching import Headers, Viewer
from webapp import consumers, stream, watcher
from webapp.rows import ask

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.usefixtures("a_layer_in_memory", "quick_polls"),
]


async def test_nothing_may_come_before_hello(story: Story, cookies: Headers) -> None:
    async with Viewer(story.job.pk, cookies) as watching:
        await watching.say("ping")
        assert await watching.code() == 4400


async def test_who_says_no_hello_is_shown_out(
    story: Story, cookies: Headers, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(consumers, "HELLO_WITHIN", 0.05)
    async with Viewer(story.job.pk, cookies) as watching:
        assert await watching.code() == 4008


@pytest.mark.parametrize(
    "text",
    [
        "no json",
        "[]",
        "{}",
        '{"type": "cancel"}',
        '{"type": "job.grew", "to": 5}',
        '{"t": 7}',
        '{"t": "ack"}',
        '{"t": "ack", "seq": -1}',
        '{"t": "ack", "seq": true}',
        '{"t": "ack", "seq": 99999999999999999999}',
        '{"t": "watch", "output": "some"}',
        '{"t": "watch", "output": [1]}',
        '{"t": "hello", "after": 0}',
        "[" * 100_000,
        '{"t": "ping", "pad": "' + "x" * 300_000 + '"}',
    ],
)
async def test_a_bad_frame_closes_with_4400(story: Story, cookies: Headers, text: str) -> None:
    async with Viewer(story.job.pk, cookies) as watching:
        await watching.hello()
        await watching.say_text(text)
        assert await watching.code() == 4400


@pytest.mark.parametrize(
    "hello",
    [{"after": -1}, {"after": "1"}, {"after": 1.5}, {"output": 1}, {"stay": "yes"}],
)
async def test_a_bad_hello_closes_with_4400(
    story: Story, cookies: Headers, hello: dict[str, Any]
) -> None:
    async with Viewer(story.job.pk, cookies) as watching:
        await watching.say("hello", **hello)
        assert await watching.code() == 4400


async def test_a_binary_frame_closes_with_4400(story: Story, cookies: Headers) -> None:
    async with Viewer(story.job.pk, cookies) as watching:
        await watching.hello()
        await watching.say_bytes(b'{"t":"ping"}')
        assert await watching.code() == 4400


async def test_frames_and_fields_of_a_later_version_are_passed_over(
    story: Story, cookies: Headers
) -> None:
    async with Viewer(story.job.pk, cookies) as watching:
        await watching.hello(colour="blue")
        await watching.say("cancel", job=story.job.pk)
        await watching.say("ping", colour="blue")
        assert await watching.said("pong")
    assert (await ask(story.job.refresh_from_db)) is None
    assert (story.job.state, story.job.cancelled) == (JobState.RUNNING, False)


async def test_a_ping_is_answered(story: Story, cookies: Headers) -> None:
    async with Viewer(story.job.pk, cookies) as watching:
        await watching.hello()
        await watching.say("ping")
        assert await watching.frame() == {"t": "pong"}


async def test_who_calls_for_too_many_answers_is_shown_out(
    story: Story, cookies: Headers, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watcher, "MAX_ANSWERS", 3)
    async with Viewer(story.job.pk, cookies) as watching:
        await watching.hello()
        for _ in range(4):
            await watching.say("ping")
        assert await watching.code() == 4029


async def test_a_full_house_closes_with_4029(
    story: Story, cookies: Headers, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stream, "MAX_WATCHERS", 1)
    async with Viewer(story.job.pk, cookies) as first, Viewer(story.job.pk, cookies) as second:
        await first.hello()
        await second.say("hello")
        assert await second.code() == 4029
