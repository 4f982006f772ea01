"""R07: workers of two versions of the code, one after the other and side by side, on one job."""

import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from demo.fleet import Fleet
from deploy_tasks import orders
from deploy_tasks.models import Game
from tests.faults import crew
from tests.faults.crew import Nursery
from tests.faults.jobs import is_working, mira, start, wait_for_end
from tests.faults.world import assert_world_ok
from tests.waiting import until
from webapp.env import BASE

pytestmark = [pytest.mark.ssh, pytest.mark.slow, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def earlier(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Nursery]:
    """Workers of the oldest code that knows these tables."""
    last = ["git", "log", "-1", "--format=%H", "--", "deploy_tasks/migrations"]
    found = subprocess.run(last, cwd=BASE, capture_output=True, text=True, check=False)
    if not (commit := found.stdout.strip()):
        pytest.skip("needs the history of the code (git)")
    (code := tmp_path / "code").mkdir()
    kept = subprocess.run(["git", "archive", commit], cwd=BASE, capture_output=True, check=True)
    subprocess.run(["tar", "-x"], input=kept.stdout, cwd=code, check=True)
    monkeypatch.setattr(crew, "BASE", code)
    with Nursery(tmp_path / "earlier.log") as nursery:
        yield nursery
        nursery.end_all()


@pytest.mark.parametrize("undone", [False, True], ids=["to the end", "cancelled"])
@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM, None])
@pytest.mark.parametrize("first", ["earlier", "this"])
def test_a_job_that_one_version_has_begun_is_brought_to_its_end_by_another(
    first: str,
    how: signal.Signals | None,
    undone: bool,
    earlier: Nursery,
    nursery: Nursery,
    nobody: None,
    game: Game,
    fleet: Fleet,
) -> None:
    """``how`` the first worker ends; without, both carry hosts of it."""
    one, other = (earlier, nursery) if first == "earlier" else (nursery, earlier)
    for host in fleet.hosts:
        (host.home / "slow").touch()
        (host.home / "version").write_text("1.0\n")
    job = start(game, rollout={"canary": 0})
    begins = one.worker()
    until(lambda: is_working(*fleet.hosts), "they work")
    if how:
        begins.send(how)
        begins.wait()
    other.worker()
    if undone:
        orders.cancel(job, by=mira())
    else:
        for host in fleet.hosts:
            (host.home / "go").touch()
    if not how:
        job.host_runs.update(lease_until=None)
    wait_for_end(job, "cancelled" if undone else "succeeded", seconds=60)
    assert_world_ok(fleet, job)
