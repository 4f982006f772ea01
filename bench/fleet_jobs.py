"""What a fleet at work costs: much output, quiet steps, lines on their way to a browser."""

import asyncio
import math
import statistics
import time
from datetime import datetime
from functools import partial

from bench import memory, profiling, update, workload
from bench.beside import BARE
from bench.cpu import cpu_of
from bench.crowd import Crowd
from bench.figures import Figure
from bench.grounds import Grounds
from bench.profiling import PROGRAMS
from bench.scene import Run, Scene
from bench.workload import Step, Workload

CHATTY_BUDGET = 3.0
START_BUDGET = 2.0
#: Seconds, half of the lines and 99 of 100.
LAG_BUDGETS = (0.05, 0.25)
#: Of 1,000 hosts in a quiet step, on one worker: MB, and a share of a core.
IDLE_MEMORY, IDLE_CPU = 200.0, 0.05
#: Seconds of a quiet step in which nothing is measured, and then what is: each host is asked for
#: its runner every 30.
SETTLED, LOOKED = 10.0, 30.0

#: Five lines a second, each the moment in which it was written.
TICKING = Workload(
    "ticking",
    (Step("tick", "i=0; while [ $i -lt 100 ]; do date +%s.%N; sleep .2; i=$((i+1)); done"),),
)
QUIET = Workload("quiet", (Step("wait", "while [ ! -e go ]; do sleep 5; done"),))


def chatty(grounds: Grounds, *, hosts: int = 50, rounds: int = 3) -> list[Figure]:
    """20,000 lines from each host, all stored and told to one watcher."""
    releases = [f"r{number}" for number in range(rounds)]
    ours: list[float] = []
    bare: list[Run] = []
    cpus: list[list[float]] = []
    with Scene(grounds, workload.CHATTY, hosts=hosts, releases=releases) as scene:
        for release in releases:
            bare.append(scene.bare(release))
            instance = scene.product.instance
            before = [cpu_of(instance.pid(program)) for program in PROGRAMS]
            with profiling.of(instance):
                began = time.perf_counter()
                crowd = Crowd(instance.port, scene.order(release), [scene.product.token])
                asyncio.run(_to_the_end(crowd))
                ours.append(time.perf_counter() - began)
            cpus.append(
                [
                    cpu_of(instance.pid(program)) - used
                    for program, used in zip(PROGRAMS, before, strict=True)
                ]
            )
            if crowd.tally.holes or crowd.tally.doubles:
                raise RuntimeError(f"the watcher was not told all, once: {crowd.tally}")
    figure = partial(Figure, "chatty", hosts=hosts)
    peer = statistics.median(run.wall for run in bare)
    ratio = statistics.median(a / b.wall for a, b in zip(ours, bare, strict=True))
    return [
        # The budget is in seconds, and the ratio for whoever has another machine.
        figure(
            "s",
            statistics.median(ours),
            peer=BARE,
            theirs=peer,
            ratio=ratio,
            budget=CHATTY_BUDGET,
            absolute=True,
        ),
        *(
            figure("s", statistics.median(of), f"CPU of {program}")
            for program, of in zip(PROGRAMS, zip(*cpus, strict=True), strict=True)
        ),
    ]


def latency(grounds: Grounds, *, hosts: int = 100) -> list[Figure]:
    """From the moment in which a line is written on its host to its arrival at a watcher."""
    with Scene(grounds, TICKING, hosts=hosts, releases=["r0"]) as scene:
        job = scene.order("r0", rollout={"parallel": hosts})
        lags: list[float] = []
        with profiling.of(scene.product.instance), scene.product.follow(job) as story:
            while story.ended is None:
                item = story.until(lambda item: item["k"] in ("output", "job"))
                if item["k"] == "job" and item["to"] != "running":
                    break
                now = time.time()
                lags += [now - float(line) for line in item.get("d", "").split()]
    lags.sort()
    figure = partial(Figure, "latency", "s", hosts=hosts)
    return [
        figure(statistics.median(lags), "p50", budget=LAG_BUDGETS[0]),
        figure(lags[int(len(lags) * 0.99)], "p99", budget=LAG_BUDGETS[1]),
    ]


