"""An update of N hosts: the product beside the bare pool, in turn."""

import math
import statistics
from collections.abc import Callable, Mapping
from pathlib import Path

from bench import others, workload
from bench.figures import Figure
from bench.stage import Run, Stage

#: A share of the bare pool's time; CPU in milliseconds for a host.
BUDGET, CPU_BUDGET = 1.0, 10.0


#: By name: the program of ``bench/peers``, and what has to be installed for it.
PEERS = {
    "parallel-ssh": ("parallel", "requirements.txt"),
    "pyinfra": ("with_pyinfra", "requirements.txt"),
}
SLOW_PEERS = {"ansible-core": ("with_ansible", "requirements-all.txt")}


def measure(
    directory: Path,
    *,
    hosts: int = 100,
    rounds: int = 5,
    warm: int = 1,
    peers: Mapping[str, tuple[str, str]] | None = None,
) -> list[Figure]:
    """``rounds`` of each, alternating, so that both meet the same machine, after ``warm`` ones for
    the caches of both sides. ``peers`` beside the bare pool have one round."""
    releases = [f"r{number}" for number in range(warm + rounds)]
    ours: list[Run] = []
    bare: list[Run] = []
    theirs: dict[str, Run] = {}
    with Stage(directory, hosts=hosts, work=workload.UPDATE) as stage:
        stage.prepare(releases)
        for number, release in enumerate(releases):
            for runner, runs in ((stage.bare, bare), (stage.ours, ours)):
                run = _round(stage, lambda: runner(release), release)  # noqa: B023  called at once
                if number >= warm:
                    runs.append(run)
        for name, (program, requirements) in (peers or {}).items():
            if python := others.program("python", requirements=requirements):
                theirs[name] = _round(
                    stage,
                    lambda: stage.peer(program, release, python),  # noqa: B023
                    release,
                )
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
        *(_beside(f"{name}: {peer}", ours, run) for peer, run in theirs.items()),
    ]


def _round(stage: Stage, work: Callable[[], Run], release: str) -> Run:
    """One round of one runner; raises RuntimeError where the hosts' disks say otherwise."""
    stage.clear()
    run = work()
    right = workload.updated(stage.fleet.hosts, release, stage.payload)
    if right != stage.count:
        raise RuntimeError(f"{right} of {stage.count} hosts are updated on their disks")
    return run


def _beside(name: str, ours: list[Run], peer: Run) -> Figure:
    wall = _median(ours, "wall") or math.nan
    return Figure(name, "s", wall, peer.wall, wall / peer.wall)


def _median(runs: list[Run], name: str) -> float | None:
    found = [value for run in runs if (value := getattr(run, name)) is not None]
    return statistics.median(found) if found else None


def _each(runs: list[Run], name: str, hosts: int) -> float | None:
    total = _median(runs, name)
    return None if total is None else total / hosts * 1000
