"""Who is let in at the socket, and who may stay."""

import asyncio
from collections.abc import Callable
from contextlib import AsyncExitStack
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.contrib.sessions.models import Session
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils.translation import get_language
from pytest_django import Settings

from deploy_tasks.models import Instance
from tests import factories
from tests.stories import Story, person
from tests.watching import HERE, Headers, Viewer, browser, program, seen_queries
from webapp import doorman, reports, stream
from webapp.models import Role
from webapp.rows import ask
from webapp.stream import Watcher

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.usefixtures("a_layer_in_memory", "quick_polls"),
]


def watchers_of(story: Story) -> set[Watcher]:
    return stream._readers[asyncio.get_running_loop()][story.job.pk].watchers


def queries_of(function: Callable[..., Any], *args: Any) -> tuple[Any, int]:
    """What it gives, and how many queries that took."""
    with CaptureQueriesContext(connection) as seen:
        return function(*args), len(seen)


# Who is let in


async def test_a_viewer_is_welcomed_and_told_how_the_job_stands(
    story: Story, cookies: Headers
) -> None:
    await ask(story.output, "eu-1", b"x")
    async with Viewer(story.job.pk, cookies) as watching:
        welcome = await watching.hello()
    assert watching.subprotocol == "patchwave.v1"
    assert (welcome["t"], welcome["last"]) == ("welcome", 1)
    assert (welcome["job"]["id"], welcome["job"]["state"]) == (story.job.pk, "running")
    assert welcome["epoch"] == (await ask(Instance.current)).epoch
    assert welcome["now"].endswith("Z")


async def test_the_welcome_speaks_the_language_of_whoever_comes(
    story: Story, cookies: Headers
) -> None:
    scope = {"headers": [*cookies, (b"accept-language", b"zh-Hans, en;q=0.5")]}
    assert doorman.language_of(scope) == "zh-hans"
    assert doorman.language_of({"headers": cookies}) == "en"
    audience = doorman.Audience(ordering=False, language="zh-hans")
    said: list[str] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(reports, "job_as_told", lambda *_, **__: said.append(get_language()))
        await ask(doorman.welcome, story.job.pk, audience)
    assert said == ["zh-hans"]


async def test_what_may_be_ordered_is_told_to_those_who_may(story: Story, cookies: Headers) -> None:
    boss = await ask(person, "boss", role=Role.OPERATOR)
    async with (
        Viewer(story.job.pk, cookies) as vera,
        Viewer(story.job.pk, await ask(program, boss)) as other,
    ):
        assert (await vera.hello())["job"]["can"] == []
        assert "cancel" in (await other.hello())["job"]["can"]


async def test_many_who_come_at_once_cost_one_report(
    story: Story, cookies: Headers, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stream, "POLL", 3600)
    await ask(Instance.current)
    asked = seen_queries(monkeypatch)
    async with AsyncExitStack() as open_sockets:
        for _ in range(5):
            watching = Viewer(story.job.pk, cookies)
            await open_sockets.enter_async_context(watching)
            assert (await watching.hello())["job"]["id"] == story.job.pk
    assert len([query for query in asked if "deploy_tasks_instance" in query]) == 1


async def test_a_client_that_names_no_subprotocol_is_let_in_too(
    story: Story, cookies: Headers
) -> None:
    watching = Viewer(story.job.pk, cookies)
    watching._socket.scope["subprotocols"] = []
    async with watching:
        assert (watching.accepted, watching.subprotocol) == (True, None)


async def test_without_a_login_it_closes_with_4401_and_asks_for_nothing(
    story: Story, monkeypatch: pytest.MonkeyPatch
) -> None:
    await ask(story.output, "eu-1", b"secret")
    asked = seen_queries(monkeypatch)
    async with Viewer(story.job.pk, browser(None)) as stranger:
        await stranger.say("hello", after=0)
        assert await stranger.code() == 4401
    assert stranger.accepted
    assert (stranger.frames, asked) == ([], [])


async def test_a_session_that_does_not_exist_is_no_login(story: Story) -> None:
    headers = [*browser(None), (b"cookie", b"patchwave-session-8000=made-up; sessionid=made-up")]
    async with Viewer(story.job.pk, headers) as stranger:
        assert await stranger.code() == 4401


async def test_a_token_lets_a_program_in_without_an_origin(story: Story, vera: User) -> None:
    async with Viewer(story.job.pk, await ask(program, vera)) as watching:
        assert (await watching.hello())["t"] == "welcome"


async def test_beside_a_bad_token_a_good_cookie_is_not_looked_at(
    story: Story, cookies: Headers
) -> None:
    async with Viewer(story.job.pk, [*cookies, (b"authorization", b"Bearer pw_no")]) as stranger:
        assert await stranger.code() == 4401


async def test_a_job_of_a_game_one_may_not_see_is_not_there(
    story: Story, cookies: Headers, monkeypatch: pytest.MonkeyPatch
) -> None:
    theirs = await ask(lambda: Story(of=factories.game("theirs")))
    asked = seen_queries(monkeypatch)
    async with Viewer(theirs.job.pk, cookies) as watching:
        assert await watching.code() == 4404
    assert not any("deploy_tasks_event" in query for query in asked)


