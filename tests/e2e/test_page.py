"""The main job from the page, in a real browser: two people, five hosts, one of them full."""

import re
import shutil
from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from tests.e2e.world import MARKS, Product, World, marks_of, root_of

CHROMIUM = shutil.which("chromium")
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
PATIENCE = 30_000  # milliseconds

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.browser,
    pytest.mark.skipif(not CHROMIUM, reason="chromium is not installed"),
]


@pytest.fixture
def chromium() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield browser
        browser.close()


def test_an_update_is_started_watched_and_retried_from_the_page(
    product: Product, make_world: Callable[..., World], chromium: Browser
) -> None:
    world = make_world("ark")
    full, watched = world.hosts[1], world.hosts[3]
    (root_of(full) / "full").touch()
    for host in world.hosts:
        (root_of(host) / "hold").touch()

    page = log_in(product, chromium)
    page.goto(f"{product.address}/jobs/new?game=ark")
    page.get_by_role("radio", name="1.1").check()
    page.get_by_text("All at once").click()
    expect(page.locator("#go")).to_have_text("Start update of 5 hosts")
    page.locator("#go").click()
    page.wait_for_url("**/jobs/*/")
    expect(page.locator("#link")).to_have_class("badge end live")

    _open_host(page, watched.name)
    _expect_line(page, re.compile(rf"line \d+ of {watched.name}"))
    _expect_step(page, watched.name, "warm", "running")

    # A second person comes in the middle, by a link, and sees the past and the present.
    other = log_in(product, chromium)
    other.goto(page.url)
    expect(other.locator("#log [data-log=name]")).to_have_text(watched.name)
    _expect_line(other, re.compile(rf"line \d+ of {watched.name}"))

    for host in world.hosts:
        (root_of(host) / "hold").unlink()
    for one in (page, other):
        one.bring_to_front()  # nothing is painted where nobody looks
        score = one.locator("#score .chip", has_text="updated")
        expect(score).to_contain_text("4")
        expect(one.locator("#verdict")).to_contain_text("1 failed")
    page.bring_to_front()
    _open_host(page, full.name)
    _expect_line(page, "No space left on device")
    _expect_step(page, full.name, "unpack", "failed")
    assert world.versions() == world.all_at("1.1") | {full.name: "1.0"}

    (root_of(full) / "full").unlink()
    page.locator("#acts").get_by_role("button", name="Retry 1 failed").click()
    for one in (page, other):
        one.bring_to_front()
        score = one.locator("#score .chip", has_text="updated")
        expect(score).to_contain_text("5")
        expect(one.locator("#verdict")).not_to_contain_text("failed")
    assert world.versions() == world.all_at("1.1")
    assert marks_of(watched) == MARKS
    # What stood was left alone.
    assert marks_of(full) == ["warm", "unpack", *MARKS[1:]]


def log_in(product: Product, chromium: Browser) -> Page:
    """A person with a browser of their own, and the password that the first start printed."""
    found = re.search(r"Log in as (\S+) with the password (\S+)", product.instance.said)
    assert found is not None
    page = chromium.new_context(viewport={"width": 1440, "height": 900}).new_page()
    page.set_default_timeout(PATIENCE)
    page.goto(product.address)
    page.get_by_label("User").fill(found[1])
    page.get_by_label("Password").fill(found[2])
    page.get_by_role("button", name="Log in").click()
    page.wait_for_url(f"{product.address}/")
    return page


def _open_host(page: Page, name: str) -> None:
    page.locator(f"#table tr[data-host='{name}']").get_by_role("button").click()
    expect(page.locator("#log [data-log=name]")).to_have_text(name)


def _expect_line(page: Page, text: str | re.Pattern[str]) -> None:
    """In view: only there lines are in the page, and the log follows its end."""
    expect(page.locator("#log .lines li", has_text=text).first).to_be_visible()


def _expect_step(page: Page, host: str, step: str, state: str) -> None:
    heads = page.locator("#table thead th").all_inner_texts()
    place = [head.lower() for head in heads].index(step) - 1
    cell = page.locator(f"#table tr[data-host='{host}'] td").nth(place)
    expect(cell.locator(f".sq.{state}")).to_have_count(1)
