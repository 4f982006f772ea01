"""Everybody can read and work every page: axe finds nothing, light and dark, wide and narrow."""

import importlib.util
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.template.loader import render_to_string
from django.test import RequestFactory
from playwright.sync_api import Browser, Page, ViewportSize

from deploy_tasks import audit
from deploy_tasks.models import Job
from deploy_tasks.states import Gate, JobState
from tests import factories, scenes
from tests.browser import MARKS, Tab
from webapp.views import own_password

AXE = importlib.util.find_spec("axe_playwright_python")

pytestmark = [
    *MARKS,
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
FOUND = """async (part) =>
  (await axe.run(document.querySelectorAll(part))).violations.flatMap(({id, nodes}) => nodes.map(
    ({html, failureSummary}) => `${id}: ${html.slice(0, 200)}: ${failureSummary}`))"""
WIDE = ViewportSize(width=1440, height=900)
NARROW = ViewportSize(width=360, height=800)
LOOKS: dict[str, dict[str, Any]] = {
    "light": {"color_scheme": "light", "viewport": WIDE},
    "dark and narrow": {"color_scheme": "dark", "viewport": NARROW},
}


#: Pages that only an instance with second factors has, as its views make them.
FACTORS: dict[str, dict[str, Any]] = {
    "code.html": {"wrong": True},
    "codes.html": {"codes": ["1234-5678", "8765-4321"]},
}
#: What of its page is another where a job stands otherwise; all of it was looked at before.
TELLS_HOW_IT_STANDS = ".verdict, #rail, #score, #causes, #log > header"
#: How a job is held, or stands, and what its page must show when axe looks.
STATES: dict[str, tuple[Callable[[Job], object], str]] = {
    "soaks": (lambda job: scenes.hold(job, Gate.SOAKING), "#acts button:has-text('Promote')"),
    "at a gate": (lambda job: scenes.hold(job, Gate.WAITING), "#acts .main:has-text('Promote')"),
    "halted": (lambda job: stand(job, JobState.HALTED), "#causes li"),
    "failed": (lambda job: stand(job, JobState.FAILED), "#causes li"),
    "cancelled": (lambda job: stand(job, JobState.CANCELLED), "#acts a:has-text('again')"),
    "staged": (scenes.stage, "#acts .main:has-text('Switch')"),
}


def stand(job: Job, state: JobState) -> None:
    Job.objects.filter(pk=job.pk).update(state=state, reason="as it is")


def found(page: Page, part: str = "html") -> list[str]:
    assert AXE
    assert AXE.origin
    if not page.evaluate("Boolean(window.axe)"):
        page.evaluate((Path(AXE.origin).parent / "axe.min.js").read_text())
    answer: list[str] = page.evaluate(FOUND, part)
    return answer


def found_at_any_width(page: Page, part: str = "html") -> list[str]:
    own = page.viewport_size
    assert own
    said = found(page, part)
    page.set_viewport_size(NARROW if own == WIDE else WIDE)
    said += found(page, part)
    page.set_viewport_size(own)
    return said


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
    told = {"as squares": found_at_any_width(page)}
    page.locator("#causes").get_by_role("button", name="Show", exact=True).first.click()
    page.wait_for_selector("#table tbody tr")
    told["as a table"] = found(page)
    for button in ("Cancel…", "Change…", "Pause…", "Exclude…", "Answer…"):
        page.get_by_role("button", name=button).first.click()
        told[button] = found(page, "dialog[open]")
        page.keyboard.press("Escape")
    page.keyboard.press("?")
    told["keys"] = found(page, "dialog[open]")
    for state, (come_to, shows) in STATES.items():
        come_to(running)
        page.reload()
        for loaded in (shows, "#timeline .paces tbody tr"):
            page.wait_for_selector(loaded)
        told[state] = found_at_any_width(page, TELLS_HOW_IT_STANDS)
    assert {what: said for what, said in told.items() if said} == {}
