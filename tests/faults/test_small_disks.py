"""R42 at each point of a plan: disks that are full before it, between any two of its writes, in the
middle of what its steps print, or before its end; and such that can hold no more files."""

import contextlib
import re
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from demo.fleet import Fleet
from deploy_tasks import failpoints, orders
from deploy_tasks.models import Event, HostRun, Job
from tests.dropbears import Dropbears, dropbears
from tests.faults.crew import Crew
from tests.faults.disks import Disk, Kind, mounted
from tests.faults.jobs import RECIPE, make_game, mira, start, wait_for_end
from tests.faults.world import assert_world_ok
from tests.fleet_fixtures import of_openssh
from tests.waiting import until

pytestmark = [pytest.mark.ssh, pytest.mark.django_db(transaction=True)]

#: Its probe has something to say.
HEALTH = """\
  - name: health
    wait: {run: echo well, every: 50ms, stable_for: 50ms, at_most: 3s}
"""
#: Blocks of the artifact.
ARTIFACT = 64
#: All that a host without room may be said to have failed of.
NO_ROOM = re.compile(
    r"step “bring”: no space left on the host for the artifact"
    r"|no space left on the host for the runner's files"
)


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    with of_openssh(tmp_path_factory.mktemp("disks"), 32) as fleet:
        yield fleet


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Dropbears]:
    # As many as one dropbear can listen for.
    yield from dropbears(tmp_path_factory.mktemp("small") / "fleet", 10)


@contextlib.contextmanager
def on_disks(fleet: Fleet, count: int, kind: Kind) -> Iterator[list[Disk]]:
    """Under so many of its homes. A dropbear sees what is mounted when it starts."""
    with mounted([host.home for host in fleet.hosts[:count]], kind) as disks:
        if isinstance(fleet, Dropbears):
            fleet.stop()
            fleet.start()
        yield disks
        if isinstance(fleet, Dropbears):
            fleet.stop()
    if isinstance(fleet, Dropbears):
        fleet.start()


def update(fleet: Fleet, disks: Sequence[Disk], what_is_left: Sequence[str], aside: Path) -> Job:
    """A job on these disks. What its scripts write lies elsewhere: they have no trouble."""
    tidy = "  - name: tidy"
    text = RECIPE.replace(tidy, HEALTH + tidy)
    game = make_game(fleet, text, fleet.hosts[: len(disks)])
    for number, (disk, left) in enumerate(zip(disks, what_is_left, strict=True)):
        for name in ("started", "working", "version"):
            (disk.home / name).symlink_to(aside / f"{name}-{number}")
        count, what = left.split()
        if what == "blocks":
            disk.leave_blocks(int(count))
        else:
            disk.leave_files(int(count))
    # Dropbear hangs up on whoever knocks as one of many.
    parallel = 4 if isinstance(fleet, Dropbears) else 50
    job = start(game, rollout={"canary": 0, "max_failed": "100%", "parallel": parallel})
    wait_for_end(job, "failed", seconds=90)
    return job


def judge(run: HostRun) -> None:
    if run.state == "succeeded":
        assert set(run.attempts.values_list("exit_status", flat=True)) == {0}
    else:
        assert NO_ROOM.fullmatch(run.error), (run.name, run.state, run.error)


def stayed_connected(run: HostRun) -> bool:
    return Event.objects.filter(host_run=run, kind="link").count() == 1


def judge_all(
    fleet: Fleet, kind: Kind, what_is_left: Sequence[str], aside: Path
) -> tuple[Job, set[str]]:
    with on_disks(fleet, len(what_is_left), kind) as disks:
        job = update(fleet, disks, what_is_left, aside)
        for run in job.host_runs.all():
            judge(run)
            # A dropbear hangs up on whoever comes as one of many.
            assert isinstance(fleet, Dropbears) or stayed_connected(run), run.name
        assert_world_ok(fleet, job, left_behind=["dropbear"])
        found = set(job.host_runs.values_list("state", flat=True))
        for disk in disks:
            disk.make_room()
        orders.retry(job, by=mira())
        wait_for_end(job, "succeeded", seconds=90)
        # What ended well on a full disk was not done again.
        assert_world_ok(fleet, job, left_behind=["dropbear"])
        return job, found


def test_a_disk_that_fills_up_in_a_launch_or_a_log_costs_no_step_and_no_exit_status(
    fleet: Fleet, crew: Crew, tmp_path: Path
) -> None:
    """Without an inode for the log; for the mark of the start; a log that breaks off."""
    crew.start()
    left = [f"{ARTIFACT} blocks", f"{ARTIFACT + 14} blocks", "16 files", "17 files"]
    judge_all(fleet, "tmpfs", left, tmp_path)


@pytest.mark.slow
def test_on_dropbear_and_busybox_a_full_disk_costs_no_step_either(
    small: Dropbears, crew: Crew, tmp_path: Path, transactional_db: None
) -> None:
    """In the middle of the artifact; between the claim and the start; in a step's output; without
    an inode for the log."""
    crew.start()
    left = ["20 blocks", f"{ARTIFACT + 5} blocks", f"{ARTIFACT + 14} blocks", "16 files"]
    judge_all(small, "tmpfs", left, tmp_path)


@pytest.mark.slow
def test_a_host_that_cannot_say_whether_a_plan_began_is_tried_again_ever_less_often(
    own_fleet: Fleet, crew: Crew, transactional_db: None
) -> None:
    """Somebody has taken its directory and laid nothing there; nor is there room for a mark."""
    crew.start()
    host = own_fleet.hosts[0]
    with mounted([host.home], "tmpfs") as (disk,):
        job = start(make_game(own_fleet, RECIPE, [host]))
        run = job.host_runs.get()

        def take() -> None:
            run.refresh_from_db()
            (host.home / ".patchwave/runs" / run.plan).mkdir()
            disk.leave_files(0)

        failpoints.at("plan.committed", take, times=2)
        until(lambda: run.refresh_from_db() or run.link == "unreachable", "it is of no use")
        tried = own_fleet.log(host.group).count("Accepted publickey")
        until(lambda: own_fleet.log(host.group).count("Accepted") >= tried + 2, "it is tried")
        assert Event.objects.filter(host_run=run, kind="link").count() == 2
        disk.make_room()
        wait_for_end(job, "succeeded")
        assert_world_ok(own_fleet, job)


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize("kind", ["tmpfs", "ext4"])
@pytest.mark.parametrize("what", ["blocks", "files"])
@pytest.mark.parametrize("servers", ["many", "small"])
def test_a_disk_may_fill_up_at_any_point_of_a_plan(
    servers: str,
    what: str,
    kind: Kind,
    request: pytest.FixtureRequest,
    crew: Crew,
    tmp_path: Path,
) -> None:
    fleet: Fleet = request.getfixturevalue(servers)
    if kind == "ext4" and not shutil.which("mkfs.ext4"):
        pytest.skip("mkfs.ext4 is not installed (Debian package e2fsprogs)")
    crew.start()
    first = ARTIFACT if what == "blocks" else 0
    left = [f"{first + n} {what}" for n in range(0, 32, 32 // len(fleet.hosts))][: len(fleet.hosts)]
    _, found = judge_all(fleet, kind, left, tmp_path)
    assert found == {"failed", "succeeded"}
