"""Workers that run here, on real hosts; a game for them, and what became of its jobs."""

import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from django.conf import LazySettings
from django.db import connection

from demo.fleet import Fleet, FleetHost
from deploy_tasks import bells, conductor, orders
from deploy_tasks.keeper import Keeper
from deploy_tasks.models import Event, Game, HostRun, Job
from deploy_tasks.states import Pause
from tests.faults.crew import hasten
from tests.faults.jobs import make_game, mira, start
from tests.waiting import until

RECIPE = """\
recipe: steps
summary: A few steps
current: cat version 2>/dev/null || true
steps:
  - name: stop
    disruptive: true
    run: echo "stop $host $previous" | tee -a count
  - name: work
    run: |
      echo work >>count
      if [ -e slow ]; then while [ ! -e go ]; do sleep .05; done; fi
      if [ -e broken ]; then echo oops >&2; exit 2; fi
      seq 1 2000
  - name: start
    run: echo "$version" >version; echo start >>count
  - name: tidy
    always: true
    run: echo tidy >>count
"""


class Worker:
    """A worker process in miniature: a keeper, and a thread for each bell that is rung."""

    def __init__(self) -> None:
        self.keeper = Keeper()
        self.keeper.start()
        self.threads: list[threading.Thread] = []
        self.deaf = False

    def run_host(self, pk: int) -> None:
        if not self.deaf:
            thread = threading.Thread(target=self._run, args=(pk,))
            self.threads.append(thread)
            thread.start()

    def _run(self, pk: int) -> None:
        try:
            self.keeper.run_hosts([pk])
        finally:
            connection.close()

    def stop(self) -> None:
        self.keeper.stop()
        for thread in self.threads:
            thread.join(20)
        self.keeper.close()


@pytest.fixture
def workers(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Worker]]:
    """Bells go to the last worker of the list, at once; what is looked at is looked at soon."""
    for module, name, value in hasten():
        monkeypatch.setattr(module, name, value)
    staff = [Worker()]
    monkeypatch.setattr(bells, "ring_host_runs", lambda pks: [staff[-1].run_host(pk) for pk in pks])
    monkeypatch.setattr(bells, "ring_job", conductor.conduct)
    yield staff
    for worker in staff:
        worker.stop()


@pytest.fixture
def game(fleet: Fleet, settings: LazySettings, tmp_path: Path) -> Game:
    settings.HOME = tmp_path
    settings.ARTIFACTS = tmp_path / "artifacts"
    return make_game(fleet, RECIPE)


def paused_at_work(game: Game, host: FleetHost) -> Job:
    """Of this host, which shall stand still after the step that it is in, and was told so."""
    (host.home / "slow").touch()
    job = start(game, host)
    until(lambda: "work" in count(host), "it works")
    orders.pause(job, by=mira(), after=Pause.STEP)
    until(lambda: job.host_runs.get().activity == "pausing", "the host was told")
    return job


def ended(job: Job, state: str) -> Callable[[], bool]:
    def look() -> bool:
        job.refresh_from_db()
        return job.state == state

    return look


def story(job: Job, host: str) -> list[str]:
    """Steps and states of a host, in order: ``stop running``, ``stop succeeded``, ``succeeded``."""
    told = []
    for event in Event.objects.filter(job=job, host_run__name=host).order_by("seq"):
        data = event.data or {}
        if event.kind == "step":
            told.append(f"{data['step']} {data['to']}")
        elif event.kind == "host":
            told.append(data["to"])
    return told


def log(run: HostRun, step: str) -> bytes:
    pieces = Event.objects.filter(host_run=run, kind="output", attempt__name=step).order_by("seq")
    at = 0
    for piece in pieces:
        assert piece.offset == at
        at += piece.raw_length or 0
    return b"".join(bytes(piece.output or b"") for piece in pieces)


def count(host: FleetHost) -> list[str]:
    path = host.home / "count"
    return path.read_text().splitlines() if path.exists() else []
