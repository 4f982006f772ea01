"""Work of other shapes than an update: many tiny steps, large artifacts, hosts that take their
time, hosts that do not answer."""

import time
from pathlib import Path

from bench import workload
from bench.beside import BUDGET, alternate
from bench.figures import Figure
from bench.stage import Stage
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


def measure(directory: Path) -> list[Figure]:
    directory.mkdir(exist_ok=True)
    return [
        *_beside(directory, TINY, hosts=100),
        *_beside(directory, UNEVEN, hosts=100),
        *_beside(directory, LARGE, hosts=8, payload=BIG),
        _silent(directory / "silent", hosts=112),
    ]


def _beside(
    directory: Path, work: Workload, *, hosts: int, payload: int = workload.PAYLOAD
) -> list[Figure]:
    """Three rounds of each. The bare pool checks statuses and lines; so does a job's success."""
    releases = ["r0", "r1", "r2"]
    with Stage(directory / work.name, hosts=hosts, work=work, payload=payload) as stage:
        stage.prepare(releases)
        beside = alternate(stage, releases, check=lambda release: None)
    return beside.figures(f"shapes {work.name}", budget=BUDGET, cpu_budget=None)


def _silent(directory: Path, *, hosts: int) -> Figure:
    """One server of the fleet takes connections and says nothing: until all others are through."""
    with Stage(directory, hosts=hosts, work=workload.UPDATE) as stage:
        stage.prepare(["warm", "well", "ill"])
        stage.ours("warm")
        well = _until_updated(stage, "well", hosts)
        silent = [host for host in stage.fleet.hosts if host.group == 0]
        stage.fleet.freeze()
        try:
            ill = _until_updated(stage, "ill", hosts - len(silent))
        finally:
            stage.fleet.thaw()
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


def _until_updated(stage: Stage, release: str, hosts: int) -> float:
    stage.clear()
    began = time.perf_counter()
    job = stage.order(release, rollout={"canary": 0, "parallel": 50, "max_failed": hosts})
    stage.await_hosts(job, succeeded=hosts)
    return time.perf_counter() - began