@pytest.mark.parametrize(
    "job", ["0", "999999", "9" * 30, "9" * 10_000, "-1", "1%20OR%201=1", "x%00y", "../../x"]
)
async def test_what_is_no_job_closes_with_4404(job: str, cookies: Headers) -> None:
    async with Viewer(job, cookies) as watching:
        assert await watching.code() == 4404


@pytest.mark.parametrize(
    "origin",
    [
        "http://elsewhere.example:8000",
        "https://127.0.0.1:8000",
        "http://127.0.0.1:8001",
        "http://127.0.0.1",
        "http://127.0.0.1:8000.elsewhere.example",
        "http://127.0.0.1:no",
        "null",
        "",
        None,
    ],
)
async def test_a_cookie_from_another_origin_is_refused(
    story: Story, vera: User, origin: str | None, settings: Settings
) -> None:
    settings.ALLOWED_HOSTS = ["*"]
    async with Viewer(story.job.pk, await ask(browser, vera, origin)) as stranger:
        assert not stranger.accepted


async def test_two_origins_are_none(story: Story, cookies: Headers) -> None:
    async with Viewer(story.job.pk, [*cookies, (b"origin", HERE.encode())]) as stranger:
        assert not stranger.accepted


async def test_the_address_a_page_was_asked_for_is_an_origin_of_this_site(
    story: Story, vera: User
) -> None:
    headers = await ask(browser, vera, "http://LOCALHOST:9000")
    headers[0] = (b"host", b"localhost:9000")
    async with Viewer(story.job.pk, headers) as watching:
        assert watching.accepted


async def test_a_host_that_is_not_ours_makes_no_origin(story: Story, vera: User) -> None:
    headers = await ask(browser, vera, "http://evil.example")
    headers[0] = (b"host", b"evil.example")
    async with Viewer(story.job.pk, headers) as stranger:
        assert not stranger.accepted


async def test_a_root_path_in_a_header_changes_nothing(story: Story, cookies: Headers) -> None:
    watching = Viewer(story.job.pk, cookies)
    watching._socket.scope["root_path"] = "/elsewhere"
    async with watching:
        assert (await watching.hello())["t"] == "welcome"


# Rights, again


async def test_who_logs_out_sees_no_more(story: Story, cookies: Headers) -> None:
    async with Viewer(story.job.pk, cookies) as watching:
        await watching.hello()
        await ask(Session.objects.all().delete)
        assert await watching.code() == 4401


async def test_who_changes_the_password_must_log_in_again(
    story: Story, cookies: Headers, vera: User
) -> None:
    async with Viewer(story.job.pk, cookies) as watching:
        await watching.hello()
        vera.set_password("another one")
        await ask(vera.save)
        assert await watching.code() == 4401


async def test_who_loses_the_role_sees_no_more(story: Story, cookies: Headers, vera: User) -> None:
    async with Viewer(story.job.pk, cookies) as watching:
        await watching.hello()
        await ask(vera.grants.all().delete)
        assert await watching.code() == 4403


async def test_who_is_disabled_sees_no_more(story: Story, cookies: Headers, vera: User) -> None:
    async with Viewer(story.job.pk, cookies) as watching:
        await watching.hello()
        vera.is_active = False
        await ask(vera.save)
        assert await watching.code() == 4403


async def test_who_loses_the_right_before_hello_is_told_nothing(
    story: Story, cookies: Headers, vera: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    admit = doorman.admit

    def let_in(*args: Any) -> Any:
        guest = admit(*args)
        vera.grants.all().delete()
        return guest

    monkeypatch.setattr(doorman, "admit", let_in)
    async with Viewer(story.job.pk, cookies) as watching:
        await watching.say("hello")
        assert await watching.code() == 4403
    assert watching.frames == []


async def test_a_token_stays_good_when_the_password_changes(story: Story, vera: User) -> None:
    async with Viewer(story.job.pk, await ask(program, vera)) as watching:
        await watching.hello()
        vera.set_password("another one")
        await ask(vera.save)
        assert await watching.hears_nothing()


async def test_a_token_that_is_taken_away_ends_its_streams(story: Story, vera: User) -> None:
    async with Viewer(story.job.pk, await ask(program, vera)) as watching:
        await watching.hello()
        await ask(vera.api_tokens.all().delete)
        assert await watching.code() == 4401


async def test_rights_cost_three_queries_however_many_watch(
    story: Story, cookies: Headers, vera: User
) -> None:
    others = [await ask(person, f"v-{n}", role=Role.VIEWER) for n in range(3)]
    logins = [await ask(browser, vera), *[await ask(program, other) for other in others]]
    async with AsyncExitStack() as open_sockets:
        viewers = [
            await open_sockets.enter_async_context(Viewer(story.job.pk, headers))
            for headers in [cookies, cookies, *logins]
        ]
        for watching in viewers:
            await watching.hello()
        guests = {watcher.guest for watcher in watchers_of(story)}
        assert len(guests) == len(logins) + 1
        assert await ask(queries_of, doorman.no_longer_welcome, story.job.pk, guests) == ({}, 3)


async def test_others_stay_when_one_must_go(
    story: Story, cookies: Headers, vera: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    theirs = await ask(program, vera)
    async with Viewer(story.job.pk, cookies) as going, Viewer(story.job.pk, theirs) as staying:
        await going.hello()
        await staying.hello()
        await ask(Session.objects.all().delete)
        assert await going.code() == 4401
        assert len(await staying.reach(await ask(story.output, "eu-1", b"x"))) == 1
