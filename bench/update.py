"""An update of N hosts: the product beside the bare pool, and other programs beside that."""

from collections.abc import Mapping
from pathlib import Path

from bench import others, workload
from bench.beside import Beside, alternate
from bench.figures import Figure
from bench.stage import Stage

#: By name: the program of ``bench/peers``, and what has to be installed for it.
PEERS = {
    "parallel-ssh": ("parallel", "requirements.txt"),
    "pyinfra": ("with_pyinfra", "requirements.txt"),
}
SLOW_PEERS = {"ansible-core": ("with_ansible", "requirements-all.txt")}


def measure(
    directory: Path,
    *,
    hosts: int,
    rounds: int = 5,
    peers: Mapping[str, tuple[str, str]] | None = None,
) -> list[Figure]:
    """``rounds`` of each after one that does not count; ``peers`` have one."""
    releases = [f"r{number}" for number in range(1 + rounds)]
    with Stage(directory, hosts=hosts, work=workload.UPDATE) as stage:
        stage.prepare(releases)
        beside = alternate(stage, releases, warm=1, check=lambda release: _check(stage, release))
        figures = beside.figures("update")
        for name, (program, requirements) in (peers or {}).items():
            if python := others.program("python", requirements=requirements):
                stage.clear()
                run = stage.peer(program, releases[-1], python)
                _check(stage, releases[-1])
                figures.append(
                    Figure(
                        "update",
                        "s",
                        beside.wall,
                        f"beside {name}",
                        hosts=hosts,
                        peer=name,
                        theirs=run.wall,
                        ratio=beside.wall / run.wall,
                    )
                )
    return figures


def once(directory: Path, *, hosts: int) -> Beside:
    """One round of each, cold."""
    with Stage(directory, hosts=hosts, work=workload.UPDATE) as stage:
        stage.prepare(["r0"])
        return alternate(stage, ["r0"], check=lambda release: _check(stage, release))


def _check(stage: Stage, release: str) -> None:
    right = workload.updated(stage.fleet.hosts, release, stage.payload)
    if right != stage.count:
        raise RuntimeError(f"{right} of {stage.count} hosts are updated on their disks")
