"""``bin/in-venv --dev python -m demo.pictures docs/job.png``: the pictures of the README, light and
dark (``docs/job-dark.png``), taken of a demo as it runs. Needs Chromium.
"""

import contextlib
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

from playwright.sync_api import Page, sync_playwright

from demo.fleet import Fleet
from demo.instance import Instance
from demo.main import Show
from demo.world import World
from webapp.cli.client import Client
from webapp.cli.story import Story

PORT = 8099
HOSTS = 12
SIZE = {"width": 1440, "height": 860}


def main(file: Path) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    with (
        Instance(PORT) as instance,
        Fleet(instance.home / "fleet", HOSTS, name="eu") as fleet,
    ):
        world = World(fleet)
        instance.fill(world.write_inventory())
        world.start_games()
        instance.start()
        with Client(instance.address, instance.token) as client, _page(instance) as page:
            show = Show(instance, world, client)
            show.begin()
            page.goto(f"{instance.address}/jobs/{show.job}/")
            _wait_for_the_failure(client, show.job, page)
            page.screenshot(path=file)
            page.emulate_media(color_scheme="dark")
            page.wait_for_timeout(1000)  # colours go over slowly
            page.screenshot(path=file.with_stem(f"{file.stem}-dark"))


def _wait_for_the_failure(client: Client, job: int, page: Page) -> None:
    """With the host that failed opened, and the others still at work."""
    items = Story(client, job).items()
    failed = next(item for item in items if item["k"] == "host" and item.get("to") == "failed")
    page.locator(f"#table tr[data-host='{failed['h']}']").get_by_role("button").click()
    page.evaluate("scrollTo(0, 0)")
    page.wait_for_timeout(3000)


@contextlib.contextmanager
def _page(instance: Instance) -> Iterator[Page]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium"), args=["--no-sandbox", "--disable-gpu"]
        )
        page = browser.new_page(viewport=SIZE)  # type: ignore[arg-type]
        page.goto(f"{instance.address}/login")
        page.get_by_label("User").fill(instance.user)
        page.get_by_label("Password").fill(instance.password)
        page.get_by_role("button", name="Log in").click()
        page.wait_for_url(f"{instance.address}/")
        yield page
        browser.close()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
