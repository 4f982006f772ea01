"""What every test may ask for. The settings of a run are in tests/settings.py."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis
from django.contrib.auth.models import User
from pytest_django import Settings

from deploy_tasks.models import Game
from tests import factories, waiting
from webapp import differs, failures, guessing, lately, usual
from webapp import valkey as embedded

pytest_plugins = ["tests.fleet_fixtures", "tests.watching_fixtures", "tests.browser_fixtures"]

FAR = {"ssh", "browser", "e2e"}


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """``rows``: what uses the database and nothing outside; bin/test runs it on PostgreSQL too.

    ``slow`` is run where it is asked for by that name, and never else.
    """
    if "slow" not in config.option.markexpr:
        config.hook.pytest_deselected(items=[item for item in items if _is_slow(item)])
        items[:] = [item for item in items if not _is_slow(item)]
    for item in items:
        marks = {mark.name for mark in item.iter_markers()}
        if "django_db" in marks and not marks & FAR:
            item.add_marker("rows")


def _is_slow(item: pytest.Item) -> bool:
    return item.get_closest_marker("slow") is not None


@pytest.fixture(autouse=True)
def nobody_has_guessed() -> None:
    for guesses in guessing.ALL:
        guesses.forget()


@pytest.fixture(autouse=True)
def nothing_is_kept() -> None:
    """Of another test's host runs, which had the same numbers."""
    for kept in (failures._kept, lately._causes, differs._compared, usual._shapes):
        kept.cache_clear()


@pytest.fixture
def squid(db: None) -> Game:
    """A game that has nothing yet: no release, no host."""
    return factories.game("squid")


@pytest.fixture
def mira(db: None) -> User:
    """Somebody without any role."""
    return factories.user("mira")


@pytest.fixture(scope="session")
def valkey_socket(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    socket = tmp_path_factory.mktemp("valkey") / "valkey.sock"
    with subprocess.Popen(embedded.command(socket), stdout=subprocess.DEVNULL) as server:
        waiting.until(socket.is_socket, "Valkey listens")
        yield socket
        server.terminate()


@pytest.fixture
def valkey(valkey_socket: Path, settings: Settings) -> str:
    """The URL of a real Valkey, empty, that carries the channel layer during this test."""
    url = f"unix://{valkey_socket}"
    with redis.Redis.from_url(url) as client:
        client.flushall()
    settings.CHANNEL_LAYERS = {
        "default": {
            "BACKEND": "channels_redis.pubsub.RedisPubSubChannelLayer",
            "CONFIG": {"hosts": [f"{url}?db=0"]},
        }
    }
    return url
