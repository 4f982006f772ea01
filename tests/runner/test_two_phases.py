"""Hosts that stage, wait, and switch."""

import pytest

from demo.fleet import Fleet
from deploy_tasks import orders
from deploy_tasks.models import Game, Job
from tests import factories
from tests.faults.jobs import start
from tests.runner.world import Worker, count, ended
from tests.waiting import until

pytestmark = [pytest.mark.ssh, pytest.mark.django_db(transaction=True)]


TWO_PHASES = """\
recipe: phases
current: cat version 2>/dev/null || true
steps:
  - {name: announce, run: echo announce >>count, undo: echo retract >>count}
  - {name: stop, disruptive: true, run: echo stop >>count}
  - {name: switch, run: 'echo switch >>count; echo "$version" >version'}
  - {name: tidy, always: true, run: echo tidy >>count}
"""


@pytest.fixture
def staged(fleet: Fleet, game: Game, workers: list[Worker]) -> Job:
    """A job all of whose hosts wait for the switch."""
    revision = game.recipe.newest()
    game.recipe.revisions.create(number=revision.number + 1, text=TWO_PHASES, sha256="2" * 64)
    job = start(game, rollout={"stage": "ahead"})
    until(ended(job, "paused"), "all hosts are staged")
    return job


def test_a_host_that_waits_for_the_switch_holds_nothing_and_goes_on_when_it_comes(
    staged: Job, fleet: Fleet, workers: list[Worker]
) -> None:
    assert [count(host) for host in fleet.hosts] == [["announce"]] * len(fleet.hosts)
    assert {(run.state, run.owner, run.link) for run in staged.host_runs.all()} == {
        ("staged", "", "")
    }
    until(lambda: not any(t.is_alive() for t in workers[0].threads), "no thread, no connection")
    orders.switch(staged, by=factories.user("jonas"))
    until(ended(staged, "succeeded"), "the job succeeds")
    for host in fleet.hosts:
        assert count(host) == ["announce", "stop", "switch", "tidy"]
    for run in staged.host_runs.all():
        plans = [uid.partition(".")[0] for uid in run.attempts.values_list("uid", flat=True)]
        assert len(set(plans)) == 3, "the second part is a plan of its own, as is the last"


def test_a_staged_host_that_is_left_out_is_taken_back(
    staged: Job, fleet: Fleet, workers: list[Worker]
) -> None:
    left, *others = fleet.hosts
    jonas = factories.user("jonas")
    orders.skip(staged, by=jonas, hosts=[left.name])
    until(lambda: staged.host_runs.filter(state="skipped").exists(), "it is left out")
    run = staged.host_runs.get(name=left.name)
    assert (run.reason, run.holds_host, run.down) == ("left out", False, False)
    assert count(left) == ["announce", "retract", "tidy"]
    orders.switch(staged, by=jonas)
    until(ended(staged, "succeeded"), "the others go on")
    assert count(left) == ["announce", "retract", "tidy"]
    assert all("switch" in count(host) for host in others)


def test_a_cancel_takes_staged_hosts_back(staged: Job, fleet: Fleet, workers: list[Worker]) -> None:
    orders.cancel(staged, by=factories.user("jonas"))
    until(ended(staged, "cancelled"), "the job is cancelled")
    for host in fleet.hosts:
        assert count(host) == ["announce", "retract", "tidy"]
    assert not staged.host_runs.filter(holds_host=True).exists()
