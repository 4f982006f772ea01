"""Behind the real nginx, with the configuration that we ship: where this product comes from.

nginx gives up on a silent answer after 60 s; here after 5, so that a job of 20 s is a long one.
"""

import contextlib
import json
import re
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect, sync_playwright

from demo import openssh, toy_game
from demo.fleet import Fleet
from tests.e2e.nginx import NGINX
from tests.e2e.site import READ_TIMEOUT, Site
from tests.e2e.test_page import ARGUMENTS, CHROMIUM

GAVE_UP = {"499", "502", "504"}
LINES = 60
RECIPE = f"""
recipe: long
vars: {{root: {{type: path, required: true}}}}
steps:
  - name: talk
    run: |
      line=0
      until [ $line -ge {LINES} ]; do
        line=$((line + 1))
        echo "line $line of $host"
        [ $line -ne {LINES // 2} ] || sleep {READ_TIMEOUT + 3}
        sleep 0.2
      done
"""
pytestmark = [
    pytest.mark.e2e,
    pytest.mark.skipif(not NGINX, reason="nginx is not installed (Debian package nginx-light)"),
    pytest.mark.skipif(not CHROMIUM, reason="chromium is not installed"),
    pytest.mark.skipif(not openssh.usable(), reason="sshd is not installed"),
]


def test_a_long_job_streams_to_its_end_and_no_request_is_given_up(
    site: Site, tmp_path: Path
) -> None:
    site.forget()
    with Fleet(tmp_path / "fleet", 2) as fleet:
        (recipe := tmp_path / "long.yml").write_text(RECIPE)
        inventory = fleet.write_inventory(
            tmp_path / "inventory.yml",
            game="long",
            recipe=str(recipe),
            releases=[("1.0", toy_game.build_release(tmp_path, "1.0"))],
            vars={"root": "$home"},
        )
        site.local("import", str(inventory))
        with site.cli("start", "long", "1.0", "--all", "--json") as started:
            job = json.loads(started.communicate(timeout=60)[0])["id"]
        with (
            site.cli("watch", str(job), "--output", "--json") as watching,
            _page(site, job) as page,
        ):
            beside = threading.Thread(target=site.get, args=("/inside/",), kwargs={"within": 20})
            beside.start()
            assert site.get("/inside/", within=1) is None
            out, _err = watching.communicate(timeout=60)
            assert watching.returncode == 0
            expect(page.locator("#log .lines li", has_text=f"line {LINES} of")).to_be_visible()
            expect(page.locator("#link")).to_contain_text("all told")
            beside.join()
            # Before the browser is closed, on whatever it is just asking for.
            _expect_none_given_up(site, job)

    _expect_whole(out, [host.name for host in fleet.hosts])
    sockets = site.ends(f"/ws/jobs/{job}/")
    # Both were cut in the silence, and came back.
    assert set(sockets) == {"101"}
    assert len(sockets) >= 4


def test_a_stranger_gets_past_no_lock_by_what_it_says_of_itself(site: Site) -> None:
    """S18, S10: nginx says who really came, whatever a client claims."""
    answers = [
        site.sent(
            "POST",
            "/login",
            b"username=root&password=no",
            **{"X-Forwarded-For": f"9.9.9.{n}"},
        )
        for n in range(30)
    ]
    # Without the page's token not even a guess is looked at.
    assert {status for status, _headers in answers} == {403}
    tries = [_guess(site, f"user-{n}", f"203.0.113.{n}") for n in range(25)]
    assert tries[-1] == 429


def test_what_is_answered_is_for_this_site_and_for_tls_alone(site: Site) -> None:
    status, headers = site.sent("GET", "/login")
    assert status == 200
    assert "max-age=31536000" in headers["Strict-Transport-Security"]
    assert "unsafe" not in headers["Content-Security-Policy"]
    assert all("Secure" in cookie for cookie in headers.get_all("Set-Cookie", []))
    assert "Server" not in headers or "daphne" not in headers["Server"].lower()
    for name, value in (("X-Forwarded-Host", "evil.example"), ("X-Forwarded-Proto", "http")):
        assert site.sent("GET", "/", **{name: value})[1]["Location"] == "/login?next=/"
    assert site.sent("GET", "/login", Host="evil.example")[0] in (400, 404, 421)


