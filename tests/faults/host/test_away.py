"""Hosts that are away while orders are given."""

import os
import signal
from datetime import timedelta

import pytest

from demo.fleet import Fleet, FleetHost
from demo.processes import gone
from deploy_tasks import clock, commands, failpoints, orders
from deploy_tasks.models import Game, HostRun, Job
from deploy_tasks.runner import contact, story
from tests.faults.crew import Crew
from tests.faults.host.slow import make_slow, slots, start_and_wait, wait_until_unknown
from tests.faults.jobs import RECIPE, make_game, mira, start, wait_for_end
from tests.faults.world import COUNT, assert_world_ok, started
from tests.waiting import until

pytestmark = [pytest.mark.ssh, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def away(
    own_fleet: Fleet, crew: Crew, transactional_db: None, monkeypatch: pytest.MonkeyPatch
) -> HostRun:
    """In the middle of a step; its host, the first one, has gone, and is tried again and again."""
    monkeypatch.setattr(story, "LONGEST_NAP", 0.1)
    host = own_fleet.hosts[0]
    crew.start()
    run = start_and_wait(make_slow(own_fleet, host, RECIPE), host)
    own_fleet.stop(host.group)
    return run


def test_a_cancel_waits_for_a_host_that_is_away(own_fleet: Fleet, away: HostRun) -> None:
    """R54: the wish is kept, and so is the lock."""
    host, run = own_fleet.hosts[0], away
    until(lambda: run.refresh_from_db() or run.link == "unreachable", "it is away")
    orders.cancel(run.job, by=mira(), undo=False)
    until(lambda: run.refresh_from_db() or run.wake_at is not None, "nobody holds a thread for it")
    assert (run.state, run.holds_host) == ("running", True)
    own_fleet.start(host.group)
    wait_for_end(run.job, "cancelled")
    assert_world_ok(own_fleet, run.job)


def test_a_host_that_takes_no_cancel_is_followed_all_the_same(
    game: Game, host: FleetHost, fleet: Fleet, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Such as one whose home cannot be written to any more. What it does is not missed."""
    run = start_and_wait(game, host)
    silent = commands.Program("exec sh", b"{\nexit 75\n}\n")
    monkeypatch.setattr(commands, "cancel", lambda *_, **__: silent)
    asked: list[None] = []
    failpoints.at("wish.sent", lambda: asked.append(None))
    orders.cancel(run.job, by=mira(), undo=False)
    until(lambda: asked, "it is told")
    (host.home / "go").touch()
    wait_for_end(run.job, "succeeded")
    assert_world_ok(fleet, run.job)


def test_a_cancel_does_not_end_the_game_that_a_step_has_started(
    fleet: Fleet, host: FleetHost, crew: Crew
) -> None:
    """R55."""
    text = f"""\
recipe: faults
steps:
  - name: start
    run: |
      {COUNT}
      setsid sh -c 'echo $$ >game; exec sleep 300' >/dev/null 2>&1 &
      touch working
      while :; do sleep .02; done
"""
    crew.start()
    run = start_and_wait(make_game(fleet, text), host)
    until(lambda: (host.home / "game").exists(), "the game is up")
    orders.cancel(run.job, by=mira())
    wait_for_end(run.job, "cancelled")
    game = int((host.home / "game").read_text())
    assert not gone(game)
    assert_world_ok(fleet, run.job, left_behind=["sleep 300"])
    os.kill(game, signal.SIGKILL)


@pytest.mark.parametrize("late", range(6))
def test_a_cancel_and_the_end_of_a_step_may_meet(
    late: int, game: Game, host: FleetHost, fleet: Fleet
) -> None:
    """Whoever comes first, what is told is what was."""
    run = start_and_wait(game, host)
    (host.home / "go").touch()
    until(lambda: len(started(host)) >= 2 + late // 2, "the next step begins")
    job = run.job
    job.refresh_from_db()
    try:
        orders.cancel(job, by=mira(), undo=False)
    except orders.changes.OrderRefused:
        assert late
    until(lambda: is_over(job), "the job ends")
    run.refresh_from_db()
    ran = (host.home / "version").exists()
    done = run.attempts.filter(name="start", state="succeeded").exists()
    assert ran == done
    # One that comes after the last step, and before the end was told, still counts.
    assert job.state == "cancelled" or done
    assert_world_ok(fleet, job)


def test_a_clock_that_is_set_forward_gives_up_no_host_that_is_away(
    own_fleet: Fleet, away: HostRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ours, while it naps between two tries."""
    host, run = own_fleet.hosts[0], away

    def tried() -> int:
        run.refresh_from_db()
        return run.fence if run.wake_at else 0

    until(tried, "it naps")
    before = tried()
    monkeypatch.setattr(clock, "_ahead", timedelta(hours=1))
    until(lambda: tried() > before + 1, "it was tried again, twice")
    assert (run.state, run.link) == ("running", "unreachable")
    own_fleet.start(host.group)
    (host.home / "go").touch()
    wait_for_end(run.job, "succeeded")
    assert_world_ok(own_fleet, run.job)


@pytest.mark.parametrize("then", ["another job", "a retry"])
def test_what_was_given_up_out_of_reach_has_ended_before_anything_else_starts(
    then: str,
    own_fleet: Fleet,
    crew: Crew,
    transactional_db: None,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(story, "LONGEST_NAP", 0.1)
    monkeypatch.setattr(contact, "UNREACHABLE_AFTER", 0.1)
    host = own_fleet.hosts[0]
    crew.start()
    game = make_slow(own_fleet, host, RECIPE)
    run = start_and_wait(game, host)
    until(lambda: run.attempts.filter(log_offset__gte=3014).exists(), "its output is stored")
    own_fleet.stop(host.group)
    wait_until_unknown(run)
    orders.answer(run.job, by=mira(), hosts=[host.name], answer="give_up")
    wait_for_end(run.job, "failed")
    assert_world_ok(own_fleet, run.job, left_behind=["sh", "sleep", "cat"])
    script = int((slots(run, host).parent / "now").read_text().split()[1])
    assert not gone(script)
    # It would go on by itself now, were it not ended first.
    monkeypatch.setattr(contact, "UNREACHABLE_AFTER", 600)
    failpoints.at("unended.quiet", (host.home / "go").touch)
    job = run.job
    if then == "a retry":
        orders.retry(job, by=mira())
    else:
        job = start(game, host)
    own_fleet.start(host.group)
    wait_for_end(job, "succeeded")
    assert gone(script)
    assert started(host)[run.attempts.get(name="start", uid__startswith=run.plan).uid] == 0
    assert (host.home / "started").read_text().count("\n") == {"another job": 6, "a retry": 5}[then]
    assert_world_ok(own_fleet, job, repeated={"work"})


def is_over(job: Job) -> bool:
    job.refresh_from_db()
    return job.state in ("succeeded", "failed", "cancelled")
