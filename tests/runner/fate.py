"""What befalls a script of one host, its worker or its job while it runs."""

import os
import signal
import socket
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from demo.fleet import FleetHost
from demo.processes import gone
from deploy_tasks import orders, owner
from deploy_tasks.errors import OrderRefused
from deploy_tasks.models import HostRun
from deploy_tasks.orders.answering import Answer
from deploy_tasks.ssh import Session
from deploy_tasks.states import Pause
from tests.faults.host.slow import kill_runner
from tests.faults.jobs import mira
from tests.runner.model import Model
from tests.runner.told import Deed
from tests.runner.world import Worker, count
from tests.waiting import until

PAUSES = {
    "pause": Pause.STEP,
    "pause after host": Pause.HOST,
    "pause after batch": Pause.BATCH,
}

#: Connections by the name of their host.
Links = dict[str, Session]


class Fate:
    """``links``: the newest connection to each host."""

    def __init__(
        self, host: FleetHost, workers: list[Worker], model: Model, links: Links | None = None
    ) -> None:
        self.host, self.workers, self.model = host, workers, model
        self.ghosts: set[int] = set()
        self.links: Links = {} if links is None else links

    @property
    def hold(self) -> Path:
        return self.host.home / f"hold.{self.model.deed_at}"

    @property
    def run(self) -> HostRun:
        return HostRun.objects.filter(name=self.host.name).latest("pk")

    def befall(self, deed: Deed) -> None:
        """While its script runs."""
        so_far = self.model.lines[: self.model.deed_at]
        until(lambda: self.buried() and len(count(self.host)) >= len(so_far), f"{deed} begins")
        assert count(self.host) == so_far
        if deed.what == "kill":
            self._kill()
        elif deed.what == "cut":
            self.cut()
        elif deed.what == "another worker":
            self.workers[-1].stop()
            self.workers.append(Worker())
        else:
            self._wish(deed)
        self.hold.unlink()

    def _wish(self, deed: Deed) -> None:
        """Ordered while a script runs, until that has heard of it, or nobody is to tell it."""
        plan = self.host.home / ".patchwave/runs" / self.run.plan
        _number, script, *_ = (plan / "now").read_text().split()
        if deed.unheard:
            self.workers[-1].stop()
        self._order(deed)
        if deed.unheard:
            self.workers.append(Worker())
        if self.model.ended_by_deed:
            until(lambda: self.buried() and gone(int(script)), "it is ended")
        elif self.model.heard_of_deed:
            told = plan / ("pause" if deed.what == "pause" else "cancel")
            until(lambda: self.buried() and told.exists(), "its host heard of it")
        else:
            until(lambda: self.buried() and self._has_heard(), "its worker heard of it")

    def _order(self, deed: Deed) -> None:
        """Nobody can order what crosses it."""
        name, job = self.host.name, self.run.job
        self.is_refused(lambda: orders.retry(job, by=mira(), hosts=[name]))
        if deed.what in PAUSES and self.model.cancelled:
            self.is_refused(lambda: orders.pause(job, by=mira(), after=Pause.STEP))
        elif deed.what in PAUSES:
            orders.pause(job, by=mira(), after=PAUSES[deed.what])
        else:
            undo, force = deed.what != "cancel and leave", deed.what == "force"
            orders.cancel(job, by=mira(), undo=undo, force=force)
        self.is_refused(lambda: orders.retry(job, by=mira(), hosts=[name]))
        if self.model.state != "unknown":
            self.is_refused(lambda: self.answer("it_ran"))

    def answer(self, answer: Answer) -> None:
        orders.answer(self.run.job, by=mira(), hosts=[self.host.name], answer=answer)

    def _kill(self) -> None:
        """Its plan's runner and what that runs: also what a wait asks."""
        probe = self.host.home / ".patchwave/runs" / self.run.plan / "probe"
        asked = int(probe.read_text().split()[0]) if probe.exists() else 0
        kill_runner(self.run, self.host)
        if asked:
            with suppress(ProcessLookupError):
                os.kill(asked, signal.SIGKILL)

    def cut(self) -> None:
        with suppress(OSError):
            link = self.links[self.host.name]._wire._socket
            if link:
                link.shutdown(socket.SHUT_RDWR)

    def _has_heard(self) -> bool:
        run = self.run
        carried = [worker.keeper._carriages.get(run.pk) for worker in self.workers]
        return all(one.wish == run.wish for one in carried if one)

    def buried(self) -> bool:
        """A worker that is gone without a word is known to be dead."""
        run = self.run
        carried = any(run.pk in worker.keeper._carriages for worker in self.workers)
        if run.pk in self.ghosts and not carried and run.state == "running" and run.owner:
            self.ghosts.discard(run.pk)
            # Our id, at another time.
            dead = f"{owner.me().rpartition(':')[0]}:1"
            HostRun.objects.filter(pk=run.pk, owner=owner.me()).update(owner=dead, rung_at=None)
        return True

    def is_refused(self, order: Callable[[], object]) -> None:
        try:
            order()
        except OrderRefused:
            return
        raise AssertionError(f"not refused, with {self.model.lines}")
