"""Cancels and pauses of what runs."""

import pytest

from demo.fleet import Fleet
from deploy_tasks import orders
from deploy_tasks.models import Game
from tests import factories
from tests.faults.jobs import mira, start
from tests.runner.world import Worker, count, ended, paused_at_work
from tests.waiting import until
from webapp import failures

pytestmark = [pytest.mark.ssh, pytest.mark.django_db(transaction=True)]


def test_a_cancel_ends_what_runs_and_starts_nothing_more(
    game: Game, fleet: Fleet, workers: list[Worker]
) -> None:
    for host in fleet.hosts:
        (host.home / "slow").touch()
    job = start(game, rollout={"parallel": 2})
    busy = fleet.hosts[:2]
    until(
        lambda: all(
            (h.home / "count").exists() and "work" in (h.home / "count").read_text() for h in busy
        ),
        "two work",
    )
    orders.cancel(job, by=factories.user("jonas"))
    until(ended(job, "cancelled"), "the job is cancelled")
    assert set(job.host_runs.values_list("state", flat=True)) == {"cancelled"}
    for host in busy:
        assert (host.home / "count").read_text() == f"stop {host.name} \nwork\ntidy\n"
    assert not any((host.home / "count").exists() for host in fleet.hosts[2:])
    assert not job.host_runs.filter(holds_host=True).exists()


def test_a_pause_between_steps_leaves_the_rest_for_later(
    game: Game, fleet: Fleet, workers: list[Worker]
) -> None:
    host = fleet.hosts[0]
    job = paused_at_work(game, host)
    (host.home / "go").touch()
    until(lambda: job.host_runs.get().state == "paused", "it stands still")
    until(ended(job, "paused"), "the job is paused")
    assert count(host) == [f"stop {host.name} ", "work"]
    assert job.host_runs.get().owner == ""
    orders.resume(job, by=mira())
    until(ended(job, "succeeded"), "the job succeeds")
    assert count(host) == [f"stop {host.name} ", "work", "start", "tidy"]


def test_a_pause_that_is_taken_back_before_the_step_has_ended_is_not_felt(
    game: Game, fleet: Fleet, workers: list[Worker]
) -> None:
    host = fleet.hosts[0]
    job = paused_at_work(game, host)
    orders.resume(job, by=mira())
    (host.home / "go").touch()
    until(ended(job, "succeeded"), "the job succeeds")
    assert count(host) == [f"stop {host.name} ", "work", "start", "tidy"]


ONCE = """\
recipe: once
steps:
  - {name: announce, optional: true, repeat: never, run: "echo announce >>count; sleep 60"}
  - {name: work, run: echo work >>count}
"""


def test_a_retry_goes_on_behind_what_a_cancel_ended_and_must_not_be_done_again(
    game: Game, fleet: Fleet, workers: list[Worker]
) -> None:
    game.recipe.revisions.create(number=7, text=ONCE, sha256="7" * 64)
    host = fleet.hosts[0]
    job = start(game, host)
    until(lambda: count(host) == ["announce"], "it announces")
    orders.cancel(job, by=mira(), undo=False)
    until(ended(job, "cancelled"), "the job is cancelled")
    assert failures.again(job, job.host_runs.get().step) == "work", "as the button says"
    orders.retry(job, by=mira())
    until(ended(job, "succeeded"), "the job succeeds")
    assert count(host) == ["announce", "work"]
