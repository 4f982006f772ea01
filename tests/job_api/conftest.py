"""What the tests of a job by the API share."""

import pytest

from deploy_tasks.models import Game
from tests import factories
from tests.api import Caller, caller
from webapp.models import Role


@pytest.fixture
def squid() -> Game:
    game = factories.game("squid")
    factories.release(game, "2.0")
    return game


@pytest.fixture
def operator(squid: Game) -> Caller:
    return caller("mira", Role.OPERATOR, squid)
