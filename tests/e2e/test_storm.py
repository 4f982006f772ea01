"""Daphne, Valkey and the network are killed while a job is followed: by the command line, by a page
that is looked at, by one that is offline for two minutes, and by one in a tab that sleeps.

Nobody loses a line: what each of them got is compared with the hosts' own files.
"""

import json
import os
import random
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from demo.fleet import Fleet, FleetHost
from tests.e2e.test_page import ARGUMENTS, CHROMIUM, log_in
from tests.e2e.world import Product, World, root_of
from tests.faults.line import Line
from tests.instances import environment
from tests.waiting import until
from webapp.env import BASE

#: Fewer than a page shows at once: each of them can be compared.
LINES = 250
RECIPE = f"""
recipe: storm
vars: {{root: {{type: path, required: true}}}}
steps:
  - name: talk
    run: |
      line=0
      until [ $line -ge {LINES} ]; do
        line=$((line + 1))
        echo "line $line of $host" | tee -a "$root/said"
        sleep 0.06
      done
"""
#: Writes down everything that the badge says, and when the page came to life again.
BADGES = """
window.badges = [];
document.addEventListener("DOMContentLoaded", () => {
  const badge = document.getElementById("link");
  if (!badge) return;
  const note = () => window.badges.push(badge.textContent);
  new MutationObserver(note).observe(badge, {childList: true, characterData: true, subtree: true});
});
"""
PATIENCE = 60_000  # milliseconds

pytestmark = [
    pytest.mark.timeout(400),
    pytest.mark.e2e,
    pytest.mark.browser,
    pytest.mark.skipif(not CHROMIUM, reason="chromium is not installed"),
]


@dataclass(frozen=True)
class Web:
    """Where the web process listens."""

    port: int
    address: str = "127.0.0.1"


@dataclass
class Aftermath:
    product: Product
    job: int
    hosts: list[FleetHost]
    #: What ``watch --json`` printed, and its exit status.
    items: list[dict[str, Any]]
    status: int
    #: Of each page by what became of it: the lines of its host, and what its badge said.
    pages: dict[str, tuple[FleetHost, list[str], list[str]]]
    trouble: list[str]


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def storm(
    product: Product, chromium: Browser, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Aftermath]:
    at = tmp_path_factory.mktemp("storm")
    recipe = at / "recipe.yml"
    recipe.write_text(RECIPE)
    with Fleet(at / "fleet", 3, name="storm") as fleet, Line(Web(product.instance.port)) as line:
        world = World(product, fleet, game="storm", recipe=recipe)
        job = product.post("/jobs", {"game": "storm", "version": "1.1", "all": True})["id"]
        with (at / "watch.out").open("wb") as out, following(product, line, job, out) as watch:
            first = log_in(product, chromium)
            pages = {
                "looked at": first,
                "asleep": first.context.new_page(),  # a second tab of the same person
                "offline": log_in(product, chromium),
            }
            for page, host in zip(pages.values(), world.hosts, strict=True):
                open_job(page, line, job, host)
            trouble = blow(product, line, pages)
            status = watch.wait(60)
        for page in pages.values():
            page.bring_to_front()
            expect(page.locator("#link")).to_contain_text("all told", timeout=PATIENCE)
        yield Aftermath(
            product,
            job,
            world.hosts,
            [json.loads(text) for text in (at / "watch.out").read_text().splitlines()],
            status,
            {
                name: (host, lines_of(page), page.evaluate("window.badges"))
                for (name, page), host in zip(pages.items(), world.hosts, strict=True)
            },
            trouble,
        )
        until(lambda: product.instance.get("/readyz")[0] == 200, "all is well again", seconds=60)


def following(product: Product, line: Line, job: int, out: Any) -> "subprocess.Popen[bytes]":
    to = f"http://{line.address}:{line.port}"
    return subprocess.Popen(
        [sys.executable, "-m", "webapp.cli", "watch", str(job), "--json"],
        cwd=BASE,
        env=environment(product.instance.home, PATCHWAVE_URL=to, PATCHWAVE_TOKEN=product.token),
        stdout=out,
    )


def open_job(page: Page, line: Line, job: int, host: FleetHost) -> None:
    page.add_init_script(BADGES)
    page.clock.install()
    page.goto(f"http://{line.address}:{line.port}/jobs/{job}/?host={host.name}")
    expect(page.locator("#link")).to_contain_text("live, 0 gaps")


def blow(product: Product, line: Line, pages: dict[str, Page]) -> list[str]:
    """All that goes wrong, in an order of its own each time."""
    instance = product.instance
    asleep = pages["asleep"].context.new_cdp_session(pages["asleep"])
    blows = {
        "daphne is killed": lambda: os.kill(instance.pid("web"), signal.SIGKILL),
        "daphne is restarted": lambda: os.kill(instance.pid("web"), signal.SIGTERM),
        "valkey is killed": lambda: os.kill(instance.pid("valkey"), signal.SIGKILL),
        "connections are cut": line.cut,
        "connections are dead": line.swallow,
    }
    order = random.sample(sorted(blows), len(blows))
    pages["offline"].context.set_offline(True)
    asleep.send("Page.setWebLifecycleState", {"state": "frozen"})
    for blow in order:
        before = instance.owner("web")
        blows[blow]()
        if blow.startswith("daphne"):
            until(lambda: instance.owner("web") != before, "another daphne", seconds=30)  # noqa: B023
        pages["looked at"].wait_for_timeout(random.uniform(500, 2500))
        if blow.endswith("dead"):
            line.cut()  # as a router does in the end
    pages["offline"].clock.fast_forward("02:00")
    expect(pages["offline"].locator("#link")).to_contain_text("reconnecting, nothing lost")
    pages["offline"].context.set_offline(False)
    asleep.send("Page.setWebLifecycleState", {"state": "active"})
    return order


def lines_of(page: Page) -> list[str]:
    fold = page.locator("#log details", has_text="talk")
    if fold.get_attribute("open") is None:
        fold.locator("summary").click()
    expect(fold.locator(".lines li")).to_have_count(LINES, timeout=10_000)
    return fold.locator(".lines code").all_inner_texts()


def said(host: FleetHost) -> list[str]:
    return (root_of(host) / "said").read_text().splitlines()


def test_the_command_line_got_every_event_once_and_in_order(storm: Aftermath) -> None:
    told: list[dict[str, Any]] = []
    page = {"to": 0, "last_seq": 1}
    while page["to"] < page["last_seq"]:
        page = storm.product.get(f"/jobs/{storm.job}/events?after={page['to']}")
        told += page["events"]
    assert [item["s"] for item in told] == list(range(1, page["last_seq"] + 1))
    assert storm.items == told, storm.trouble
    assert storm.status == 0


def test_the_command_line_got_what_the_hosts_have_in_their_own_files(storm: Aftermath) -> None:
    for host in storm.hosts:
        output = "".join(
            item["d"] for item in storm.items if item["k"] == "output" and item["h"] == host.name
        )
        assert output.splitlines() == said(host), storm.trouble
        assert len(said(host)) == LINES


@pytest.mark.parametrize("page", ["looked at", "offline", "asleep"])
def test_a_page_shows_every_line_once_and_knows_that_nothing_was_lost(
    storm: Aftermath, page: str
) -> None:
    host, lines, badges = storm.pages[page]
    assert lines == said(host), storm.trouble
    assert any(badge.startswith("reconnecting, nothing lost, resuming at #") for badge in badges)
    assert not any("gap" in badge and "0 gaps" not in badge for badge in badges), badges
