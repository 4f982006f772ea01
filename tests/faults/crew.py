"""Worker processes for tests that kill them: a keeper, and a thread for each bell.

`Crew` stands in for Celery in one process. `Nursery` is a process that has everything imported
and forks a worker in milliseconds; such a worker is as real as one that Celery starts: its own
pid, connections and journal.
"""

import contextlib
import faulthandler
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from datetime import timedelta
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any, Self

from django.contrib.auth.models import User
from django.db import connection, connections

from deploy_tasks import (
    bells,
    conductor,
    ending,
    failpoints,
    keeper,
    orders,
    reconciling,
    soaking,
)
from deploy_tasks.keeper import Keeper
from tests import waiting
from webapp.env import BASE

BIRTH = "import django; django.setup(); from tests.faults import crew; crew.serve()"


class Broker:
    """As much of a Celery application as a bell asks for; it loses every message."""

    def producer_or_acquire(self) -> AbstractContextManager[None]:
        return nullcontext()

    def send_task(self, name: str, args: Sequence[Any], **_: object) -> None:
        pass


class Crew(Broker):
    """What ``celery_app.app`` is to `deploy_tasks.bells`, and the threads that follow a bell."""

    def __init__(self) -> None:
        self.keeper = Keeper()
        self.threads: list[threading.Thread] = []

    def start(self) -> None:
        """From here on it hears every bell of this process."""
        bells.app = self  # type: ignore[assignment]
        self.keeper.start()

    def send_task(self, name: str, args: Sequence[Any], **_: object) -> None:
        work = {
            "deploy_tasks.tasks.conduct": conductor.conduct,
            "deploy_tasks.tasks.run_hosts": self.keeper.run_hosts,
            "deploy_tasks.tasks.probe_host": soaking.probe,
        }[name]
        thread = threading.Thread(target=_closing, name=name.rpartition(".")[2], args=(work, *args))
        self.threads.append(thread)
        thread.start()

    def stop(self) -> None:
        """As a warm shutdown does it."""
        self.keeper.stop()
        for thread in self.threads:
            thread.join(20)
        self.keeper.close()


def _closing(work: Any, rows: Any) -> None:
    try:
        work(rows)
    finally:
        connection.close()


class Nursery:
    """Forks workers: ``worker(failpoint="plan.committed:kill")`` gives a pid."""

    def __init__(self, log: Path) -> None:
        self._log = log
        self._workers: list[Worker] = []

    def __enter__(self) -> Self:
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-c", BIRTH],
                cwd=BASE,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
            )
        return self

    def __exit__(self, *_: object) -> None:
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.close()
        self._process.wait(20)
        self._process.stdout.close()

    def worker(
        self,
        *,
        failpoint: str = "",
        order: dict[str, Any] | None = None,
        settings: Mapping[str, float] | None = None,
    ) -> "Worker":
        """``order`` makes it a process that gives a `JobOrder`, and ends. ``settings`` are values
        of modules: ``deploy_tasks.leases.LEASE``."""
        assert self._process.stdin
        assert self._process.stdout
        wanted = {
            "database": str(connections["default"].settings_dict["NAME"]),
            "failpoint": failpoint,
            "order": order,
            "settings": dict(settings or {}),
        }
        self._process.stdin.write(json.dumps(wanted) + "\n")
        self._process.stdin.flush()
        born = Worker(int(self._process.stdout.readline()), self._log)
        self._workers.append(born)
        return born

    def end_all(self) -> None:
        while self._workers:
            self._workers.pop().end()


class Worker:
    def __init__(self, pid: int, log: Path) -> None:
        self.pid, self._log = pid, log

    @property
    def state(self) -> str:
        """Its letter in /proc, such as S or T (stopped); empty when it is gone."""
        try:
            return Path(f"/proc/{self.pid}/stat").read_text().rpartition(") ")[2][0]
        except (FileNotFoundError, ProcessLookupError):
            return ""

    @property
    def is_gone(self) -> bool:
        return self.state in ("", "Z", "X")

    def send(self, number: signal.Signals) -> None:
        os.kill(self.pid, number)

    def end(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            self.send(signal.SIGKILL)
        self.wait()

    def wait(self, seconds: float = 20) -> None:
        waiting.until(lambda: self.is_gone, f"worker {self.pid} is gone", seconds=seconds)

    def wait_until_frozen(self) -> None:
        waiting.until(lambda: self.state in "Tt" or self.is_gone, "it comes to its failpoint")
        assert not self.is_gone, self._log.read_text()


def hasten() -> Iterable[tuple[ModuleType, str, object]]:
    """What is looked at every few seconds, looked at sooner: module, name, value."""
    return (
        (keeper, "RENEW_EVERY", 0.3),
        (keeper, "LOOK_EVERY", 0.1),
        (reconciling, "RING_AGAIN", timedelta(seconds=1)),
        (conductor, "LOOK_AGAIN", timedelta(seconds=0.3)),
        (soaking, "EVERY", timedelta(seconds=0.3)),
    )


def serve() -> None:
    # Nobody waits for the workers: the kernel forgets them by itself.
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    for line in sys.stdin:
        pid = os.fork()
        if pid == 0:
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
            os.dup2(2, 1)
            try:
                _work(json.loads(line))
            finally:
                os._exit(0)
        print(pid, flush=True)


def _work(wanted: dict[str, Any]) -> None:
    connections["default"].settings_dict["NAME"] = wanted["database"]
    for module, name, value in hasten():
        setattr(module, name, value)
    for place, value in wanted["settings"].items():
        module_name, _, name = place.rpartition(".")
        setattr(import_module(module_name), name, value)
    # Where its threads are, for whoever looks into the nursery's log.
    faulthandler.register(signal.SIGUSR1, all_threads=True)
    if wanted["failpoint"]:
        failpoints.arm(wanted["failpoint"])
    if wanted["order"]:
        _give(wanted["order"])
        return
    crew = Crew()
    # Waited for and not handled: a handler that came while this thread has the lock of what it is
    # to set would wait for that for ever.
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    crew.start()
    signal.sigwait({signal.SIGTERM})
    ending.end_anyway()
    crew.stop()


def _give(order: dict[str, Any]) -> None:
    bells.app = Broker()  # type: ignore[assignment]
    orders.start_job(orders.JobOrder.model_validate(order), by=User.objects.get())
