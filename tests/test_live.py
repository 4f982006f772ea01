"""Pages that ask again for what they show."""

from typing import Any

import pytest
from django.http import HttpRequest, HttpResponse
from django.test import Client, RequestFactory

from tests import factories, scenes
from tests.stories import person
from webapp import live, recent
from webapp.models import Role

pytestmark = pytest.mark.django_db

AGAIN = {"Patchwave-Live": "1"}


@pytest.fixture(autouse=True)
def nothing_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "_answers", recent.Recent())


def test_a_page_that_asks_again_gets_its_main_part_alone(admin_client: Client) -> None:
    again = admin_client.get("/", headers=AGAIN).content.decode()
    assert 'id="overview"' in again
    assert "<html" not in again
    assert "csrf" not in again


def test_what_a_page_has_already_is_not_sent_again(admin_client: Client) -> None:
    first = admin_client.get("/", headers=AGAIN)
    same = admin_client.get("/", headers=AGAIN | {"If-None-Match": first["ETag"]})
    assert (same.status_code, same.content) == (304, b"")


def test_of_when_it_is_only_the_whole_page_says(admin_client: Client) -> None:
    """What is asked again would never be the same else."""
    for path in ("/", "/jobs/", "/hosts/", "/games/"):
        assert b"not live yet" in admin_client.get(path).content
        assert b"not live yet" not in admin_client.get(path, headers=AGAIN).content


def test_what_has_changed_is_sent(admin_client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recent, "FRESH", 0.0)
    monkeypatch.setattr(recent, "WORTH", 0)
    first = admin_client.get("/", headers=AGAIN)
    scenes.midway(scenes.game("paper", hosts=5))
    now = admin_client.get("/", headers=AGAIN | {"If-None-Match": first["ETag"]})
    assert now.status_code == 200
    assert b"1 update is running." in now.content


def test_after_an_order_nobody_is_told_how_it_was_before(admin_client: Client) -> None:
    admin_client.get("/", headers=AGAIN)
    scenes.midway(scenes.game("paper", hosts=5))
    assert b"1 update is running." not in admin_client.get("/", headers=AGAIN).content
    now = admin_client.get("/", headers={live.HEADER: live.NOW})
    assert b"1 update is running." in now.content


def test_whoever_logged_out_is_asked_to_log_in() -> None:
    assert Client().get("/", headers=AGAIN).status_code == 302


class Page:
    """A view with a memory of how often it was asked."""

    def __init__(self) -> None:
        self.asked = 0

    def __call__(self, request: HttpRequest) -> HttpResponse:
        self.asked += 1
        return HttpResponse(f"the {self.asked}. answer")


def request(user: Any, path: str = "/", **headers: str) -> HttpRequest:
    made = RequestFactory().get(path, headers=headers)
    made.user = user
    return made


def test_fifty_open_pages_cost_as_much_as_one() -> None:
    page = Page()
    view = live.live(page)
    watchers = [person(f"w-{n}", role=Role.VIEWER) for n in range(50)]
    told = {view(request(user, **AGAIN)).content for user in watchers}
    assert told == {b"the 1. answer"}


def test_readers_with_other_rights_are_told_their_own() -> None:
    squid, paper = factories.game("squid"), factories.game("paper")
    view = live.live(page := Page())
    readers = [
        person("anna", game=squid, role=Role.VIEWER),
        person("ben", game=paper, role=Role.VIEWER),
        person("cleo", game=squid, role=Role.OPERATOR),
        person("dora", role=Role.VIEWER),
        factories.user("boss", is_superuser=True),
    ]
    for user in readers:
        view(request(user, **AGAIN))
    assert page.asked == len(readers)


def test_other_addresses_are_other_pages() -> None:
    view, user = live.live(page := Page()), person("w", role=Role.VIEWER)
    for path in ("/", "/?state=failed"):
        view(request(user, path, **AGAIN))
    assert page.asked == 2


def test_a_page_that_is_opened_is_always_made_anew() -> None:
    view, user = live.live(Page()), person("w", role=Role.VIEWER)
    assert view(request(user)).content == b"the 1. answer"
    assert view(request(user)).content == b"the 2. answer"
