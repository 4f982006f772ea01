"""Disks that are full or take nothing."""

import os
import subprocess

import pytest

from demo.fleet import Fleet
from deploy_tasks import orders
from tests.faults.crew import Crew
from tests.faults.jobs import RECIPE, make_game, mira, start, wait_for_end
from tests.faults.world import assert_world_ok

pytestmark = [pytest.mark.ssh, pytest.mark.django_db(transaction=True)]


def test_a_full_disk_is_no_reason_to_lose_an_exit_status(
    own_fleet: Fleet, crew: Crew, transactional_db: None
) -> None:
    host = own_fleet.hosts[0]
    mount = ["mount", "-t", "tmpfs", "-o", "size=200k", "none", str(host.home)]
    if os.geteuid() != 0 or subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("needs to mount a small disk (root)")
    text = """\
recipe: faults
steps:
  - name: fill
    run: |
      echo filling
      cat /dev/zero >full 2>/dev/null || :
      seq 1 9999
  - {name: fail, run: 'echo no room to say so; exit 7'}
  - {name: tidy, always: true, run: 'rm full; echo tidy'}
"""
    try:
        game = make_game(own_fleet, text, [host])
        crew.start()
        job = start(game, host)
        wait_for_end(job, "failed")
        run = job.host_runs.get()
        assert run.error.startswith("step “fail” ended with exit status 7; no space left")
        assert run.warned
        states = run.attempts.order_by("pk").values_list("name", "state", "exit_status")
        assert list(states) == [
            ("fill", "succeeded", 0),
            ("fail", "failed", 7),
            ("tidy", "abandoned", None),
        ]
        assert_world_ok(own_fleet, job)
    finally:
        subprocess.run(["umount", "-l", str(host.home)], check=True)


@pytest.mark.parametrize("with_artifact", [True, False])
def test_a_home_that_was_mounted_read_only_is_told_and_nothing_begins(
    with_artifact: bool, own_fleet: Fleet, crew: Crew, transactional_db: None
) -> None:
    """As a kernel does it after an error of the disk. The rest of the host is well."""
    host = own_fleet.hosts[0]
    bring = "  - {name: bring, upload: artifact}\n"
    game = make_game(own_fleet, RECIPE if with_artifact else RECIPE.replace(bring, ""), [host])
    mount = ["mount", "--bind", str(host.home), str(host.home)]
    if os.geteuid() != 0 or subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("needs to mount a directory (root)")
    try:
        again = ["mount", "-o", "remount,bind,ro", str(host.home)]
        subprocess.run(again, check=True)
        crew.start()
        job = start(game, host)
        wait_for_end(job, "failed")
        error = job.host_runs.get().error
        assert error == "the home directory on the host cannot be written to"
        assert_world_ok(own_fleet, job)
    finally:
        subprocess.run(["umount", "-l", str(host.home)], check=True)
    orders.retry(job, by=mira())
    wait_for_end(job, "succeeded")
    assert_world_ok(own_fleet, job)