def idle(grounds: Grounds, *, hosts: int = 1000) -> list[Figure]:
    """What a worker needs for hosts that say nothing."""
    with (
        grounds.own_product(PATCHWAVE_WORKER_THREADS=str(hosts)) as product,
        Scene(grounds, QUIET, hosts=hosts, releases=["r0"], product=product) as scene,
    ):
        worker = product.instance.pid("worker")
        alone = memory.rss_of(worker)
        with grounds.setting_up():
            job = scene.order("r0", rollout={"parallel": hosts})
            scene.await_hosts(job, running=hosts)
        time.sleep(SETTLED)
        with profiling.of(product.instance):
            cpu = cpu_of(worker)
            time.sleep(LOOKED)
            share, held = (cpu_of(worker) - cpu) / LOOKED, memory.rss_of(worker)
        with grounds.setting_up():
            for host in scene.hosts:
                (host.home / "go").touch()
            scene.await_end(job)
    figure = partial(Figure, "idle", hosts=hosts)
    return [
        figure("MB", held / 1e6, "a worker's memory", budget=IDLE_MEMORY),
        figure("MB", alone / 1e6, "of it before the first host"),
        figure("KB", (held - alone) / hosts / 1e3, "for each host"),
        figure("cores", share, "a worker's CPU", budget=IDLE_CPU),
    ]


def scale(grounds: Grounds, *, sizes: tuple[int, ...] = (50, 200, 800)) -> list[Figure]:
    """How an update grows with the fleet: 1 is in proportion."""
    walls, cpus, peaks = [], [], []
    figures = []
    with grounds.own_product() as product:
        # As warm for the first size as for those after it.
        update.once(grounds, hosts=sizes[0], product=product)
        worker = product.instance.pid("worker")
        for hosts in sizes:
            memory.forget_peak(worker)
            beside = update.once(grounds, hosts=hosts, product=product)
            walls.append(beside.wall)
            cpus.append((beside.cpu or math.nan) * hosts)
            peaks.append(float(memory.peak_of(worker)))
            figures += beside.figures("scale", budget=None, cpu_budget=None)
            figures.append(
                Figure("scale", "MB", peaks[-1] / 1e6, "worker's memory at its peak", hosts=hosts)
            )
    return [
        *figures,
        *(
            Figure("scale", "", _exponent(sizes, values), f"exponent of the {of}")
            for of, values in (
                ("time", walls),
                ("worker's CPU", cpus),
                ("worker's memory", peaks),
            )
        ),
    ]


def start(grounds: Grounds, *, hosts: int = 5000) -> list[Figure]:
    """How long whoever presses *Update* waits for the answer."""
    with Scene(grounds, QUIET, hosts=1, releases=["r0"], strangers=hosts - 1) as scene:
        order = {
            "game": scene.game,
            "version": "r0",
            "all": True,
            "start_at": datetime.now().astimezone().replace(year=2099).isoformat(),
        }
        product = scene.product
        web = product.instance.pid("web")
        with profiling.of(product.instance):
            product.post("/jobs/plan", order)  # loads what the first request of all loads
            cpu, began = cpu_of(web), time.perf_counter()
            product.post("/jobs/plan", order)
            planned, planning = time.perf_counter(), cpu_of(web)
            product.post("/jobs", order)
            took, starting = time.perf_counter() - planned, cpu_of(web)
    figure = partial(Figure, "start", "s", hosts=hosts)
    return [
        figure(took, budget=START_BUDGET),
        figure(starting - planning, "web's CPU"),
        figure(planned - began, "its plan"),
        figure(planning - cpu, "its plan, web's CPU"),
    ]


async def _to_the_end(crowd: Crowd) -> None:
    await crowd.gather(1)
    await crowd.to_the_end()


def _exponent(sizes: tuple[int, ...], values: list[float]) -> float:
    """Slope of the line through the logarithms (least squares)."""
    xs, ys = [math.log(size) for size in sizes], [math.log(value) for value in values]
    return statistics.linear_regression(xs, ys).slope
