"""Everybody can read and work every page: axe finds nothing, light and dark, wide and narrow."""

import importlib.util
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.template.loader import render_to_string
from django.test import RequestFactory
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
FOUND = """async (part) => (await axe.run(part)).violations.flatMap(({id, nodes}) =>
  nodes.map(({html, failureSummary}) => `${id}: ${html.slice(0, 200)}: ${failureSummary}`))"""
LOOKS: dict[str, dict[str, Any]] = {
    "light": {"color_scheme": "light"},
    "dark and narrow": {"color_scheme": "dark", "viewport": {"width": 360, "height": 800}},
}


#: Pages that only an instance with second factors has, as its views make them.
FACTORS: dict[str, dict[str, Any]] = {
    "code.html": {"wrong": True},
    "codes.html": {"codes": ["1234-5678", "8765-4321"]},
}
#: How a job stands, and what its page must be when axe looks.
STATES = {
    JobState.HALTED: "#causes li",
    JobState.FAILED: "#causes li",
    JobState.CANCELLED: "#log summary",
}


def found(page: Page, part: str = "html") -> list[str]:
    assert AXE
    assert AXE.origin
    if not page.evaluate("Boolean(window.axe)"):
        page.evaluate((Path(AXE.origin).parent / "axe.min.js").read_text())
    answer: list[str] = page.evaluate(FOUND, part)
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
    request = RequestFactory().get("/login")
    request.user = factories.user("keeper")
    for name, values in FACTORS.items():
        look.page.set_content(render_to_string(name, values, request))
        told[name] = found(look.page)
    assert {path: said for path, said in told.items() if said} == {}


def test_axe_finds_nothing_on_the_page_of_a_job(look: Tab, running: Job) -> None:
    page = look.open_job(running)
    for below, shows in [("timeline", ".g-seg"), ("story", ".s-row"), ("variables", "tbody tr")]:
        page.locator(f"#{below}").scroll_into_view_if_needed()
        page.wait_for_selector(f"#{below} {shows}", state="attached")
    told = {"as squares": found(page)}
    page.locator("#causes").get_by_role("button", name="Show", exact=True).first.click()
    page.wait_for_selector("#table tbody tr")
    told["as a table"] = found(page)
    for button in ("Cancel…", "Change…", "Pause…", "Exclude…", "Answer…"):
        page.get_by_role("button", name=button).first.click()
        told[button] = found(page, "dialog[open]")
        page.keyboard.press("Escape")
    page.keyboard.press("?")
    told["keys"] = found(page, "dialog[open]")
    for state, shows in STATES.items():
        Job.objects.filter(pk=running.pk).update(state=state, reason="as it is")
        page.reload()
        for loaded in (shows, "#timeline .paces tbody tr"):
            page.wait_for_selector(loaded)
        told[state] = found(page, "main")
    assert {what: said for what, said in told.items() if said} == {}
