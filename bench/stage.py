"""Where a benchmark plays: a fleet of SSH hosts, one running product, and peers beside it."""

import hashlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import yaml

from bench import others, profiling, workload
from bench.cpu import Cpu
from bench.workload import Workload
from demo.fleet import Fleet
from tests.e2e.world import Product

#: Seconds. What takes longer has failed.
PATIENCE = 300
#: The API is asked so often whether a job is over (seconds).
LOOK_EVERY = 0.25


@dataclass(frozen=True)
class Run:
    """One round of one runner. ``cpu`` of the controlling side, ``fleet_cpu`` of the hosts', in
    seconds; None where this machine does not tell."""

    wall: float
    cpu: float | None
    fleet_cpu: float | None


class Stage:
    """``with Stage(directory, hosts=100, work=UPDATE) as stage:``"""

    def __init__(
        self,
        directory: Path,
        *,
        hosts: int,
        work: Workload,
        payload: int = workload.PAYLOAD,
        **settings: str,
    ) -> None:
        """``payload``: bytes of an artifact. ``settings``: ``PATCHWAVE_…`` of the product."""
        self.directory, self.count, self.work = directory, hosts, work
        self._payload = payload
        self._settings = settings
        self._ending = ExitStack()
        self._releases: list[str] = []

    def __enter__(self) -> Self:
        self.directory.mkdir(exist_ok=True)
        with ExitStack() as ending:
            self.fleet_cpu = ending.enter_context(Cpu.group("fleet"))
            with self.fleet_cpu.joined():
                self.fleet = ending.enter_context(Fleet(self.directory / "fleet", self.count))
            workload.make_ready(self.fleet.hosts)
            self.payload = workload.make_payload(self.directory, self._payload)
            with self.payload.open("rb") as payload:
                self._artifact = hashlib.file_digest(payload, "sha256").hexdigest()
            home = self.directory / "home"
            self.product = ending.enter_context(Product(home, **self._settings))
            self._ending = ending.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._ending.close()

    def prepare(self, releases: list[str], *, strangers: int = 0) -> None:
        """Make the fleet and a release for each round known to the product.

        ``strangers``: so many hosts more, which nobody will reach.
        """
        recipe = self.directory / f"{self.work.name}.yml"
        recipe.write_text(self.work.recipe())
        inventory = self.fleet.inventory(
            game=self.work.name,
            recipe=str(recipe),
            releases=[(release, self.payload) for release in releases],
        )
        known = inventory["hosts"][0]
        inventory["hosts"] += [
            known | {"name": f"stranger-{n}", "labels": {}, "vars": {}} for n in range(strangers)
        ]
        file = self.directory / "inventory.yml"
        file.write_text(yaml.safe_dump(inventory, sort_keys=False))
        self.product.cli("import", str(file))

    def order(self, release: str, **more: Any) -> int:
        """The id of a new job for the whole fleet."""
        order = {"game": self.work.name, "version": release, "all": True, **more}
        return int(self.product.post("/jobs", order)["id"])

    def ours(self, release: str) -> Run:
        """An order through the API, until the job is over and all its events are stored."""
        worker = Cpu.of_processes([self.product.instance.pid("worker")])
        with profiling.of(self.product.instance), self._measured(worker) as done:
            job = self.order(release)
            self.await_end(job)
            return done()

    def bare(self, release: str) -> Run:
        """The yardstick: paramiko alone."""
        return self.peer("bare", release)

    def peer(self, name: str, release: str, python: Path | None = None) -> Run:
        """A program of ``bench/peers``, from its start to its end. ``python``: not ours."""
        order = self.work.order(self.fleet, release, self.payload)
        with Cpu.group("peer") as group, self._measured(group) as done:
            with group.joined():
                program = subprocess.Popen(
                    [python or sys.executable, "-P", others.PEERS / f"{name}.py"],
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                )
            try:
                said, _ = program.communicate(order.encode(), timeout=PATIENCE)
            finally:
                program.kill()
            run = done()
        told = json.loads(said) if program.returncode == 0 else {}
        # Some do not say how many lines they got.
        wanted = {"hosts": self.count, "lines": self.count * self.work.lines}
        if {**wanted, **told} != wanted or "hosts" not in told:
            raise RuntimeError(f"{name} ended {program.returncode}: {told}")
        return run

    def clear(self) -> None:
        """Hosts as they were before the round; the artifact that the product left goes, too."""
        artifact = f".patchwave/artifacts/{self._artifact}"
        names = ["releases", "current", "incoming.tar", "seen", "healthy", artifact]
        left = [str(host.home / name) for host in self.fleet.hosts for name in names]
        subprocess.run(
            ["xargs", "-0", "rm", "-rf", "--"],
            input="\0".join(left),
            text=True,
            check=True,
            timeout=PATIENCE,
        )
        os.sync()

    @contextmanager
    def _measured(self, cpu: Cpu) -> Iterator[Callable[[], Run]]:
        before, fleet = cpu.seconds(), self.fleet_cpu.seconds()
        began = time.perf_counter()

        def done() -> Run:
            wall = time.perf_counter() - began
            return Run(wall, _less(cpu.seconds(), before), _less(self.fleet_cpu.seconds(), fleet))

        yield done

    def await_end(self, job: int) -> None:
        """Raises RuntimeError where it does not end well."""
        deadline = time.monotonic() + PATIENCE
        while (state := self.product.get(f"/jobs/{job}")["state"]) in ("waiting", "running"):
            if time.monotonic() > deadline:
                raise TimeoutError(f"job {job} is not over after {PATIENCE} s")
            time.sleep(LOOK_EVERY)
        if state != "succeeded":
            raise RuntimeError(f"job {job} ended as {state}")

    def await_hosts(self, job: int, **wanted: int) -> None:
        """Until so many hosts stand so."""
        deadline = time.monotonic() + PATIENCE
        while (counts := self.product.get(f"/jobs/{job}")["counts"]) | wanted != counts:
            if time.monotonic() > deadline:
                raise TimeoutError(f"the hosts of job {job} stand so: {counts}")
            time.sleep(LOOK_EVERY)


def _less(after: float | None, before: float | None) -> float | None:
    return None if after is None or before is None else after - before
