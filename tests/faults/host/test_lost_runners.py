"""The runner, its directory or its host are gone under a step."""

import os
import signal
import subprocess
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from demo.fleet import Fleet, FleetHost
from demo.processes import gone
from deploy_tasks import failpoints, orders, owner
from deploy_tasks.models import Event, Game, HostRun
from deploy_tasks.runner import following, story
from deploy_tasks.states import Pause
from tests.faults.crew import Crew
from tests.faults.host.slow import (
    followers,
    kept,
    kill_runner,
    make_slow,
    reboot,
    start_and_wait,
    wait_until_unknown,
    with_repeat,
)
from tests.faults.jobs import RECIPE, make_game, mira, start, wait_for_end
from tests.faults.world import COUNT, assert_world_ok, started
from tests.waiting import until

#: ``work`` may be repeated, and what it has started outlives it.
LEAVES_A_CHILD = with_repeat("safe").replace(
    "touch working", "[ -e child ] || { sleep 60 & echo $! >child; }\n      touch working"
)

pytestmark = [pytest.mark.ssh, pytest.mark.django_db(transaction=True)]


@pytest.mark.parametrize("answer", ["it_ran", "it_did_not_run", "give_up"])
def test_after_a_killed_runner_a_person_decides(
    answer: orders.answering.Answer, game: Game, host: FleetHost, fleet: Fleet
) -> None:
    run = start_and_wait(game, host)
    kill_runner(run, host)
    wait_until_unknown(run)
    assert run.reason == (
        "whether step “work” ran to its end is not known: "
        "Patchwave's own runner on the host was killed"
    )
    assert_world_ok(fleet, run.job)
    (host.home / "go").touch()
    orders.answer(run.job, by=mira(), hosts=[host.name], answer=answer)
    wait_for_end(run.job, "failed" if answer == "give_up" else "succeeded")
    assert sum(started(host).values()) == {"it_ran": 4, "it_did_not_run": 5, "give_up": 2}[answer]
    assert_world_ok(fleet, run.job, repeated={"work"} if answer == "it_did_not_run" else ())


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGSTOP])
def test_a_follower_that_answers_nobody_is_followed_anew(
    how: signal.Signals,
    game: Game,
    host: FleetHost,
    fleet: Fleet,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Its shell is killed, and its tail goes with it; or it stands still, and keeps the connection
    open."""
    monkeypatch.setattr(following, "ANSWERS_WITHIN", 1.0)
    run = start_and_wait(game, host)
    shell, tail = followers(run, host)
    os.kill(shell, how)
    kill_runner(run, host)
    wait_until_unknown(run)
    assert gone(tail)
    assert_world_ok(fleet, run.job)


def test_a_follower_that_is_killed_as_its_plan_ends_leaves_nothing_behind(
    game: Game, host: FleetHost, fleet: Fleet
) -> None:
    """The last question cannot be answered any more, and is not waited for."""
    run = start_and_wait(game, host)
    failpoints.at("plan.through", lambda: os.kill(followers(run, host)[0], signal.SIGKILL))
    (host.home / "go").touch()
    wait_for_end(run.job, "succeeded", seconds=following.SUM_LIMIT / 2)
    assert_world_ok(fleet, run.job)


def test_a_tail_that_stands_still_costs_no_output(
    game: Game, host: FleetHost, fleet: Fleet, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What its shell answers tells that there is more to read."""
    monkeypatch.setattr(following, "REST_LIMIT", 0.5)
    run = start_and_wait(game, host)
    os.kill(followers(run, host)[1], signal.SIGSTOP)
    (host.home / "go").touch()
    wait_for_end(run.job, "succeeded")
    assert_world_ok(fleet, run.job)


def test_a_step_that_never_falls_silent_is_ended_without_a_watchdog(
    host: FleetHost, fleet: Fleet, crew: Crew, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever follows it is asked all the same, and stands in."""
    monkeypatch.setattr(following, "ASK_AFTER", 5.0)
    monkeypatch.setattr(following, "ASK_ANYWAY", 0.5)
    crew.start()
    talks = RECIPE.replace("sleep .02", "echo; sleep .02")
    run = start_and_wait(make_slow(fleet, host, talks), host)
    runner, script = kept(run, host)
    children = Path(f"/proc/{runner}/task/{runner}/children").read_text().split()
    (watchdog,) = {int(child) for child in children} - {script}
    os.kill(watchdog, signal.SIGKILL)
    orders.cancel(run.job, by=mira())
    wait_for_end(run.job, "cancelled")
    assert_world_ok(fleet, run.job)


def test_what_is_safe_to_repeat_is_done_again_by_itself(
    host: FleetHost, fleet: Fleet, crew: Crew
) -> None:
    crew.start()
    run = start_and_wait(make_slow(fleet, host, with_repeat("safe")), host)
    kill_runner(run, host)
    (host.home / "go").touch()
    wait_for_end(run.job, "succeeded")
    assert run.attempts.get(name="work", number=1).state == "lost"
    assert_world_ok(fleet, run.job, repeated={"work"})


def test_nothing_is_done_again_beside_what_is_left_of_it(
    host: FleetHost, fleet: Fleet, crew: Crew
) -> None:
    crew.start()
    run = start_and_wait(make_slow(fleet, host, LEAVES_A_CHILD), host)
    kill_runner(run, host)
    wait_until_unknown(run)
    child = (host.home / "child").read_text().strip()
    assert run.reason == (
        "whether step “work” ran to its end is not known: "
        "Patchwave's own runner on the host was killed; "
        f"what it had started runs there still: {child} sleep"
    )
    os.kill(int(child), signal.SIGKILL)
    (host.home / "go").touch()
    orders.answer(run.job, by=mira(), hosts=[host.name], answer="it_did_not_run")
    wait_for_end(run.job, "succeeded")
    assert_world_ok(fleet, run.job, repeated={"work"})


@pytest.mark.parametrize("rule", ["safe", "ask"])
def test_a_loss_whose_consequence_was_not_stored_is_looked_into_again(
    rule: str, host: FleetHost, fleet: Fleet, crew: Crew
) -> None:
    """A worker died between the two, as the rows tell, and the next one has no connection yet."""
    crew.start()
    text = LEAVES_A_CHILD.replace("repeat: safe", f"repeat: {rule}")
    run = start_and_wait(make_slow(fleet, host, text), host)
    kill_runner(run, host)
    wait_until_unknown(run)
    reason, child = run.reason, int((host.home / "child").read_text())
    assert reason.endswith(f"runs there still: {child} sleep")
    forget_the_consequence(run)
    wait_until_unknown(run)
    assert run.reason == reason
    os.kill(child, signal.SIGKILL)
    assert_world_ok(fleet, run.job)


def test_a_host_that_is_away_when_a_loss_is_looked_into_again_is_not_waited_for(
    own_fleet: Fleet, crew: Crew, transactional_db: None
) -> None:
    host = own_fleet.hosts[0]
    crew.start()
    run = start_and_wait(make_slow(own_fleet, host, RECIPE), host)
    kill_runner(run, host)
    wait_until_unknown(run)
    own_fleet.stop(host.group)
    forget_the_consequence(run)
    wait_until_unknown(run)
    assert run.reason == (
        "whether step “work” ran to its end is not known: "
        "Patchwave's own runner on the host was killed; "
        "nor does the host say what runs there still"
    )


def forget_the_consequence(run: HostRun) -> None:
    changes = {"state": "running", "reason": "", "lease_until": None, "rung_at": None}
    # Our id, at another time.
    dead = f"{owner.me().rpartition(':')[0]}:1"
    HostRun.objects.filter(pk=run.pk).update(**changes, owner=dead)


def test_an_orphan_is_waited_for(game: Game, host: FleetHost, fleet: Fleet) -> None:
    run = start_and_wait(game, host)
    kill_runner(run, host, and_script=False)
    (host.home / "go").touch()
    wait_until_unknown(run)
    assert_world_ok(fleet, run.job)
    told = Event.objects.filter(attempt__name="work").order_by("seq")
    log = b"".join(bytes(event.output or b"") for event in told)
    assert log.endswith(b"\n500\n")


def test_a_reboot_is_told_and_nothing_is_run_again(
    own_fleet: Fleet, crew: Crew, transactional_db: None
) -> None:
    crew.start()
    host = own_fleet.hosts[0]
    run = start_and_wait(make_slow(own_fleet, host, RECIPE), host)
    reboot(run, host, own_fleet)
    wait_until_unknown(run)
    assert run.reason.endswith("the host was restarted")
    assert_world_ok(own_fleet, run.job)


def test_a_directory_that_is_taken_away_ends_its_plan(
    game: Game, host: FleetHost, fleet: Fleet
) -> None:
    run = start_and_wait(game, host)
    subprocess.run(["rm", "-rf", host.home / ".patchwave"], check=True)
    (host.home / "go").touch()
    wait_for_end(run.job, "succeeded")
    assert run.attempts.filter(name="start", state="abandoned").count() == 1
    assert_world_ok(fleet, run.job)


@pytest.mark.parametrize("rule", ["ask", "safe"])
def test_a_directory_that_is_taken_away_unseen_is_a_loss_and_never_a_fresh_start(
    rule: str, own_fleet: Fleet, crew: Crew, transactional_db: None
) -> None:
    """Nor what is safe to repeat: it runs there still."""
    crew.start()
    host = own_fleet.hosts[0]
    run = start_and_wait(make_slow(own_fleet, host, with_repeat(rule)), host)
    is_told = run.attempts.filter(name="work", state="running").exists
    until(is_told, "what came before it is known")
    subprocess.run(["rm", "-rf", host.home / ".patchwave"], check=True)
    own_fleet.cut(host.group)
    wait_until_unknown(run)
    # Nor can it be known whether "start" came after it.
    assert run.reason.startswith("whether step “work”, “start” ran to its end")
    (host.home / "go").touch()
    orders.answer(run.job, by=mira(), hosts=[host.name], answer="it_did_not_run")
    wait_for_end(run.job, "succeeded")
    assert_world_ok(own_fleet, run.job, repeated={"work"})


@pytest.mark.parametrize(
    "wish",
    [orders.cancel, partial(orders.pause, after=Pause.STEP), lambda *_, **__: None],
    ids=["cancel", "pause", "none"],
)
def test_a_wish_for_a_plan_whose_directory_was_taken_away_is_a_loss(
    wish: Callable[..., object],
    game: Game,
    host: FleetHost,
    fleet: Fleet,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The host cannot take it, and is not told for ever. Without one it is found by asking."""
    monkeypatch.setattr(following, "ASK_AFTER", 0.5)
    run = start_and_wait(game, host)
    subprocess.run(["rm", "-rf", host.home / ".patchwave"], check=True)
    wish(run.job, by=mira())
    wait_until_unknown(run)
    assert "its files are gone from the host" in run.reason
    (host.home / "go").touch()
    orders.answer(run.job, by=mira(), hosts=[host.name], answer="give_up")
    wait_for_end(run.job, "cancelled" if wish is orders.cancel else "failed")
    assert_world_ok(fleet, run.job)


def test_retries_are_counted_over_all_workers(
    host: FleetHost, fleet: Fleet, crew: Crew, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between two of them nobody holds the host run."""
    monkeypatch.setattr(story, "LONGEST_NAP", 0.1)
    text = f"""\
recipe: faults
steps:
  - name: flaky
    retries: {{times: 2, delay: 500ms}}
    run: |
      {COUNT}
      exit 1
"""
    game = make_game(fleet, text)
    crew.start()
    job = start(game, host)
    wait_for_end(job, "failed")
    assert len(started(host)) == 3
    orders.retry(job, by=mira())
    until(lambda: len(started(host)) >= 4, "it is tried again")
    wait_for_end(job, "failed")
    assert len(started(host)) == 6
    assert_world_ok(fleet, job, repeated={"flaky"})
