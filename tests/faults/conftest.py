"""Workers that can be killed, and a world that is judged at the end."""

from collections.abc import Iterator

import pytest

from demo.fleet import Fleet
from deploy_tasks import bells, failpoints
from deploy_tasks.models import Game
from tests.faults.crew import Broker, Crew, Nursery, hasten
from tests.faults.jobs import RECIPE, make_game


@pytest.fixture(scope="session")
def one_nursery(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Nursery]:
    with Nursery(tmp_path_factory.mktemp("nursery") / "log") as nursery:
        yield nursery


@pytest.fixture
def nursery(one_nursery: Nursery) -> Iterator[Nursery]:
    """Its workers end with the test: one that lived on would have the database of the next."""
    yield one_nursery
    one_nursery.end_all()


@pytest.fixture
def nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    """Bells that the test's own process rings are lost; what is slow to look is in a hurry."""
    monkeypatch.setattr(bells, "app", Broker())
    for module, name, value in hasten():
        monkeypatch.setattr(module, name, value)


@pytest.fixture
def crew(nobody: None) -> Iterator[Crew]:
    """A worker in the test's own process; not started yet."""
    crew = Crew()
    yield crew
    failpoints.disarm()
    crew.stop()


@pytest.fixture
def game(fleet: Fleet, transactional_db: None) -> Game:
    return make_game(fleet, RECIPE)
