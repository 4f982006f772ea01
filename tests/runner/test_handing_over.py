"""One worker leaves, or bells come twice or never: the next goes on."""

import time

import pytest

from demo.fleet import Fleet
from deploy_tasks.models import Attempt, Game, HostRun
from deploy_tasks.reconciling import reconcile
from tests.faults.jobs import start
from tests.runner.world import Worker, ended, log
from tests.waiting import until

pytestmark = [pytest.mark.ssh, pytest.mark.django_db(transaction=True)]


def test_a_worker_that_lets_go_leaves_the_step_to_the_next(
    game: Game, fleet: Fleet, workers: list[Worker]
) -> None:
    slow = fleet.hosts[0]
    (slow.home / "slow").touch()
    job = start(game, hosts=[slow.name])
    run = job.host_runs.get()
    until(
        lambda: (slow.home / "count").exists() and "work" in (slow.home / "count").read_text(),
        "it works",
    )
    workers.append(Worker())
    began = time.monotonic()
    workers[0].stop()
    assert time.monotonic() - began < 10
    (slow.home / "go").touch()
    until(ended(job, "succeeded"), "another worker ends it")
    assert (slow.home / "count").read_text() == f"stop {slow.name} \nwork\nstart\ntidy\n"
    assert len(log(run, "work").splitlines()) == 2000
    assert Attempt.objects.filter(host_run=run).count() == 4


def test_a_second_bell_does_nothing(game: Game, fleet: Fleet, workers: list[Worker]) -> None:
    slow = fleet.hosts[0]
    (slow.home / "slow").touch()
    job = start(game, hosts=[slow.name])
    run = job.host_runs.get()
    until(lambda: (slow.home / "count").exists(), "it works")
    workers.append(Worker())
    for worker in workers * 5:
        worker.run_host(run.pk)
    (slow.home / "go").touch()
    until(ended(job, "succeeded"), "the job succeeds")
    assert (slow.home / "count").read_text() == f"stop {slow.name} \nwork\nstart\ntidy\n"
    run.refresh_from_db()
    assert run.fence == 1


def test_a_lost_bell_is_rung_again(game: Game, fleet: Fleet, workers: list[Worker]) -> None:
    workers[0].deaf = True
    job = start(game, hosts=[fleet.hosts[0].name])
    run = job.host_runs.get()
    assert run.state == "queued"
    workers[0].deaf = False
    reconcile()
    run.refresh_from_db()
    assert run.state == "queued"  # it may be on its way still
    HostRun.objects.update(rung_at="2026-01-01T00:00Z")
    reconcile()
    until(ended(job, "succeeded"), "the job succeeds")
