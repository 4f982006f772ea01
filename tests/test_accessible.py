"""Everybody can read and work every page: axe finds nothing, light and dark, wide and narrow."""

import importlib.util
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from playwright.sync_api import Browser, Page

from deploy_tasks import audit
from deploy_tasks.models import Job
from deploy_tasks.states import JobState
from tests import factories, scenes
from tests.browser import CHROMIUM, Tab
from webapp.views import own_password

AXE = importlib.util.find_spec("axe_playwright_python")

pytestmark = [
    pytest.mark.browser,
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif(not CHROMIUM, reason="chromium is not installed"),
    pytest.mark.skipif(AXE is None, reason="axe-playwright-python is not installed"),
]

PAGES = (
    "/",
    "/jobs/",
    "/jobs/new?game=paper",
    "/jobs/new?game=paper&host=eu-003",
    "/hosts/",
    "/hosts/eu-003/",
    "/games/",
    "/calls/",
    "/audit/",
    "/account/",
    "/account/password",
    "/admin/",
    "/admin/deploy_tasks/host/",
    "/admin/deploy_tasks/game/add/",
)
#: What each finds is said with the element and what to do about it.
FOUND = """async () => (await axe.run()).violations.flatMap(({id, nodes}) =>
  nodes.map(({html, failureSummary}) => `${id}: ${html.slice(0, 200)}: ${failureSummary}`))"""
LOOKS: dict[str, dict[str, Any]] = {
    "light": {"color_scheme": "light"},
    "dark and narrow": {"color_scheme": "dark", "viewport": {"width": 360, "height": 800}},
}


def found(page: Page) -> list[str]:
    assert AXE
    assert AXE.origin
    page.evaluate((Path(AXE.origin).parent / "axe.min.js").read_text())
    answer: list[str] = page.evaluate(FOUND)
    return answer


@pytest.fixture
def running(site: str, valkey: str) -> Job:
    return scenes.midway(scenes.game("paper", hosts=70))


@pytest.fixture(params=LOOKS)
def look(
    running: Job, chromium: Browser, site: str, request: pytest.FixtureRequest
) -> Iterator[Tab]:
    boss = factories.user("boss", is_superuser=True, is_staff=True)
    audit.record(boss, "start", "job 1", hosts=70)
    made = Tab(chromium, site, boss, reduced_motion="reduce", **LOOKS[request.param])
    yield made
    made.context.close()


def test_axe_finds_nothing_on_any_page(look: Tab) -> None:
    told = {}
    for path in PAGES:
        assert look.page.goto(path).status == 200  # type: ignore[union-attr]
        told[path] = found(look.page)
    look.context.clear_cookies()
    look.page.goto("/login")
    told["/login"] = found(look.page)
    look.page.goto(own_password.link(factories.user("new")).removeprefix(settings.SITE_ORIGIN))
    told["/first"] = found(look.page)
    assert {path: said for path, said in told.items() if said} == {}


def test_axe_finds_nothing_on_the_page_of_a_job(look: Tab, running: Job) -> None:
    page = look.open_job(running)
    page.locator("#timeline").scroll_into_view_if_needed()
    page.wait_for_selector("#timeline .g-seg", state="attached")
    told = {"as squares": found(page)}
    page.locator("#causes").get_by_role("button", name="Show", exact=True).first.click()
    page.wait_for_selector("#table tbody tr")
    told["as a table"] = found(page)
    for button in ("Cancel…", "Change…", "Pause…"):
        page.get_by_role("button", name=button).click()
        told[button] = found(page)
        page.keyboard.press("Escape")
    Job.objects.filter(pk=running.pk).update(state=JobState.HALTED, reason="too many failed")
    page.reload()
    page.wait_for_selector("#causes li")
    told["halted"] = found(page)
    assert {what: said for what, said in told.items() if said} == {}
