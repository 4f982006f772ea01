"""R35, R51: whole jobs on hosts with dropbear and busybox: no SFTP, no bash, no GNU tools."""

import os
import signal
from collections.abc import Iterator

import pytest

from deploy_tasks import failpoints, orders
from deploy_tasks.models import Game
from deploy_tasks.runner import following
from tests.dropbears import Dropbears, dropbears
from tests.faults.crew import Crew, Nursery
from tests.faults.host.slow import followers, start_and_wait
from tests.faults.jobs import RECIPE, is_working, make_game, mira, start, wait_for_end
from tests.faults.world import assert_world_ok, started
from tests.waiting import until

pytestmark = [pytest.mark.ssh, pytest.mark.django_db(transaction=True)]


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Dropbears]:
    """More of them than their server lets in at a time."""
    yield from dropbears(tmp_path_factory.mktemp("small") / "fleet", 8)


@pytest.fixture
def game(small: Dropbears, nobody: None, transactional_db: None) -> Game:
    return make_game(small, RECIPE)


def test_a_fleet_is_updated_and_what_failed_is_retried(
    game: Game, small: Dropbears, crew: Crew
) -> None:
    crew.start()
    broken = small.hosts[3]
    (broken.home / "broken").touch()
    job = start(game, rollout={"canary": 0, "max_failed": 1})
    wait_for_end(job, "failed", seconds=60)
    failed = job.host_runs.get(state="failed")
    assert (failed.name, failed.error) == (
        broken.name,
        "step “work” ended with exit status 2",
    )
    assert job.host_runs.filter(state="succeeded").count() == 7
    assert_world_ok(small, job, left_behind=["dropbear"])
    (broken.home / "broken").unlink()
    orders.retry(job, by=mira())
    wait_for_end(job, "succeeded")
    assert all((host.home / "version").read_text() == "2.0\n" for host in small.hosts)
    assert_world_ok(small, job, repeated={"work", "tidy"}, left_behind=["dropbear"])


def test_a_cancel_ends_what_runs_and_takes_it_back(
    game: Game, small: Dropbears, crew: Crew
) -> None:
    crew.start()
    some = small.hosts[:3]
    for host in some:
        (host.home / "slow").touch()
        (host.home / "version").write_text("1.0\n")
    job = start(game, *some, rollout={"canary": 0})
    until(lambda: is_working(*some), "they work")
    orders.cancel(job, by=mira())
    wait_for_end(job, "cancelled")
    assert set(job.host_runs.values_list("state", flat=True)) == {"rolled_back"}
    # Stopped, begun, both taken back, and tidied up.
    assert [sum(started(host).values()) for host in some] == [5, 5, 5]
    assert_world_ok(small, job, left_behind=["dropbear"])


def test_a_follower_that_is_killed_as_its_plan_ends_leaves_nothing_behind(
    game: Game, small: Dropbears, crew: Crew
) -> None:
    """The last question cannot be answered any more, and is not waited for."""
    crew.start()
    host = small.hosts[0]
    (host.home / "slow").touch()
    run = start_and_wait(game, host)
    failpoints.at("plan.through", lambda: os.kill(followers(run, host)[0], signal.SIGKILL))
    (host.home / "go").touch()
    wait_for_end(run.job, "succeeded", seconds=following.SUM_LIMIT / 2)
    assert_world_ok(small, run.job, left_behind=["dropbear"])


def test_a_question_that_hangs_ends_with_its_connection(small: Dropbears, crew: Crew) -> None:
    """Its processes are in the group of their connection's dropbear, which is not ours to end."""
    host = small.hosts[0]
    game = make_game(small, RECIPE.replace("current: ", "current: touch asked; sleep 60; "))
    crew.start()
    job = start(game, host)
    until((host.home / "asked").exists, "it is asked")
    orders.cancel(job, by=mira())
    wait_for_end(job, "cancelled")
    assert_world_ok(small, job, left_behind=["dropbear"])


@pytest.mark.slow
def test_cut_connections_and_a_killed_worker_cost_nothing(
    game: Game, small: Dropbears, crew: Crew, nursery: Nursery
) -> None:
    some = small.hosts[:4]
    for host in some:
        (host.home / "slow").touch()
    job = start(game, *some, rollout={"canary": 0})
    worker = nursery.worker()
    until(lambda: is_working(*some), "they work")
    small.cut()
    worker.end()
    for host in some:
        (host.home / "go").touch()
    crew.start()
    wait_for_end(job, "succeeded")
    assert_world_ok(small, job, left_behind=["dropbear"])
