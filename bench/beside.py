"""The product beside the bare pool: the same work on the same fleet, in turn."""

import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial

from bench.figures import Figure
from bench.scene import Run, Scene

#: The peer of all peers: paramiko, 50 threads, nothing stored and nothing shown.
BARE = "bare pool"
#: A share of the bare pool's time; CPU in milliseconds for a host.
BUDGET, CPU_BUDGET = 1.0, 10.0


@dataclass
class Beside:
    """Rounds of both, each of ours with the bare one before it."""

    hosts: int
    ours: list[Run] = field(default_factory=list)
    bare: list[Run] = field(default_factory=list)

    @property
    def wall(self) -> float:
        """Seconds, the median of ours."""
        return statistics.median(run.wall for run in self.ours)

    @property
    def cpu(self) -> float | None:
        """Milliseconds of a worker for each host."""
        return self._each(self.ours, "cpu")

    @property
    def ratio(self) -> float:
        pairs = zip(self.ours, self.bare, strict=True)
        return statistics.median(ours.wall / bare.wall for ours, bare in pairs)

    def figures(
        self, name: str, *, budget: float | None = BUDGET, cpu_budget: float | None = CPU_BUDGET
    ) -> list[Figure]:
        figure = partial(Figure, name, hosts=self.hosts, peer=BARE)
        wall = statistics.median(run.wall for run in self.bare)
        return [
            figure("s", self.wall, theirs=wall, ratio=self.ratio, budget=budget),
            figure(
                "ms/host",
                self.cpu,
                "worker's CPU",
                theirs=self._each(self.bare, "cpu"),
                budget=cpu_budget,
            ),
            figure(
                "ms/host",
                self._each(self.ours, "fleet_cpu"),
                "hosts' CPU",
                theirs=self._each(self.bare, "fleet_cpu"),
            ),
        ]

    def _each(self, runs: Sequence[Run], name: str) -> float | None:
        found = [value for run in runs if (value := getattr(run, name)) is not None]
        return statistics.median(found) / self.hosts * 1000 if found else None


def alternate(scene: Scene, releases: Sequence[str], *, check: Callable[[str], None]) -> Beside:
    """A round of each for every release: both meet the same machine. ``check`` raises where the
    hosts' disks say that a release did not get there."""
    found = Beside(scene.count)
    for release in releases:
        for runner, runs in ((scene.bare, found.bare), (scene.ours, found.ours)):
            scene.clear()
            runs.append(runner(release))
            check(release)
    return found
