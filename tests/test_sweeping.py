"""Old files leave the hosts; those of live host runs and new artifacts stay."""

import os
import signal
import subprocess
from pathlib import Path

import pytest
from django.conf import LazySettings

from demo.fleet import Fleet
from deploy_tasks import sweeping, vault
from deploy_tasks.models import Attempt, HostRun
from tests import factories
from tests.faults.jobs import make_game
from tests.runner.world import RECIPE

pytestmark = [pytest.mark.ssh, pytest.mark.django_db(transaction=True)]


def plan_on(home: Path, name: str) -> Path:
    path = home / ".patchwave/runs" / name
    path.mkdir(parents=True, exist_ok=True)
    (path / "log").touch()
    return path


def stays_in(path: Path) -> subprocess.Popen[bytes]:
    return subprocess.Popen(["sleep", "60"], cwd=path)


def test_only_what_is_old_and_over_is_removed(
    own_fleet: Fleet, settings: LazySettings, tmp_path: Path
) -> None:
    settings.HOME, settings.KEEP_ARTIFACTS_ON_HOSTS = tmp_path, 2
    vault.ensure_keys()
    game = make_game(own_fleet, RECIPE)
    home = own_fleet.hosts[0].home
    host = game.hosts.get(name=own_fleet.hosts[0].name)
    artifacts = home / ".patchwave/artifacts"
    artifacts.mkdir(parents=True)
    for number in range(4):
        (artifacts / f"{number}").touch()
    for name in ("4.1.part", "5.2.part"):
        (artifacts / name).touch()
    os.utime(artifacts / "4.1.part", (0, 0))
    runs = {}
    for name, state, ended in (
        ("old", "succeeded", "2020-01-01T00:00Z"),
        ("new", "succeeded", "2999-01-01T00:00Z"),
    ):
        job = factories.job(game)
        runs[name] = HostRun.objects.create(
            job=job, host=host, name=host.name, state=state, ended_at=ended, holds_host=False
        )
        Attempt.objects.create(host_run=runs[name], uid=f"{name}.1", step=0, name="x", number=1)
        plan_on(home, name)
    foreign = plan_on(home, "foreign")
    live = HostRun.objects.create(job=factories.job(game), host=host, name=host.name)
    assert sweeping.sweep() == 0  # a job has the host
    live.delete()
    # An id may have been given to somebody else since.
    left, stranger = stays_in(home / ".patchwave/runs/old"), stays_in(home)
    (home / ".patchwave/runs/old/follower").write_text(f"{left.pid} - {stranger.pid}\n")
    assert sweeping.sweep() == 1
    assert left.wait(10) == -signal.SIGKILL
    assert stranger.poll() is None
    stranger.kill()
    stranger.wait(10)
    assert sorted(path.name for path in foreign.parent.iterdir()) == ["foreign", "new"]
    names = {path.name for path in artifacts.iterdir()}
    assert (len(names), {name for name in names if "part" in name}) == (3, {"5.2.part"})
    assert sweeping.sweep() == 0
