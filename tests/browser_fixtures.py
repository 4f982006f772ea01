"""A browser, a site and somebody's tab, for the tests of pages."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from django.db import connection
from playwright.sync_api import Browser, expect, sync_playwright

from deploy_tasks.models import Job
from tests import factories, scenes
from tests.browser import Tab, launch, serving


@pytest.fixture(scope="session")
def site(
    django_db_setup: None, valkey_socket: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[str]:
    """The address of a web process on the database of these tests."""
    said = tmp_path_factory.mktemp("site") / "daphne.out"
    with serving(str(connection.settings_dict["NAME"]), valkey_socket, said) as address:
        yield address


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    """Its driver runs a loop in this thread; the rows of a test may be used all the same."""
    with pytest.MonkeyPatch.context() as patch, sync_playwright() as playwright:
        patch.setenv("DJANGO_ALLOW_ASYNC_UNSAFE", "1")
        expect.set_options(timeout=45_000)  # milliseconds; other tests run beside these
        browser = launch(playwright)
        yield browser
        browser.close()


@pytest.fixture
def tab(chromium: Browser, site: str, valkey: str) -> Iterator[Tab]:
    made = Tab(chromium, site, factories.user("boss", is_superuser=True, is_staff=True))
    yield made
    made.context.close()


@pytest.fixture
def small(tab: Tab) -> Job:
    """A job of five hosts, half of them through."""
    return scenes.midway(scenes.game("squid", hosts=5), done=0.5)
