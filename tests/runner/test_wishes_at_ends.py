"""Cancels and pauses of what is taken back, and of last things."""

import pytest

from demo.fleet import Fleet, FleetHost
from deploy_tasks import orders
from deploy_tasks.models import Game, HostRun, Job
from deploy_tasks.states import Pause
from tests.faults.jobs import mira, start
from tests.runner.world import Worker, count, ended
from tests.waiting import until

pytestmark = [pytest.mark.ssh, pytest.mark.django_db(transaction=True)]

#: Whatever has a file of its name lasts until that is gone.
LASTING = """\
recipe: lasting
on_failure: undo
steps:
  - {name: stop, run: echo stop >>count, undo: echo undo-stop >>count}
  - name: switch
    run: "echo switch >>count; test ! -e broken"
    undo: "echo undo-switch >>count; while [ -e undo-switch ]; do sleep .05; done"
  - {name: tidy, always: true, run: "echo tidy >>count; while [ -e tidy ]; do sleep .05; done"}
  - {name: say, always: true, run: echo say >>count}
"""


@pytest.fixture
def host(game: Game, fleet: Fleet, workers: list[Worker]) -> FleetHost:
    game.recipe.revisions.create(number=7, text=LASTING, sha256="7" * 64)
    return fleet.hosts[0]


def at(game: Game, host: FleetHost, *there: str, until_it: str) -> Job:
    """A job that has come to what lasts."""
    for name in (*there, until_it):
        (host.home / name).touch()
    job = start(game, host)
    until(lambda: count(host)[-1:] == [until_it], "it comes to what lasts")
    return job


def heard(job: Job, workers: list[Worker]) -> None:
    """Its worker knows what is wished."""

    def look() -> bool:
        run = job.host_runs.get()
        carriage = workers[-1].keeper._carriages.get(run.pk)
        return carriage is not None and carriage.wish == run.wish != ""

    until(look, "its worker has heard of it")


def another(workers: list[Worker]) -> None:
    workers[-1].stop()
    workers.append(Worker())


def finish(job: Job, state: str) -> HostRun:
    until(ended(job, state), f"the job is {state}")
    return job.host_runs.get()


def test_who_cancels_what_is_taken_back_has_it_taken_back_to_its_end(
    game: Game, host: FleetHost, workers: list[Worker]
) -> None:
    job = at(game, host, "broken", until_it="undo-switch")
    orders.cancel(job, by=mira())
    heard(job, workers)
    (host.home / "undo-switch").unlink()
    assert finish(job, "cancelled").state == "rolled_back"
    assert count(host) == ["stop", "switch", "undo-switch", "undo-stop", "tidy", "say"]


@pytest.mark.parametrize("dies", [False, True])
def test_who_leaves_what_was_done_ends_that_it_is_taken_back(
    game: Game, host: FleetHost, workers: list[Worker], dies: bool
) -> None:
    job = at(game, host, "broken", until_it="undo-switch")
    if dies:
        workers[-1].stop()
    orders.cancel(job, by=mira(), undo=False)
    if dies:
        workers.append(Worker())
    plan = host.home / ".patchwave/runs" / job.host_runs.get().plan
    until((plan / "cancel").exists, "the host has heard of it")
    (host.home / "undo-switch").unlink()
    run = finish(job, "cancelled")
    assert run.error == "step “switch” ended with exit status 1; left to undo by hand: stop"
    assert count(host) == ["stop", "switch", "undo-switch", "tidy", "say"]


def test_force_can_be_used_once_more(game: Game, host: FleetHost, workers: list[Worker]) -> None:
    (host.home / "tidy").touch()
    job = at(game, host, until_it="tidy")
    (host.home / "undo-switch").touch()
    orders.cancel(job, by=mira(), force=True)
    until(lambda: count(host)[-1] == "undo-switch", "what ran was ended, and all is taken back")
    orders.cancel(job, by=mira(), force=True)
    assert "undoing: step “switch” was ended by a cancel" in finish(job, "cancelled").error
    assert count(host) == ["stop", "switch", "tidy", "undo-switch", "say"]


def test_a_cancel_ends_no_last_thing(game: Game, host: FleetHost, workers: list[Worker]) -> None:
    job = at(game, host, until_it="tidy")
    orders.cancel(job, by=mira())
    heard(job, workers)
    (host.home / "tidy").unlink()
    assert finish(job, "succeeded").state == "succeeded"
    assert count(host) == ["stop", "switch", "tidy", "say"]


def test_whoever_ends_it_takes_back_what_was_decided_when_it_failed(
    game: Game, host: FleetHost, workers: list[Worker]
) -> None:
    text = LASTING.replace("on_failure: undo", "on_failure: stop")
    game.recipe.revisions.create(number=8, text=text, sha256="8" * 64)
    job = at(game, host, "broken", until_it="tidy")
    orders.cancel(job, by=mira())
    another(workers)
    (host.home / "tidy").unlink()
    assert finish(job, "cancelled").state == "failed"
    assert count(host) == ["stop", "switch", "tidy", "say"]


def going_back(game: Game, host: FleetHost) -> Job:
    """A rollback that undoes the first of two steps."""
    job = start(game, host)
    until(ended(job, "succeeded"), "it is updated")
    (host.home / "count").unlink()
    (host.home / "undo-switch").touch()
    back, _ = orders.rollback(job, by=mira())
    until(lambda: count(host) == ["undo-switch"], "it goes back")
    return back


def test_a_rollback_that_is_cancelled_goes_no_further(
    game: Game, host: FleetHost, workers: list[Worker]
) -> None:
    back = going_back(game, host)
    orders.cancel(back, by=mira())
    until(lambda: back.host_runs.get().activity == "cancelling", "its host has heard of it")
    (host.home / "undo-switch").unlink()
    assert finish(back, "cancelled").state == "cancelled"
    assert count(host) == ["undo-switch", "tidy", "say"]
    orders.retry(back, by=mira())
    finish(back, "succeeded")
    assert count(host)[3:] == ["undo-stop"]


@pytest.mark.parametrize("dies", [False, True])
def test_a_rollback_can_be_paused_between_two_steps(
    game: Game, host: FleetHost, workers: list[Worker], dies: bool
) -> None:
    back = going_back(game, host)
    orders.pause(back, by=mira(), after=Pause.STEP)
    until(lambda: back.host_runs.get().activity == "pausing", "its host has heard of it")
    if dies:
        another(workers)
    (host.home / "undo-switch").unlink()
    until(lambda: back.host_runs.get().state == "paused", "it stands still")
    assert count(host) == ["undo-switch"]
    orders.resume(back, by=mira())
    finish(back, "succeeded")
    assert count(host)[1:] == ["undo-stop", "tidy", "say"]


def test_a_rollback_tells_once_what_is_left(
    game: Game, host: FleetHost, workers: list[Worker]
) -> None:
    text = LASTING.replace("echo undo-stop >>count", "exit 3")
    game.recipe.revisions.create(number=8, text=text, sha256="8" * 64)
    back = going_back(game, host)
    for name in ("tidy", "undo-switch"):
        (host.home / name).touch()
    (host.home / "undo-switch").unlink()
    until(lambda: count(host)[-1] == "tidy", "it does its last things")
    another(workers)
    (host.home / "tidy").unlink()
    assert finish(back, "failed").error == (
        "undoing: step “stop” ended with exit status 3; left to undo by hand: stop"
    )
