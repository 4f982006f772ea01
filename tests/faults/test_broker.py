"""R09, R10 for as long as a job takes: a broker that is full, refuses every message, does not
answer, or is away. Workers live, and find by themselves what nobody has told them of."""

import os
import socketserver
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import pytest
import redis
from celery import Celery
from django.conf import settings
from django.db import connection

from demo.fleet import Fleet
from deploy_tasks import bells, clock, conductor, reconciling
from deploy_tasks.models import Game
from tests.faults.crew import Crew
from tests.faults.jobs import start, wait_for_end
from tests.faults.world import assert_world_ok
from webapp.env import BASE

#: A worker as the product starts it, but on a test's database.
WORKER = """
import sys
import django
django.setup()
from django.db import connection
connection.settings_dict["NAME"] = sys.argv[1]
from webapp import worker
sys.exit(worker.main())
"""

pytestmark = [pytest.mark.ssh, pytest.mark.django_db(transaction=True)]


class Refuses(socketserver.StreamRequestHandler):
    """As much of Redis as lets itself be greeted, and has no memory for anything more."""

    def handle(self) -> None:
        while head := self.rfile.readline():
            words = [
                self.rfile.read(int(self.rfile.readline()[1:]) + 2) for _ in range(int(head[1:]))
            ]
            word = words[0].strip().upper()
            polite = {b"CLIENT": b"+OK", b"SELECT": b"+OK", b"PING": b"+PONG"}
            self.wfile.write(polite.get(word, b"-OOM command not allowed") + b"\r\n")


class Hangs(socketserver.BaseRequestHandler):
    def handle(self) -> None:
        while self.request.recv(4096):
            pass


class Server(socketserver.ThreadingUnixStreamServer):
    daemon_threads = True
    block_on_close = False


@contextmanager
def served(place: Path, handler: type[socketserver.BaseRequestHandler]) -> Iterator[str]:
    with Server(str(place), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"redis+socket://{place}"
        server.shutdown()


@pytest.fixture
def broker(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    place = tmp_path / "broker.sock"
    if request.param == "is away":
        yield f"redis+socket://{place}"
    elif request.param == "full":
        place = request.getfixturevalue("valkey_socket")
        with redis.Redis(unix_socket_path=str(place)) as valkey:
            valkey.config_set("maxmemory", "1")
            yield f"redis+socket://{place}"
            valkey.config_set("maxmemory", "0")
    else:
        with served(place, Refuses if request.param == "refuses" else Hangs) as url:
            yield url


@contextmanager
def worker(broker: str) -> Iterator[None]:
    """It ends as soon as it is told to, in whatever state its broker is."""
    environment = {
        **os.environ,
        "PATCHWAVE_HOME": str(settings.HOME),
        "PATCHWAVE_REDIS_URL": broker.replace("redis+socket:", "unix:"),
        "DJANGO_SETTINGS_MODULE": "webapp.worker_settings",
    }
    name = str(connection.settings_dict["NAME"])
    command = [sys.executable, "-c", WORKER, name]
    with subprocess.Popen(command, cwd=BASE, env=environment) as process:
        yield
        process.terminate()
        assert process.wait(20) == 0


@pytest.mark.parametrize(
    "broker",
    ["full", *(pytest.param(how, marks=pytest.mark.slow) for how in ("hangs", "is away"))],
    indirect=True,
)
@pytest.mark.usefixtures("nobody")
def test_a_worker_that_starts_without_a_broker_takes_what_nobody_carries(
    broker: str, game: Game, fleet: Fleet
) -> None:
    """It need not hear of anything, nor be what Celery calls ready."""
    job = start(game, fleet.hosts[0])
    conductor.conduct(job.pk)
    job.host_runs.update(rung_at=clock.now() - timedelta(hours=1))
    with worker(broker):
        wait_for_end(job, "succeeded", seconds=90)
    assert_world_ok(fleet, job)


@pytest.mark.parametrize(
    "broker",
    [
        "hangs",
        *(pytest.param(how, marks=pytest.mark.slow) for how in ("is away", "full", "refuses")),
    ],
    indirect=True,
)
def test_a_job_comes_to_its_end_without_a_broker(
    broker: str,
    game: Game,
    crew: Crew,
    fleet: Fleet,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Only later: what is rung for is looked for when its bell would be rung again."""
    monkeypatch.setattr(bells, "_asked_again_at", 0.0)
    app = Celery("deaf", broker=broker, set_as_current=False)
    given = {**settings.CELERY_BROKER_TRANSPORT_OPTIONS, "socket_timeout": 0.3}
    app.conf.broker_transport_options = given
    monkeypatch.setattr(bells, "app", app)
    monkeypatch.setattr(reconciling, "RING_AGAIN", timedelta(seconds=0.2))
    crew.keeper.start()
    job = start(game, rollout={"canary": 0})
    wait_for_end(job, "succeeded")
    assert_world_ok(fleet, job)
