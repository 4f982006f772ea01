"""A real Chromium, and a web process for it to look at."""

import contextlib
import os
import shutil
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.contrib.auth.models import User
from django.test import Client
from playwright.sync_api import Browser, Page, Playwright, expect

from deploy_tasks.models import Job
from tests import waiting
from tests.instances import free_port
from webapp.env import BASE

CHROMIUM = shutil.which("chromium") or ""
#: Of a file of tests in a browser.
MARKS = [
    pytest.mark.browser,
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif(not CHROMIUM, reason="chromium is not installed"),
]
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
VIOLATIONS = """
window.violations = [];
document.addEventListener("securitypolicyviolation", (event) => {
  window.violations.push(`${event.violatedDirective} ${event.blockedURI} ${event.sourceFile}`);
});
"""


def launch(playwright: Playwright) -> Browser:
    return playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)


@contextlib.contextmanager
def serving(database: str, valkey: Path, said: Path) -> Iterator[str]:
    """The address of a web process on a database, with bells over the Valkey at that socket.

    What it says goes to the file ``said``.
    """
    address = f"http://127.0.0.1:{(port := free_port())}"
    environment = os.environ | {
        "DJANGO_SETTINGS_MODULE": "tests.site_settings",
        "TEST_DATABASE": database,
        "TEST_LAYER": f"unix://{valkey}?db=0",
        "TEST_SESSION_COOKIE": settings.SESSION_COOKIE_NAME,
        "PATCHWAVE_HOME": str(settings.HOME),
        "PATCHWAVE_URL": address,
    }
    command = [sys.executable, "-m", "daphne", "-b", "127.0.0.1", "-p", str(port)]
    with (
        said.open("wb") as output,
        subprocess.Popen(
            [*command, "webapp.asgi:application"],
            cwd=BASE,
            env=environment,
            stdout=output,
            stderr=subprocess.STDOUT,
        ) as process,
    ):
        try:
            waiting.until(lambda: alive(address), f"daphne answers: {said}", seconds=30)
            yield address
        finally:
            process.terminate()


def alive(address: str) -> bool:
    try:
        with urllib.request.urlopen(f"{address}/healthz", timeout=2) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


class Tab:
    """A page of somebody who is logged in; remembers what it complained about."""

    def __init__(self, chromium: Browser, site: str, user: User, **options: Any) -> None:
        client = Client()
        client.force_login(user)
        options = {"viewport": {"width": 1440, "height": 900}} | options
        self.context = chromium.new_context(base_url=site, **options)
        name = settings.SESSION_COOKIE_NAME
        self.context.add_cookies([{"name": name, "value": client.cookies[name].value, "url": site}])
        self.context.add_init_script(VIOLATIONS)
        self.page: Page = self.context.new_page()
        self.page.set_default_timeout(45_000)
        self.errors: list[str] = []
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))
        self.page.on(
            "console",
            lambda said: self.errors.append(said.text) if said.type == "error" else None,
        )
        self.under_way: set[str] = set()
        self.page.on("request", lambda request: self.under_way.add(request.url))
        for over in ("requestfinished", "requestfailed"):
            self.page.on(over, lambda request: self.under_way.discard(request.url))

    def complaints(self) -> list[str]:
        return [*self.errors, *self.page.evaluate("window.violations")]

    def open_job(self, job: Job, query: str = "") -> Page:
        self.page.goto(f"/jobs/{job.pk}/{query}")
        try:
            expect(self.page.locator("#link")).to_have_class("badge end live")
        except AssertionError as error:
            error.add_note(f"complaints: {self.complaints()}; under way: {self.under_way}")
            raise
        return self.page

    @property
    def heap(self) -> float:
        """Bytes of the page's own objects, once what is not needed has gone."""
        devtools = self.context.new_cdp_session(self.page)
        devtools.send("HeapProfiler.collectGarbage")
        devtools.send("Performance.enable")
        metrics = devtools.send("Performance.getMetrics")["metrics"]
        return float(next(one["value"] for one in metrics if one["name"] == "JSHeapUsedSize"))
