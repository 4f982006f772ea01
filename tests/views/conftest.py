"""What the tests of pages share."""

import pytest
from django.contrib.auth.models import User

from deploy_tasks.models import Game
from tests import factories, scenes
from tests.stories import person
from webapp.models import Role


@pytest.fixture
def squid() -> Game:
    game = factories.game("squid", text=scenes.RECIPE)
    factories.release(game, "1.0")
    factories.release(game, "2.0")
    for name, region in (("eu-1", "eu"), ("eu-2", "eu"), ("us-1", "us")):
        factories.host(game, name, labels={"region": region})
    return game


@pytest.fixture
def bells(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, int]]:
    """What was rung: there is no broker here."""
    rung: list[tuple[str, int]] = []
    monkeypatch.setattr(
        "deploy_tasks.bells._ring",
        lambda task, messages: rung.extend((task, one) for (one,) in messages),
    )
    return rung


@pytest.fixture
def operator(squid: Game) -> User:
    return person("olga", game=squid, role=Role.OPERATOR)


@pytest.fixture
def viewer(squid: Game) -> User:
    return person("vera", game=squid, role=Role.VIEWER)