@pytest.mark.parametrize(
    "origin", ["https://evil.example", "http://{here}", "https://{host}:1", "null"]
)
def test_s03_a_socket_of_another_site_is_refused_through_nginx(site: Site, origin: str) -> None:
    here = site.address.removeprefix("https://")
    headers = {
        "Connection": "Upgrade",
        "Upgrade": "websocket",
        "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": "AAAAAAAAAAAAAAAAAAAAAA==",
        "Origin": origin.format(here=here, host=here.split(":")[0]),
        "Cookie": f"patchwave-session-{site.port}=made-up",
    }
    assert site.sent("GET", "/ws/jobs/1/", **headers)[0] == 403


def test_static_files_come_from_nginx_after_the_first_time(site: Site) -> None:
    css = re.search(r'href="(/static/[^"]+\.css)"', _text(site, "/"))
    assert css
    assert [site.get(css[1], within=5) for _ in range(2)] == [200, 200]
    assert any((site.at / "cache").iterdir())


def _expect_none_given_up(site: Site, job: int) -> None:
    # This nginx does give up on what it is made to wait for …
    assert sorted(site.ends("/inside/")) == ["499", "504"]
    # … and on nothing of ours.
    ours = {path: site.ends(path) for path in site.paths() if path != "/inside/"}
    assert {path for path, ends in ours.items() if GAVE_UP & set(ends)} == set()
    assert f"/api/v1/jobs/{job}" in ours


def _guess(site: Site, name: str, claimed: str) -> int:
    """As a page would send it, with the token of its form."""
    _status, headers = site.sent("GET", "/login")
    (cookie,) = re.findall(r"(patchwave-csrf-\d+)=(\w+)", str(headers))
    body = f"username={name}&password=wrong&csrfmiddlewaretoken={cookie[1]}".encode()
    more = {
        "Content-Type": "application/x-www-form-urlencoded",
        "Cookie": "=".join(cookie),
        "Referer": f"{site.address}/login",
        "X-Forwarded-For": claimed,
    }
    return site.sent("POST", "/login", body, **more)[0]


def _expect_whole(out: str, hosts: list[str]) -> None:
    """Every line of every host, once and in order, and no hole in the story."""
    items: list[dict[str, Any]] = [json.loads(line) for line in out.splitlines()]
    assert [item["s"] for item in items] == list(range(1, len(items) + 1))
    assert items[-1] | {"at": ""} == {"s": len(items), "k": "job", "to": "succeeded", "at": ""}
    for name in hosts:
        text = "".join(item["d"] for item in items if item["k"] == "output" and item["h"] == name)
        assert text.splitlines() == [f"line {n} of {name}" for n in range(1, LINES + 1)]


@contextlib.contextmanager
def _page(site: Site, job: int) -> Iterator[Page]:
    """The job's page, with the output of its first host."""
    found = re.search(r"Log in as (\S+) with the password (\S+)", site.instance.said)
    assert found is not None
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        page = browser.new_context(ignore_https_errors=True).new_page()
        page.set_default_timeout(30_000)
        page.goto(f"{site.address}/jobs/{job}/")
        page.get_by_label("User").fill(found[1])
        page.get_by_label("Password").fill(found[2])
        page.get_by_role("button", name="Log in").click()
        page.locator("#table tr[data-host]").first.get_by_role("button").click()
        yield page
        browser.close()


def _text(site: Site, path: str) -> str:
    handler = urllib.request.HTTPSHandler(context=site.trust)
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), handler)
    with opener.open(f"{site.address}{path}", timeout=10) as answer:
        return str(answer.read().decode())
