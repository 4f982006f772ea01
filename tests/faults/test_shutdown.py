"""R05 with fifty hosts: a worker that is told to stop at any moment, whatever stands still around
it, is gone in time, and the next one goes on."""

import random
import signal
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext

import pytest
from django.db import connection, transaction

from demo.fleet import Fleet
from deploy_tasks import ending
from deploy_tasks.models import HostRun
from tests.faults.crew import Crew, Nursery, Worker
from tests.faults.jobs import RECIPE, make_game, start, wait_for_end
from tests.faults.world import assert_world_ok
from tests.fleet_fixtures import of_openssh

pytestmark = [
    pytest.mark.ssh,
    pytest.mark.slow,
    pytest.mark.timeout(300),
    pytest.mark.django_db(transaction=True),
]

#: Seconds, on a machine that has much to do.
SLACK = 3.0


@pytest.fixture(scope="module")
def fifty(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    with of_openssh(tmp_path_factory.mktemp("fifty"), 50) as fleet:
        yield fleet


@contextmanager
def frozen_links(fleet: Fleet) -> Iterator[None]:
    groups = {host.group for host in fleet.hosts}
    for group in groups:
        fleet.freeze(group, and_connections=True)
    yield
    for group in groups:
        fleet.thaw(group)


@contextmanager
def blocked_database(fleet: Fleet) -> Iterator[None]:
    """Nobody else may write."""
    if connection.vendor == "postgresql":
        with transaction.atomic():
            with connection.cursor() as cursor:
                cursor.execute(f"LOCK TABLE {HostRun._meta.db_table} IN EXCLUSIVE MODE")
            yield
        return
    other = sqlite3.connect(connection.settings_dict["NAME"], isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    yield
    other.execute("ROLLBACK")
    other.close()


def nothing(fleet: Fleet) -> AbstractContextManager[None]:
    return nullcontext()


def stopped_within(worker: Worker) -> float:
    """Seconds; where its threads were is in the nursery's log."""
    began = time.monotonic()
    dump = threading.Timer(2.0, worker.send, [signal.SIGUSR1])
    dump.daemon = True
    worker.send(signal.SIGTERM)
    dump.start()
    worker.wait(60)
    dump.cancel()
    return time.monotonic() - began


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("trouble", [nothing, frozen_links, blocked_database])
def test_a_worker_that_is_told_to_stop_is_gone_in_time_whatever_stands_still(
    trouble: Callable[[Fleet], AbstractContextManager[None]],
    seed: int,
    fifty: Fleet,
    nursery: Nursery,
    crew: Crew,
) -> None:
    dice = random.Random(seed)
    game = make_game(fifty, RECIPE)
    job = start(game, rollout={"canary": 0, "parallel": 50})
    worker = nursery.worker()
    time.sleep(dice.uniform(0, 3))
    with trouble(fifty):
        time.sleep(dice.uniform(0, 1))
        took = stopped_within(worker)
    assert took < ending.END_WITHIN + SLACK
    crew.start()
    wait_for_end(job, "succeeded", seconds=90)
    assert_world_ok(fifty, job)
