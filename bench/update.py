"""An update of N hosts: the product beside the bare pool, and other programs beside that."""

from collections.abc import Mapping

from bench import others, workload
from bench.beside import Beside, alternate
from bench.figures import Figure
from bench.grounds import Grounds
from bench.scene import Scene
from tests.e2e.world import Product

#: By name: the program of ``bench/peers``, and what has to be installed for it.
PEERS = {
    "parallel-ssh": ("parallel", "requirements.txt"),
    "pyinfra": ("with_pyinfra", "requirements.txt"),
}
SLOW_PEERS = {"ansible-core": ("with_ansible", "requirements-all.txt")}
#: Hosts of a round that does not count: caches and threads of a new product know an update then.
WARM = 50


def measure(
    grounds: Grounds,
    *,
    hosts: int,
    rounds: int = 5,
    peers: Mapping[str, tuple[str, str]] | None = None,
) -> list[Figure]:
    """``rounds`` of each; ``peers`` have one."""
    if not grounds.warm:
        once(grounds, hosts=WARM)
        grounds.warm = True
    releases = [f"r{number}" for number in range(rounds)]
    with Scene(grounds, workload.UPDATE, hosts=hosts, releases=releases) as scene:
        beside = alternate(scene, releases, check=lambda release: _check(scene, release))
        figures = beside.figures("update")
        for name, (program, requirements) in (peers or {}).items():
            with grounds.setting_up():
                python = others.program("python", requirements=requirements)
            if python:
                scene.clear()
                run = scene.peer(program, releases[-1], python)
                _check(scene, releases[-1])
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


def once(grounds: Grounds, *, hosts: int, product: Product | None = None) -> Beside:
    """One round of each."""
    with Scene(grounds, workload.UPDATE, hosts=hosts, releases=["r0"], product=product) as scene:
        return alternate(scene, ["r0"], check=lambda release: _check(scene, release))


def _check(scene: Scene, release: str) -> None:
    right = workload.updated(scene.hosts, release, scene.payload)
    if right != scene.count:
        raise RuntimeError(f"{right} of {scene.count} hosts are updated on their disks")
