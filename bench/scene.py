"""One workload on some hosts of the fleet: rounds of the product, and of others beside it."""

import hashlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import yaml

from bench import others, profiling, workload
from bench.cpu import Cpu
from bench.grounds import Grounds
from bench.workload import Workload
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


class Scene:
    """``with Scene(grounds, UPDATE, hosts=100, releases=["r0"]) as scene:`` — a game of its own."""

    def __init__(
        self,
        grounds: Grounds,
        work: Workload,
        *,
        hosts: int,
        releases: Sequence[str],
        product: Product | None = None,
        payload: int = workload.PAYLOAD,
        strangers: int = 0,
    ) -> None:
        """``hosts``: the first so many of the fleet. ``releases``: one for each round. ``product``:
        not the shared one. ``payload``: bytes of an artifact. ``strangers``: so many hosts more,
        which nobody will reach."""
        self.grounds, self.work, self.count = grounds, work, hosts
        self.hosts = grounds.fleet.hosts[:hosts]
        self.product = product or grounds.product
        with grounds.setting_up():
            self.payload = grounds.payload(payload)
            with self.payload.open("rb") as file:
                self._artifact = hashlib.file_digest(file, "sha256").hexdigest()
            self._make_known(releases, strangers)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        with self.grounds.setting_up():
            self.clear()

    def _make_known(self, releases: Sequence[str], strangers: int) -> None:
        """Its game, with hosts and releases, is imported."""
        place = self.grounds.place(self.work.name)
        place.mkdir()
        self.game = place.name
        recipe, file = place / "recipe.yml", place / "inventory.yml"
        recipe.write_text(self.work.recipe())
        inventory = self.grounds.fleet.inventory(
            game=self.game,
            recipe=str(recipe),
            releases=[(release, self.payload) for release in releases],
        )
        known = inventory["hosts"][: self.count]
        known += [known[0]] * strangers
        inventory["hosts"] = [
            host | {"name": self._name(number), "labels": {}, "vars": {}}
            for number, host in enumerate(known, 1)
        ]
        file.write_text(yaml.safe_dump(inventory, sort_keys=False))
        self.product.cli("import", str(file))

    def order(self, release: str, *, hosts: int = 0, **more: Any) -> int:
        """The id of a new job for all its hosts, or the first so many."""
        names = [self._name(number) for number in range(1, hosts + 1)]
        wanted = {"hosts": names} if names else {"all": True}
        order = {"game": self.game, "version": release, **wanted, **more}
        return int(self.product.post("/jobs", order)["id"])

    def _name(self, number: int) -> str:
        return f"{self.game}-{number}"

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
        order = self.work.order(self.grounds.fleet, self.hosts, release, self.payload)
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
        left = [str(host.home / name) for host in self.hosts for name in names]
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
        fleet_cpu = self.grounds.fleet_cpu
        before, fleet = cpu.seconds(), fleet_cpu.seconds()
        began = time.perf_counter()

        def done() -> Run:
            wall = time.perf_counter() - began
            return Run(wall, _less(cpu.seconds(), before), _less(fleet_cpu.seconds(), fleet))

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
