"""Sockets that outlive their right, and those that would take all there are."""

from datetime import timedelta
from typing import Any

import pytest
from channels.testing import ApplicationCommunicator
from django.contrib.auth.models import User
from django.contrib.sessions.models import Session
from django.utils import timezone

from tests.stories import Story
from tests.watching import Headers, Viewer, program
from webapp import stream
from webapp.asgi import application
from webapp.models import ApiToken
from webapp.rows import ask

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.usefixtures("a_layer_in_memory", "quick_polls"),
]


async def test_s05_a_session_that_has_come_to_its_end_ends_its_streams(
    story: Story, cookies: Headers
) -> None:
    async with Viewer(story.job.pk, cookies) as watching:
        await watching.hello()
        past = timezone.now() - timedelta(seconds=1)
        await ask(lambda: Session.objects.update(expire_date=past))
        assert await watching.code() == 4401


async def test_s05_a_token_that_has_come_to_its_end_ends_its_streams(
    story: Story, vera: User
) -> None:
    async with Viewer(story.job.pk, await ask(program, vera)) as watching:
        await watching.hello()
        past = timezone.now() - timedelta(seconds=1)
        await ask(lambda: ApiToken.objects.update(expires_at=past))
        assert await watching.code() == 4401


async def test_s04_within_five_seconds() -> None:
    assert stream.POLL <= 5


async def test_s07_what_would_be_an_order_changes_nothing(story: Story, cookies: Headers) -> None:
    for frame in ({"t": "cancel"}, {"t": "job.grew", "type": "job.grew", "to": 9**9}):
        async with Viewer(story.job.pk, cookies) as watching:
            await watching.hello()
            await watching.say(**frame)
            await watching.say("ping")
            assert (await watching.frame())["t"] == "pong"
    await ask(story.job.refresh_from_db)
    assert (story.job.state, story.job.cancelled) == ("running", False)


async def test_one_user_does_not_take_every_place(
    story: Story, cookies: Headers, vera: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stream, "MAX_PER_USER", 1)
    async with Viewer(story.job.pk, cookies) as first:
        await first.hello()
        async with Viewer(story.job.pk, await ask(program, vera)) as second:
            await second.say("hello", after=0)
            assert await second.code() == 4029


@pytest.mark.parametrize(
    "forged",
    [
        {"x-forwarded-proto": "https", "origin": "https://127.0.0.1:8000"},
        {"x-forwarded-host": "evil.example", "origin": "http://evil.example"},
        {"x-forwarded-host": "evil.example", "origin": "http://evil.example", "host": "x, y"},
        {"daphne-root-path": "/x", "origin": "http://evil.example"},
    ],
)
async def test_s10_no_header_of_a_stranger_makes_an_origin_ours(
    story: Story, cookies: Headers, forged: dict[str, str]
) -> None:
    kept = [(name, value) for name, value in cookies if name.decode() not in forged]
    scope: dict[str, Any] = {
        "type": "websocket",
        "path": f"/ws/jobs/{story.job.pk}/",
        "query_string": b"",
        "scheme": "ws",
        "client": ("203.0.113.9", 4711),
        "subprotocols": [],
        "headers": [*kept, *((name.encode(), value.encode()) for name, value in forged.items())],
    }
    stranger = ApplicationCommunicator(application, scope)
    await stranger.send_input({"type": "websocket.connect"})
    answer = await stranger.receive_output(timeout=20)
    assert answer["type"] == "websocket.close"
