"""An update of N hosts: the product beside the bare pool, in turn."""

import statistics
from pathlib import Path

from bench import workload
from bench.figures import Figure
from bench.stage import Run, Stage

#: A share of the bare pool's time; CPU in milliseconds for a host.
BUDGET, CPU_BUDGET = 1.0, 10.0


def measure(directory: Path, *, hosts: int = 100, rounds: int = 5) -> list[Figure]:
    """``rounds`` of each, alternating, so that both meet the same machine."""
    releases = [f"r{number}" for number in range(rounds + 1)]
    ours: list[Run] = []
    bare: list[Run] = []
    with Stage(directory, hosts=hosts, work=workload.UPDATE) as stage:
        stage.prepare(releases)
        for number, release in enumerate(releases):
            for runner, runs in ((stage.bare, bare), (stage.ours, ours)):
                stage.clear()
                run = runner(release)
                right = workload.updated(stage.fleet.hosts, release, stage.payload)
                if right != hosts:
                    raise RuntimeError(f"{right} of {hosts} hosts are updated on their disks")
                # The first round warms up caches on both sides.
                if number:
                    runs.append(run)
    ratio = statistics.median(a.wall / b.wall for a, b in zip(ours, bare, strict=True))
    name = f"update, {hosts} hosts"
    return [
        Figure(name, "s", _median(ours, "wall"), _median(bare, "wall"), ratio, BUDGET),
        Figure(
            f"{name}: worker's CPU",
            "ms/host",
            _each(ours, "cpu", hosts),
            _each(bare, "cpu", hosts),
            None,
            CPU_BUDGET,
        ),
        Figure(
            f"{name}: hosts' CPU",
            "ms/host",
            _each(ours, "fleet_cpu", hosts),
            _each(bare, "fleet_cpu", hosts),
            None,
            None,
        ),
    ]


def _median(runs: list[Run], name: str) -> float | None:
    found = [value for run in runs if (value := getattr(run, name)) is not None]
    return statistics.median(found) if found else None


def _each(runs: list[Run], name: str, hosts: int) -> float | None:
    total = _median(runs, name)
    return None if total is None else total / hosts * 1000
