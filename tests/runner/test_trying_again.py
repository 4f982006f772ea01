"""New attempts of a step by themselves, and since when its failures are counted."""

import pytest

from demo.fleet import Fleet, FleetHost
from deploy_tasks import orders
from deploy_tasks.models import Game
from tests.faults.jobs import mira, start
from tests.runner.world import Worker, count, ended
from tests.waiting import until

pytestmark = [pytest.mark.ssh, pytest.mark.django_db(transaction=True)]

TWICE = """\
recipe: twice
steps:
  - {name: look, run: test ! -e blind}
  - {name: work, retries: {times: 1, delay: 1s}, run: "echo work >>count; test ! -e broken"}
"""


@pytest.fixture
def broken(game: Game, fleet: Fleet, workers: list[Worker]) -> FleetHost:
    game.recipe.revisions.create(number=7, text=TWICE, sha256="7" * 64)
    host = fleet.hosts[0]
    (host.home / "broken").touch()
    return host


def test_a_retry_of_its_host_lets_a_step_fail_as_often_again(game: Game, broken: FleetHost) -> None:
    job = start(game, broken)
    until(ended(job, "failed"), "it has failed twice")
    orders.retry(job, by=mira())
    until(ended(job, "failed"), "it has failed twice again")
    assert count(broken) == ["work"] * 4


def test_a_retry_of_another_host_does_not(game: Game, broken: FleetHost, fleet: Fleet) -> None:
    blind = fleet.hosts[1]
    (blind.home / "blind").touch()
    job = start(game, broken, blind)
    failed = job.host_runs.filter(state="failed")
    until(lambda: count(broken) and failed.filter(name=blind.name), "both have failed once")
    orders.retry(job, by=mira(), hosts=[blind.name])
    until(ended(job, "failed"), "the job fails")
    assert count(broken) == ["work"] * 2
