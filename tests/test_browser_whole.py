"""A page that does not come whole says so, and comes again."""

import pytest
from playwright.sync_api import Route, expect

from deploy_tasks.models import Job
from tests.browser import MARKS, Tab

WHOLE = "the page did not load whole"

pytestmark = MARKS


@pytest.mark.parametrize(
    ("path", "lost", "times"),
    [
        ("/jobs/{job}/", "**/js/lattice.js", 2),
        ("/jobs/", "**/js/live.js", 1),
        ("/jobs/new?game=squid", "**/css/pages.css", 1),
    ],
)
def test_what_does_not_come_once_is_loaded_again(
    path: str, lost: str, times: int, tab: Tab, small: Job
) -> None:
    tab.page.route(lost, lambda route: route.abort(), times=times)
    tab.page.goto(path.format(job=small.pk))
    expect(tab.page.locator(".unwhole")).to_contain_text(f"{WHOLE}: loading it again in ")
    expect(tab.page.locator(".unwhole")).to_have_count(0)
    badge = tab.page.locator("#link, #live")
    if badge.count():
        expect(badge).to_contain_text("live")


@pytest.mark.parametrize("what", ["throw new Error('broken');", "import { no } from './words.js';"])
def test_a_page_that_breaks_every_time_is_left_to_the_person(
    what: str, tab: Tab, small: Job
) -> None:
    def broken(route: Route) -> None:
        route.fulfill(body=what, content_type="text/javascript")

    tab.page.add_init_script("sessionStorage['loaded-again'] ??= 4")
    tab.page.route("**/js/story.js", broken)
    tab.page.goto(f"/jobs/{small.pk}/")
    expect(tab.page.locator(".unwhole")).to_have_text(f"{WHOLE} Reload")
    tab.page.unroute("**/js/story.js")
    tab.page.get_by_role("button", name="Reload").click()
    expect(tab.page.locator("#link")).to_have_class("badge end live")


def test_a_page_without_any_script_claims_nothing(tab: Tab, small: Job) -> None:
    tab.page.route("**/*.js", lambda route: route.abort())
    for path in (f"/jobs/{small.pk}/", "/jobs/"):
        tab.page.goto(path)
        expect(tab.page.locator("#link, #live")).to_contain_text("not live yet")
        expect(tab.page.locator("#main")).not_to_contain_text("reading…")
