"""What tests of the stream start from: a story, somebody who may see it, no Valkey."""

import threading
from collections.abc import Iterator

import pytest
from django.contrib.auth.models import User
from django.db import connection
from pytest_django import Settings

from tests.stories import Story, person
from tests.watching import HERE, Headers, browser
from webapp import rows, stream
from webapp.models import Role


@pytest.fixture
def story() -> Story:
    return Story()


@pytest.fixture
def vera(story: Story) -> User:
    """A viewer of the story's game."""
    return person("vera", game=story.job.game, role=Role.VIEWER)


@pytest.fixture
def cookies(vera: User) -> Headers:
    return browser(vera)


@pytest.fixture
def a_layer_in_memory(settings: Settings) -> None:
    settings.CHANNEL_LAYERS = {"default": {"BACKEND": "channels.layers.InMemoryChannelLayer"}}
    settings.SITE_ORIGIN = HERE


@pytest.fixture
def quick_polls(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream, "POLL", 0.05)


@pytest.fixture(scope="session", autouse=True)
def _threads_let_go_of_the_database(django_db_setup: None) -> Iterator[None]:
    """PostgreSQL removes no database that somebody is connected to."""
    yield
    everybody = threading.Barrier(rows.THREADS)

    def close() -> None:
        everybody.wait(10)
        connection.close()

    for closed in [rows._threads.submit(close) for _ in range(rows.THREADS)]:
        closed.result()
