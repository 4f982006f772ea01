"""Daphne, Valkey, nginx and the network are killed while a job is followed: by the command line, by
a page that is looked at, by one that is offline for two minutes, and by one in a tab that sleeps.

Nobody loses a line: what each of them got is compared with the hosts' own files.
"""

import json
import os
import random
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from http.client import HTTPException
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from demo.fleet import Fleet, FleetHost
from tests.e2e.nginx import NGINX, Nginx
from tests.e2e.test_page import ARGUMENTS, CHROMIUM, log_in
from tests.e2e.world import Product, World, root_of
from tests.faults.line import Line
from tests.instances import Instance, environment, free_port
from tests.waiting import until
from webapp.env import BASE

#: Of each host, in a storm of one round.
LINES = 250
RECIPE = """
recipe: storm
vars: {{root: {{type: path, required: true}}}}
steps:
  - name: talk
    run: |
      line=0
      until [ $line -ge {lines} ]; do
        line=$((line + 1))
        echo "line $line of $host" | tee -a "$root/said"
        sleep 0.06
      done
"""
SITE = """
map $http_upgrade $hop {{
    default upgrade;
    "" "";
}}
server {{
    listen 127.0.0.1:{port};
    proxy_http_version 1.1;
    proxy_set_header Upgrade $http_upgrade;
    proxy_set_header Connection $hop;
    proxy_set_header Host $http_host;
    location / {{ proxy_pass http://127.0.0.1:{web}; }}
}}
"""
#: Writes down everything that the badge says.
BADGES = """
window.badges = [];
document.addEventListener("DOMContentLoaded", () => {
  const badge = document.getElementById("link");
  if (!badge) return;
  const note = () => window.badges.push(badge.textContent);
  new MutationObserver(note).observe(badge, {childList: true, characterData: true, subtree: true});
});
"""
#: The client of our pages once more, without a page around it: it keeps all that it is told.
FOLLOW = """
async (job) => {
  const page = document.querySelector("script[type=module][src*='/js/run.']").src;
  const [, path] = /from "(.*\\/stream\\..*)"/.exec(await (await fetch(page)).text());
  const { JobStream } = await import(new URL(path, page));
  const told = [];
  window.follower = new JobStream({
    url: `/ws/jobs/${job}/`,
    eventsUrl: `/api/v1/jobs/${job}/events`,
    onItems: (items) => told.push(...items),
  });
  window.told = told;
}
"""
#: So many lines around the one that is led to are in the page.
NEAR = 50

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.browser,
    pytest.mark.timeout(600),
    pytest.mark.skipif(not CHROMIUM, reason="chromium is not installed"),
    pytest.mark.skipif(not NGINX, reason="nginx is not installed (Debian package nginx-light)"),
]


@dataclass
class Followed:
    """What became of one page."""

    host: FleetHost
    #: Those of its host that it shows as one scrolls, by their numbers.
    lines: dict[int, str]
    badges: list[str]
    #: Everything the stream told it.
    told: list[dict[str, Any]]
    link: dict[str, Any]


@dataclass
class Aftermath:
    product: Product
    job: int
    hosts: list[FleetHost]
    lines: int
    #: What ``watch --json`` printed, and its exit status.
    items: list[dict[str, Any]]
    status: int
    pages: dict[str, Followed]
    #: What went wrong, in order.
    trouble: list[str]

    def story(self) -> list[dict[str, Any]]:
        """As the database has it."""
        told: list[dict[str, Any]] = []
        page = {"to": 0, "last_seq": 1}
        while page["to"] < page["last_seq"]:
            page = self.product.get(f"/jobs/{self.job}/events?after={page['to']}")
            told += page["events"]
        assert [item["s"] for item in told] == list(range(1, page["last_seq"] + 1))
        return told


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield browser
        browser.close()


