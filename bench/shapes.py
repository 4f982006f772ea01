"""Work of other shapes than an update: many tiny steps, large artifacts, hosts that take their
time, hosts that do not answer."""

import time

from bench import workload
from bench.beside import BUDGET, alternate
from bench.figures import Figure
from bench.grounds import Grounds
from bench.scene import Scene
from bench.workload import Step, Workload

TINY = Workload("tiny", tuple(Step(f"step-{n}", f"echo {n}", lines=1) for n in range(30)))
LARGE = Workload(
    "large", (Step("upload", upload=True), Step("sum", "sha256sum {artifact}", lines=1))
)
#: By its address: most within a second, one of ten in more than five.
UNEVEN = Workload(
    "uneven",
    (
        Step("work", 'h=${HOME##*.}; sleep "$((h % 10 / 9 * 5)).$((h % 7))"; echo done', lines=1),
        Step("look", "echo well", lines=1),
    ),
)
#: Of the time that the same hosts take without silent ones beside them.
SILENT_BUDGET = 1.25
#: Bytes of an artifact.
BIG = 256 << 20


def measure(grounds: Grounds) -> list[Figure]:
    return [
        *_beside(grounds, TINY, hosts=100),
        *_beside(grounds, UNEVEN, hosts=100),
        *_beside(grounds, LARGE, hosts=8, payload=BIG),
        _silent(grounds, hosts=112),
    ]


def _beside(
    grounds: Grounds, work: Workload, *, hosts: int, payload: int = workload.PAYLOAD
) -> list[Figure]:
    """Three rounds of each. The bare pool checks statuses and lines; so does a job's success."""
    releases = ["r0", "r1", "r2"]
    with Scene(grounds, work, hosts=hosts, releases=releases, payload=payload) as scene:
        beside = alternate(scene, releases, check=lambda release: None)
    return beside.figures(f"shapes {work.name}", budget=BUDGET, cpu_budget=None)


def _silent(grounds: Grounds, *, hosts: int) -> Figure:
    """One server of the fleet takes connections and says nothing: until all others are through."""
    releases = ["warm", "well", "ill"]
    with Scene(grounds, workload.UPDATE, hosts=hosts, releases=releases) as scene:
        scene.ours("warm")
        well = _until_updated(scene, "well", hosts)
        silent = [host for host in scene.hosts if host.group == 0]
        grounds.fleet.freeze()
        try:
            ill = _until_updated(scene, "ill", hosts - len(silent))
        finally:
            grounds.fleet.thaw()
    return Figure(
        "shapes silent",
        "s",
        ill,
        f"{len(silent)} silent",
        hosts=hosts,
        peer="none silent",
        theirs=well,
        ratio=ill / well,
        budget=SILENT_BUDGET,
    )


def _until_updated(scene: Scene, release: str, hosts: int) -> float:
    scene.clear()
    began = time.perf_counter()
    job = scene.order(release, rollout={"canary": 0, "parallel": 50, "max_failed": hosts})
    scene.await_hosts(job, succeeded=hosts)
    return time.perf_counter() - began
