"""Hosts that lack what an update needs, or whose clock is wrong."""

from datetime import timedelta
from pathlib import Path

import pytest
from django.utils import timezone

from demo.fleet import Fleet, FleetHost
from deploy_tasks import orders
from deploy_tasks.models import Game
from deploy_tasks.runner import contact, following
from tests.faults.crew import Crew
from tests.faults.host.slow import make_slow, start_and_wait
from tests.faults.jobs import RECIPE, make_game, mira, start, wait_for_end
from tests.faults.world import assert_world_ok
from tests.waiting import until

pytestmark = [pytest.mark.ssh, pytest.mark.django_db(transaction=True)]


def lacks(host: FleetHost, program: str) -> None:
    (host.home / "bin").mkdir()
    for path in [*Path("/usr/bin").iterdir(), *Path("/bin").iterdir()]:
        link = host.home / "bin" / path.name
        if path.name != program and not link.is_symlink():
            link.symlink_to(path)
    (host.home / ".bashrc").write_text("PATH=$HOME/bin\n")


def test_a_host_without_cksum_is_not_waited_for(host: FleetHost, fleet: Fleet, crew: Crew) -> None:
    game = make_game(fleet, RECIPE)
    lacks(host, "cksum")
    crew.start()
    job = start(game, host)
    wait_for_end(job, "succeeded", seconds=following.SUM_LIMIT / 2)
    assert not job.host_runs.get().warned
    assert_world_ok(fleet, job)


def test_a_host_without_setsid_fails_with_a_remedy_and_can_be_retried(
    host: FleetHost, fleet: Fleet, crew: Crew, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(following, "START_LIMIT", 0.3)
    game = make_game(fleet, RECIPE)
    lacks(host, "setsid")
    crew.start()
    job = start(game, host)
    wait_for_end(job, "failed")
    assert job.host_runs.get().error == "the host has no setsid"
    assert_world_ok(fleet, job)
    (host.home / ".bashrc").unlink()
    orders.retry(job, by=mira())
    wait_for_end(job, "succeeded")
    assert_world_ok(fleet, job)


@pytest.mark.parametrize("how", ["no command is run", "no channel is opened"])
def test_a_host_that_is_of_no_use_for_a_while_is_unreachable_and_not_failed(
    how: str, own_fleet: Fleet, crew: Crew, transactional_db: None
) -> None:
    """As where it cannot fork any more, with a step running."""
    host = own_fleet.hosts[0]
    config = own_fleet.directory / "sshd_config"
    good = config.read_text()
    crew.start()
    run = start_and_wait(make_slow(own_fleet, host, RECIPE), host)
    own_fleet.stop(host.group)
    if how == "no command is run":
        (host.home / ".bashrc").write_text("echo sh: cannot fork >&2; exit 254\n")
    else:
        config.write_text("MaxSessions 0\n" + good)
    own_fleet.start(host.group)
    until(lambda: run.refresh_from_db() or run.link == "unreachable", "it is away")
    tried = own_fleet.log(host.group).count("Accepted publickey")
    until(lambda: own_fleet.log(host.group).count("Accepted publickey") >= tried + 2, "it is tried")
    run.refresh_from_db()
    assert (run.state, run.link) == ("running", "unreachable")
    (host.home / ".bashrc").unlink(missing_ok=True)
    config.write_text(good)
    own_fleet.stop(host.group)
    own_fleet.start(host.group)
    (host.home / "go").touch()
    wait_for_end(run.job, "succeeded")
    assert_world_ok(own_fleet, run.job)


def test_a_sudo_that_wants_a_password_is_named(host: FleetHost, fleet: Fleet, crew: Crew) -> None:
    """R50: it has nobody to ask, so it ends at once."""
    text = "recipe: faults\nsteps:\n  - {name: stop, run: sudo systemctl stop game}\n"
    game = make_game(fleet, text)
    (host.home / "bin").mkdir()
    sudo = host.home / "bin/sudo"
    sudo.write_text("#!/bin/sh\nread -r _ || echo sudo: a password is required >&2\nexit 1\n")
    sudo.chmod(0o755)
    (host.home / ".bashrc").write_text("PATH=$HOME/bin:$PATH\n")
    crew.start()
    job = start(game, host)
    wait_for_end(job, "failed")
    assert job.host_runs.get().error == "step “stop”: sudo wants a password"
    assert_world_ok(fleet, job)


def test_a_question_that_hangs_is_ended_on_the_host_too(
    host: FleetHost, fleet: Fleet, crew: Crew, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(contact, "ASK_LIMIT", 1)
    game = make_game(fleet, RECIPE.replace("current: ", "current: sleep 60; "))
    crew.start()
    job = start(game, host)
    wait_for_end(job, "failed")
    assert job.host_runs.get().error == "the host gave no answer within 1 s"
    assert_world_ok(fleet, job)


@pytest.mark.parametrize("wrong", ["-3 years", "+3 years"])
def test_a_host_whose_clock_is_wrong_is_told_in_our_time(
    wrong: str, game: Game, host: FleetHost, fleet: Fleet
) -> None:
    """Only its time since boot is believed; ``date`` there may say what it likes."""
    (host.home / "bin").mkdir()
    date = host.home / "bin/date"
    date.write_text(f'#!/bin/sh\nexec /bin/date -d "{wrong}" "$@"\n')
    date.chmod(0o755)
    (host.home / ".bashrc").write_text("PATH=$HOME/bin:$PATH\n")
    began = timezone.now()
    run = start_and_wait(game, host)
    (host.home / "go").touch()
    wait_for_end(run.job, "succeeded")
    for attempt in run.attempts.all():
        assert attempt.started_at
        assert attempt.ended_at
        # Of ticks and of rounding.
        assert began - timedelta(seconds=1) < attempt.started_at <= attempt.ended_at
        assert attempt.ended_at < timezone.now() + timedelta(seconds=1)
    assert_world_ok(fleet, run.job)