@pytest.fixture(scope="module", params=[1, pytest.param(6, marks=pytest.mark.slow)])
def storm(
    request: pytest.FixtureRequest,
    product: Product,
    chromium: Browser,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Aftermath]:
    """The parameter is how often everything goes wrong."""
    at = tmp_path_factory.mktemp("storm")
    rounds, lines, port = request.param, request.param * LINES, free_port()
    (recipe := at / "storm.yml").write_text(RECIPE.format(lines=lines))
    site = SITE.format(port=port, web=product.instance.port)
    with (
        Nginx(at, site, address="127.0.0.1", port=port) as nginx,
        Line(nginx) as line,
        Fleet(at / "fleet", 3, name=f"storm{rounds}") as fleet,
    ):
        world = World(product, fleet, game=f"storm{rounds}", recipe=recipe)
        order = {"game": world.game, "version": "1.1", "all": True}
        job = product.post("/jobs", order)["id"]
        with (at / "watch.out").open("wb") as out, following(product, line, job, out) as watch:
            first = log_in(product, chromium)
            pages = {
                "looked at": first,
                "asleep": first.context.new_page(),  # a second tab of the same person
                "offline": log_in(product, chromium),
            }
            for page, host in zip(pages.values(), world.hosts, strict=True):
                open_job(page, line, job, host)
            trouble = [one for _ in range(rounds) for one in blow(product, nginx, line, pages)]
            status = watch.wait(200)
        yield Aftermath(
            product,
            job,
            world.hosts,
            lines,
            [json.loads(text) for text in (at / "watch.out").read_text().splitlines()],
            status,
            {
                name: after(page, host, lines)
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
    expect(page.locator("#link")).to_have_class("badge end live")
    page.evaluate(FOLLOW, job)


def blow(product: Product, nginx: Nginx, line: Line, pages: dict[str, Page]) -> list[str]:
    """All that goes wrong, in an order of its own each time."""
    instance = product.instance
    asleep = pages["asleep"].context.new_cdp_session(pages["asleep"])
    blows: dict[str, Callable[[], None]] = {
        "daphne is killed": lambda: os.kill(instance.pid("web"), signal.SIGKILL),
        "daphne is restarted": lambda: os.kill(instance.pid("web"), signal.SIGTERM),
        "valkey is killed": lambda: os.kill(instance.pid("valkey"), signal.SIGKILL),
        "nginx is killed": nginx.kill,
        "connections are cut": line.cut,
        "connections are dead": line.swallow,
    }
    order = random.sample(sorted(blows), len(blows))
    pages["offline"].context.set_offline(True)
    asleep.send("Page.setWebLifecycleState", {"state": "frozen"})
    for one in order:
        if one.endswith("restarted"):
            until(lambda: is_up(instance), "daphne can be told to stop", seconds=120)
        before = instance.owner("web")
        blows[one]()
        if one.startswith("daphne"):
            until(lambda: instance.owner("web") != before, "another daphne", seconds=120)  # noqa: B023
        pages["looked at"].wait_for_timeout(random.uniform(300, 1500))
        if one.startswith("nginx"):
            nginx.start()
        if one.endswith("dead"):
            line.cut()  # as a router does in the end
    pages["offline"].clock.fast_forward("02:00")
    expect(pages["offline"].locator("#link")).to_contain_text("reconnecting, nothing lost")
    pages["offline"].context.set_offline(False)
    asleep.send("Page.setWebLifecycleState", {"state": "active"})
    return order


def is_up(instance: Instance) -> bool:
    with suppress(OSError, HTTPException):
        return instance.get("/healthz")[0] == 200
    return False


def after(page: Page, host: FleetHost, lines: int) -> Followed:
    page.bring_to_front()
    expect(page.locator("#link")).to_contain_text("all told")
    until(lambda: page.evaluate("follower.link.state") == "ended", "all told", seconds=60)
    return Followed(
        host,
        shown(page, host, lines),
        page.evaluate("window.badges"),
        page.evaluate("window.told"),
        page.evaluate("window.follower.link"),
    )


def shown(page: Page, host: FleetHost, lines: int) -> dict[int, str]:
    """Only what is in view is in the page: it is led from place to place."""
    found: dict[int, str] = {}
    rows = page.locator("#log .lines li")
    for number in [*range(1, lines, NEAR), lines]:
        page.evaluate("(hash) => { location.hash = hash; }", f"{host.name}/talk/{number}")
        pointed = page.locator("#log .lines li.pointed")
        expect(pointed.locator("a")).to_have_text(str(number))
        expect(page.locator("#log .lines li.to-read")).to_have_count(0)
        told = rows.evaluate_all(
            "rows => rows.map((row) => [row.querySelector('a').textContent,"
            " row.querySelector('code').innerText])"
        )
        found |= {int(number): text for number, text in told}
    return found


def said(host: FleetHost) -> list[str]:
    return (root_of(host) / "said").read_text().splitlines()


def output(items: list[dict[str, Any]], host: FleetHost) -> list[str]:
    told = (item["d"] for item in items if item["k"] == "output" and item["h"] == host.name)
    return "".join(told).splitlines()


def test_the_command_line_got_every_event_once_and_in_order(storm: Aftermath) -> None:
    assert storm.items == storm.story(), storm.trouble
    assert storm.status == 0


def test_what_was_told_is_what_the_hosts_have_in_their_own_files(storm: Aftermath) -> None:
    for host in storm.hosts:
        assert len(said(host)) == storm.lines
        assert output(storm.items, host) == said(host), storm.trouble


PAGES = pytest.mark.parametrize("page", ["looked at", "offline", "asleep"])


@PAGES
def test_the_client_of_our_pages_got_every_event_once_and_in_order(
    storm: Aftermath, page: str
) -> None:
    followed = storm.pages[page]
    assert followed.told == storm.story(), storm.trouble
    assert (followed.link["gaps"], followed.link["doubles"]) == (0, 0), storm.trouble


@PAGES
def test_a_page_shows_every_line_once_and_knows_that_nothing_was_lost(
    storm: Aftermath, page: str
) -> None:
    followed = storm.pages[page]
    assert followed.lines == dict(enumerate(said(followed.host), 1)), storm.trouble
    resuming = "reconnecting, nothing lost, resuming at #"
    assert any(badge.startswith(resuming) for badge in followed.badges), followed.badges
    gaps = [badge for badge in followed.badges if "gap" in badge]
    assert gaps == [], storm.trouble
