"""What these tests share: one host, and workers without patience."""

import pytest

from demo.fleet import Fleet, FleetHost
from deploy_tasks.models import Game
from deploy_tasks.runner import following
from tests.faults.crew import Crew
from tests.faults.host.slow import make_slow
from tests.faults.jobs import RECIPE


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A silent runner is asked for after a moment, not after seconds."""
    for name in ("ASK_AFTER", "ASK_AGAIN", "CONFIRM_AFTER"):
        monkeypatch.setattr(following, name, 0.2)


@pytest.fixture
def host(fleet: Fleet) -> FleetHost:
    return fleet.hosts[0]


@pytest.fixture
def game(fleet: Fleet, host: FleetHost, crew: Crew, transactional_db: None) -> Game:
    """Its ``work`` waits for ``go``."""
    crew.start()
    return make_slow(fleet, host, RECIPE)
