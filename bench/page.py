"""The page of a large job in Chromium: how soon a person can use it, and what it weighs."""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

from playwright.sync_api import Browser, Page, sync_playwright

from bench import profiling
from bench.figures import Figure
from bench.grounds import Grounds
from tests.e2e.test_page import ARGUMENTS, CHROMIUM, log_in
from tests.told import telling

LINES = 1_000_000
#: A line of one host.
FAR = 150
#: Lines a second: as many as an update of the whole fleet prints, and more.
RATE = 100_000
#: Seconds, from the start of loading to a map that can be clicked and a stream that is heard.
BUDGET = 1.0
#: Seconds. What takes longer has failed.
PATIENCE = 120

#: All squares are there, and the stream has said something: a person sees where it hurts.
READY = """hosts => document.querySelectorAll("#map button.sq").length === hosts
    && document.querySelector("#link").className !== "badge end"
    && !document.querySelector("#link").classList.contains("wait") && performance.now() / 1000"""
#: The same page, told the end.
TOLD_THE_END = """() => ["live", "wait"].every(
    kind => !document.querySelector("#link").classList.contains(kind))"""


def measure(grounds: Grounds) -> list[Figure]:
    if not CHROMIUM:
        print("no page is measured: Chromium is not installed", file=sys.stderr)
        return []
    with grounds.up(_chromium()) as chromium:
        return [
            figure for hosts in (500, 5000) for figure in _scene(grounds, chromium, hosts=hosts)
        ]


@contextmanager
def _chromium() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        try:
            yield chromium
        finally:
            chromium.close()


def _scene(grounds: Grounds, chromium: Browser, *, hosts: int) -> list[Figure]:
    """A page that is there from the first line to the last, and one that comes after all."""
    product = grounds.product
    page = log_in(product, chromium)
    page.set_default_timeout(PATIENCE * 1000)
    story = telling(product.instance, lines=LINES, rate=RATE, hosts=hosts)
    with grounds.up(story) as told:
        address = f"{product.address}/jobs/{told.job}/"
        with profiling.of(product.instance):
            _open(page, address, hosts)
            page.wait_for_selector("#link.live")
            told.go()
            told.process.wait(PATIENCE)
            over = time.monotonic()
            page.wait_for_function(TOLD_THE_END)
            lag = time.monotonic() - over
        lived = _heap(page)
        page.close()
    other = log_in(product, chromium)
    other.set_default_timeout(PATIENCE * 1000)
    ready = _open(other, address, hosts)
    asked = time.monotonic()
    other.evaluate("line => { location.hash = line; }", f"host-{hosts // 2}/stop/{FAR}")
    other.locator("#log .lines li.pointed").wait_for()
    opened = time.monotonic() - asked
    heap = _heap(other)
    other.close()
    figure = partial(Figure, "page", hosts=hosts)
    return [
        figure("s", ready, "to interactive", budget=BUDGET),
        figure("s", opened, "a line of a host's log"),
        figure("MB", heap, "heap"),
        figure("MB", lived, "heap after watching it all"),
        figure("s", lag, "behind at the end of watching"),
    ]


def _open(page: Page, address: str, hosts: int) -> float:
    """Seconds from the start of loading until it can be used."""
    page.goto(address, wait_until="commit")
    return float(page.wait_for_function(READY, arg=hosts, polling=20).json_value())


def _heap(page: Page) -> float:
    """MB of JavaScript's objects, rubbish taken out."""
    client = page.context.new_cdp_session(page)
    client.send("HeapProfiler.collectGarbage")
    client.send("Performance.enable")
    found = client.send("Performance.getMetrics")["metrics"]
    return float(next(one["value"] for one in found if one["name"] == "JSHeapUsedSize")) / 1e6
