"""Whole jobs on hosts unlike others: a container whose first process reaps nobody, and where a user
sees no other's processes; a disk that fails in the middle of a step."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from demo import openssh
from demo.fleet import Fleet, FleetHost
from deploy_tasks import orders
from deploy_tasks.models import Game, HostRun, Job
from deploy_tasks.runner.following import REFUSALS
from tests.faults.crew import Crew
from tests.faults.disks import mounted
from tests.faults.host.slow import start_and_wait
from tests.faults.jobs import RECIPE, is_working, make_game, mira, start, wait_for_end
from tests.faults.world import assert_world_ok, left_on
from tests.waiting import until

pytestmark = [pytest.mark.ssh, pytest.mark.slow, pytest.mark.django_db(transaction=True)]

NOBODY = 65534
HEALTH = "  - {name: health, wait: {run: echo well, every: 50ms, stable_for: 50ms}}\n"


class Narrow(Fleet):
    """Its user is nobody, whom /proc shows nobody else's processes, in a table of processes whose
    first one sleeps."""

    def _prepare(self) -> None:
        super()._prepare()
        text = self._login.read_text()
        drop = f"exec setpriv --reuid {NOBODY} --regid {NOBODY} --clear-groups sh "
        self._login.write_text(text.replace("exec sh ", drop))
        for host in self.hosts:
            os.chown(host.home, NOBODY, NOBODY)

    def _server(self, group: int, listen: list[str]) -> list[str]:
        inside = 'mount -o remount,hidepid=2 /proc && { "$@" & exec sleep 9999; }'
        unshare = ["unshare", "--pid", "--fork", "--kill-child", "--mount-proc"]
        return [*unshare, "sh", "-c", inside, "sh", *super()._server(group, listen)]


@pytest.fixture(scope="module")
def narrow() -> Iterator[Fleet]:
    if not openssh.usable() or os.geteuid() != 0 or not shutil.which("setpriv"):
        pytest.skip("needs root, sshd and setpriv (Debian packages openssh-server, util-linux)")
    if subprocess.run(["unshare", "-pf", "--mount-proc", "true"], check=False).returncode:
        pytest.skip("needs a pid namespace of its own")
    # Not pytest's own, which is closed to nobody.
    with tempfile.TemporaryDirectory(prefix="pw-narrow-") as directory:
        Path(directory).chmod(0o755)
        with Narrow(Path(directory) / "fleet", 2) as fleet:
            yield fleet


def test_a_container_in_which_nobody_sees_others_is_updated(
    narrow: Fleet, crew: Crew, transactional_db: None
) -> None:
    """And what is cancelled there ends, though nobody reaps what its steps have started."""
    calm, slow = narrow.hosts
    game = make_game(narrow, RECIPE + HEALTH)
    for host in narrow.hosts:
        (host.home / "version").write_text("1.0\n")
        os.chown(host.home / "version", NOBODY, NOBODY)
    (slow.home / "slow").touch()
    crew.start()
    job = start(game, rollout={"canary": 0})
    until(lambda: is_working(slow) and states(job)[calm.name] == "succeeded", "one works")
    orders.cancel(job, by=mira())
    wait_for_end(job, "cancelled")
    assert states(job) == {calm.name: "succeeded", slow.name: "rolled_back"}
    assert (calm.home / "version").stat().st_uid == NOBODY
    assert_world_ok(narrow, job, left_behind=["sleep 9999"])


def known_to_work(game: Game, host: FleetHost) -> HostRun:
    """Of the game's one host."""
    run = start_and_wait(game, host)
    is_told = run.attempts.filter(name="work", state="running").exists
    until(is_told, "that is known")
    return run


def states(job: Job) -> dict[str, str]:
    return dict(job.host_runs.values_list("name", "state"))


def test_a_disk_that_takes_nothing_any_more_leaves_a_question_and_no_guess(
    own_fleet: Fleet, crew: Crew, tmp_path: Path, transactional_db: None
) -> None:
    """As the kernel has it after an error. The step ends, and nothing can say how."""
    host = own_fleet.hosts[0]
    with mounted([host.home], "ext4"):
        game = make_game(own_fleet, RECIPE, [host])
        (host.home / "slow").touch()
        (host.home / "go").symlink_to(tmp_path / "go")
        crew.start()
        run = known_to_work(game, host)
        job = run.job
        subprocess.run(["mount", "-o", "remount,abort", str(host.home)], check=True)
        (tmp_path / "go").touch()
        until(lambda: run.refresh_from_db() or run.state == "unknown", "nobody can know")
        assert run.reason == (
            "whether step “work” ran to its end is not known: "
            "the disk of the host's home takes nothing any more"
        )
        assert_world_ok(own_fleet, job)
        orders.answer(job, by=mira(), hosts=[host.name], answer="it_did_not_run")
        wait_for_end(job, "failed")
        run.refresh_from_db()
        # The kernel says by turns that there is no room and that nobody may write.
        assert run.error in map(str, (REFUSALS["readonly"], REFUSALS["noroom"]))
        assert_world_ok(own_fleet, job)


@pytest.mark.parametrize("cut", [False, True])
def test_a_disk_that_fails_in_mid_step_is_named_and_nothing_is_run_again(
    own_fleet: Fleet, crew: Crew, tmp_path: Path, transactional_db: None, *, cut: bool
) -> None:
    """Not even what was written can be read; who comes anew does not even find its log."""
    host = own_fleet.hosts[0]
    game = make_game(own_fleet, RECIPE, [host])
    with mounted([host.home], "ext4") as (disk,):
        for name in ("started", "working", "go"):
            (host.home / name).symlink_to(tmp_path / name)
        (host.home / "slow").touch()
        crew.start()
        run = known_to_work(game, host)
        job = run.job
        disk.fail()
        if cut:
            own_fleet.cut(host.group)
        (tmp_path / "go").touch()
        until(lambda: run.refresh_from_db() or run.state == "unknown", "nobody can know")
        assert run.reason == (
            "whether step “work” ran to its end is not known: "
            "the disk of the host's home takes nothing any more"
        )
        orders.answer(job, by=mira(), hosts=[host.name], answer="it_did_not_run")
        wait_for_end(job, "failed")
        run.refresh_from_db()
        assert run.error == str(REFUSALS["sick"])
        # Two steps have begun, and neither of them once more.
        assert len((tmp_path / "started").read_text().split()) == 2
    until(lambda: not left_on(own_fleet), "nothing is left on the host")
