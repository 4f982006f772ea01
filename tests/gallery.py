"""``bin/in-venv --dev python -m tests.gallery DIRECTORY``: pictures of a job's page to look at, of
3, 500 and 5,000 hosts, light and dark, wide and narrow; says how long each took to be of use.

Hosts and their story are made up; nothing is reached. Needs Chromium.
"""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

os.environ["DJANGO_SETTINGS_MODULE"] = "tests.settings"
import django

django.setup()

from django.core.management import call_command  # noqa: E402
from django.db import connection  # noqa: E402
from playwright.sync_api import Browser, sync_playwright  # noqa: E402

from deploy_tasks.models import Job  # noqa: E402
from deploy_tasks.states import JobState  # noqa: E402
from tests import factories, scenes, waiting  # noqa: E402
from tests.browser import Tab, launch, serving  # noqa: E402
from webapp import valkey  # noqa: E402

#: Until then the page is of use: every host shows, the log is open, the sockets are up.
READY = """
() => document.querySelector('#link').classList.contains('live')
  && document.querySelector('#log:not([hidden]) summary') !== null
  && document.querySelectorAll('#map .sq, #table tbody tr').length > 0
"""
LOOKS: list[tuple[str, dict[str, Any]]] = [
    ("light", {"color_scheme": "light"}),
    ("dark", {"color_scheme": "dark"}),
    ("light-360", {"color_scheme": "light", "viewport": {"width": 360, "height": 800}}),
    ("dark-360", {"color_scheme": "dark", "viewport": {"width": 360, "height": 800}}),
    ("light-1920", {"color_scheme": "light", "viewport": {"width": 1920, "height": 1080}}),
]


def main(directory: Path) -> None:
    directory.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="patchwave-gallery-") as place:
        database, socket = Path(place) / "db.sqlite3", Path(place) / "valkey.sock"
        connection.settings_dict["NAME"] = str(database)
        os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "1"
        call_command("migrate", verbosity=0)
        jobs = list(_jobs())
        with subprocess.Popen(valkey.command(socket), stdout=subprocess.DEVNULL) as bells:
            waiting.until(socket.is_socket, "Valkey listens")
            with (
                serving(str(database), socket, Path(place) / "daphne.out") as site,
                sync_playwright() as playwright,
            ):
                browser = launch(playwright)
                for name, job in jobs:
                    _shoot(browser, site, name, job, directory)
                browser.close()
            bells.terminate()


def _jobs() -> Iterator[tuple[str, Job]]:
    yield "running-500", scenes.midway(scenes.game("paper", hosts=500))
    yield "running-3", scenes.midway(scenes.game("squid", hosts=3, prefix="s-"), done=0.7)
    over = scenes.game("ark", hosts=40, prefix="a-")
    yield "failed-40", scenes.midway(over, state=JobState.FAILED)
    halted = scenes.game("rust", hosts=200, prefix="r-")
    yield "halted-200", scenes.midway(halted, state=JobState.HALTED, done=0.2)
    yield "running-5000", scenes.midway(scenes.game("mine", hosts=5000, prefix="m-"))


def _shoot(browser: Browser, site: str, name: str, job: Job, directory: Path) -> None:
    user = factories.user(f"viewer-of-{name}", is_superuser=True)
    for look, options in LOOKS:
        tab = Tab(browser, site, user, **options)
        begun = time.monotonic()
        tab.page.goto(f"/jobs/{job.pk}/", wait_until="commit")
        if job.state == JobState.FAILED:
            tab.page.wait_for_selector("#log:not([hidden]) summary")
        else:
            tab.page.wait_for_function(READY)
        took = time.monotonic() - begun
        print(f"{name} {look}: of use after {took:.2f} s, {tab.heap / 1e6:.1f} MB", flush=True)
        tab.page.wait_for_timeout(1500)
        tab.page.screenshot(path=directory / f"{name}-{look}.png")
        tab.page.screenshot(path=directory / f"{name}-{look}-whole.png", full_page=True)
        for complaint in tab.complaints():
            print("  ", complaint)
        tab.context.close()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
