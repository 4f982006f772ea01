"""What a fleet at work costs: much output, quiet steps, lines on their way to a browser."""

import asyncio
import math
import statistics
import time
from datetime import datetime
from functools import partial
from pathlib import Path

from bench import profiling, update, workload
from bench.beside import BARE
from bench.cpu import cpu_of
from bench.crowd import Crowd
from bench.figures import Figure
from bench.profiling import PROGRAMS
from bench.stage import Run, Stage
from bench.watchers import rss_of
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


def chatty(directory: Path, *, hosts: int = 50, rounds: int = 3) -> list[Figure]:
    """20,000 lines from each host, all stored and told to one watcher."""
    releases = [f"r{number}" for number in range(rounds)]
    ours: list[float] = []
    bare: list[Run] = []
    cpus: list[list[float]] = []
    with Stage(directory, hosts=hosts, work=workload.CHATTY) as stage:
        stage.prepare(releases)
        for release in releases:
            bare.append(stage.bare(release))
            instance = stage.product.instance
            before = [cpu_of(instance.pid(program)) for program in PROGRAMS]
            with profiling.of(instance):
                began = time.perf_counter()
                crowd = Crowd(instance.port, stage.order(release), [stage.product.token])
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


def latency(directory: Path, *, hosts: int = 100) -> list[Figure]:
    """From the moment in which a line is written on its host to its arrival at a watcher."""
    with Stage(directory, hosts=hosts, work=TICKING) as stage:
        stage.prepare(["r0"])
        order = {"game": TICKING.name, "version": "r0", "all": True}
        job = stage.product.post("/jobs", {**order, "rollout": {"parallel": hosts}})["id"]
        lags: list[float] = []
        with profiling.of(stage.product.instance), stage.product.follow(job) as story:
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


def idle(directory: Path, *, hosts: int = 300) -> list[Figure]:
    """What a worker needs for hosts that say nothing; the budget is a share of that for 1,000."""
    more = {"PATCHWAVE_WORKER_THREADS": str(hosts)}
    with Stage(directory, hosts=hosts, work=QUIET, **more) as stage:
        stage.prepare(["r0"])
        worker = stage.product.instance.pid("worker")
        alone = rss_of(worker)
        order = {"game": QUIET.name, "version": "r0", "all": True, "rollout": {"parallel": hosts}}
        job = stage.product.post("/jobs", order)["id"]
        stage.await_hosts(job, running=hosts)
        time.sleep(SETTLED)
        with profiling.of(stage.product.instance):
            cpu = cpu_of(worker)
            time.sleep(LOOKED)
            share, memory = (cpu_of(worker) - cpu) / LOOKED, rss_of(worker)
        for host in stage.fleet.hosts:
            (host.home / "go").touch()
        stage.await_end(job)
    part = hosts / 1000
    each, figure = (memory - alone) / hosts, partial(Figure, "idle", hosts=hosts)
    return [
        figure("MB", memory / 1e6, "a worker's memory"),
        figure("KB", each / 1e3, "memory for each of them"),
        figure("MB", (alone + 1000 * each) / 1e6, "1,000 hosts, by these", budget=IDLE_MEMORY),
        figure("cores", share, "a worker's CPU", budget=IDLE_CPU * part),
    ]


def scale(directory: Path, *, sizes: tuple[int, ...] = (50, 200, 800)) -> list[Figure]:
    """How an update grows with the fleet: 1 is in proportion."""
    walls, cpus = [], []
    figures = []
    for hosts in sizes:
        # As cold for one size as for another: only growth is looked for.
        at = directory / str(hosts)
        beside = update.once(at, hosts=hosts)
        walls.append(beside.wall)
        cpus.append((beside.cpu or math.nan) * hosts)
        figures += beside.figures("scale", budget=None, cpu_budget=None)
    return [
        *figures,
        Figure("scale", "", _exponent(sizes, walls), "exponent of the time"),
        Figure("scale", "", _exponent(sizes, cpus), "exponent of the worker's CPU"),
    ]


def start(directory: Path, *, hosts: int = 5000) -> list[Figure]:
    """How long whoever presses *Update* waits for the answer."""
    with Stage(directory, hosts=1, work=QUIET) as stage:
        stage.prepare(["r0"], strangers=hosts - 1)
        order = {
            "game": QUIET.name,
            "version": "r0",
            "all": True,
            "start_at": datetime.now().astimezone().replace(year=2099).isoformat(),
        }
        web = stage.product.instance.pid("web")
        with profiling.of(stage.product.instance):
            stage.product.post("/jobs/plan", order)  # loads what the first request of all loads
            cpu, began = cpu_of(web), time.perf_counter()
            stage.product.post("/jobs/plan", order)
            planned, planning = time.perf_counter(), cpu_of(web)
            stage.product.post("/jobs", order)
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
