"""A worker's own machine has no thread, file or memory left for a while."""

import errno
import itertools

import pytest

from demo.fleet import Fleet
from deploy_tasks import ssh
from deploy_tasks.models import Game
from deploy_tasks.runner import contact, passage
from tests.faults.crew import Crew
from tests.faults.jobs import is_working, start, wait_for_end
from tests.faults.world import assert_world_ok
from tests.waiting import until

pytestmark = [pytest.mark.ssh, pytest.mark.django_db(transaction=True)]


@pytest.mark.parametrize(
    "error",
    [
        RuntimeError("can't start new thread"),
        OSError(errno.EMFILE, "Too many open files"),
        MemoryError(),
    ],
    ids=["thread", "file", "memory"],
)
def test_a_host_is_not_blamed_for_a_worker_that_has_no_room(
    error: Exception, game: Game, fleet: Fleet, crew: Crew, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither before anything was launched there, nor while something runs."""
    tries, connect = itertools.count(), ssh.connect

    def sometimes(*args: object, **more: object) -> ssh.Session:
        if next(tries) % 3 < 2:
            raise error
        return connect(*args, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(contact.ssh, "connect", sometimes)
    monkeypatch.setattr(passage, "AWAY_FOR", 0.1)
    host = fleet.hosts[0]
    (host.home / "slow").touch()
    crew.start()
    job = start(game, host)
    until(lambda: is_working(host), "it works")
    fleet.cut(host.group)
    (host.home / "go").touch()
    wait_for_end(job, "succeeded")
    assert next(tries) >= 6
    assert_world_ok(fleet, job)
