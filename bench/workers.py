"""More workers: machines that share PostgreSQL and Valkey over TCP, and the artifacts' folder. The
first is this one; the second is behind a network link of its own.

Two workloads. Hosts that take their time show whether work is spread: the more workers, the more
hosts at a time. Hosts that keep both sides busy show the wall behind that: here the cores, which
workers, database and hosts share.
"""

import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from bench import workload
from bench.cpu import Cpu, cpu_of
from bench.figures import Figure
from bench.grounds import Grounds
from bench.machine import second
from bench.scene import Scene
from bench.workload import Step, Workload
from tests import postgres, waiting
from tests.e2e.world import Product
from tests.instances import Instance, free_port
from webapp import valkey

#: One step of two seconds.
PATIENT = Workload("patient", (Step("take-time", "sleep 2; echo done", lines=1),))
#: Host runs that one worker carries at a time.
THREADS = 12
#: Two workers together have to take no more than this share of one worker's time; what is left
#: by one is found by the other within a second.
BUDGET = 0.75


def measure(grounds: Grounds) -> list[Figure]:
    if not postgres.installed():
        print("no workers are measured: PostgreSQL's wheel is not installed", file=sys.stderr)
        return []
    directory = grounds.place("shared")
    directory.mkdir()
    with ExitStack() as ending:
        database_cpu = ending.enter_context(Cpu.group("database"))
        with database_cpu.joined():
            shared = ending.enter_context(grounds.up(_shared(directory)))
        product = ending.enter_context(grounds.own_product(**shared, PATCHWAVE_PROGRAMS="web,beat"))
        machines: list[list[str]] = [[], ending.enter_context(second())]
        site = Site(grounds, product, shared, machines, database_cpu)
        return [
            *_figures(_played(site, workload.UPDATE, hosts=100, threads=50), None),
            *_figures(_played(site, PATIENT, hosts=60, threads=THREADS), BUDGET),
        ]


@dataclass(frozen=True)
class Site:
    """A web process, what it shares with workers, and the words before a command on each machine
    that may become one."""

    grounds: Grounds
    product: Product
    shared: dict[str, str]
    machines: list[list[str]]
    database_cpu: Cpu


@dataclass(frozen=True)
class Spread:
    """A job of ``work`` on so many hosts and workers: ``wall`` and, by part, CPU in seconds."""

    work: str
    hosts: int
    workers: int
    wall: float
    cpu: dict[str, float]


def _figures(spreads: list[Spread], budget: float | None) -> list[Figure]:
    one = spreads[0]
    figures = []
    for run in spreads:
        figure = partial(Figure, "workers", hosts=run.hosts)
        part = f"{run.work}, {run.workers}"
        more = run is not one
        figures += [
            figure(
                "s",
                run.wall,
                part,
                peer="one worker" if more else "",
                theirs=one.wall if more else None,
                ratio=run.wall / one.wall if more else None,
                budget=budget if more else None,
            ),
            *(
                figure("ms/host", seconds / run.hosts * 1000, f"{part}, CPU of {whose}")
                for whose, seconds in run.cpu.items()
            ),
        ]
    return figures


def _played(site: Site, work: Workload, *, hosts: int, threads: int) -> list[Spread]:
    """One job with one worker, one with two."""
    found = []
    releases = ["warm-1", "r-1", "warm-2", "r-2"]
    with (
        ExitStack() as ending,
        Scene(site.grounds, work, hosts=hosts, releases=releases, product=site.product) as scene,
    ):
        workers: list[Instance] = []
        for count, machine in enumerate(site.machines, 1):
            with site.grounds.setting_up():
                workers.append(ending.enter_context(_worker(site, machine, threads)))
                scene.await_end(scene.order(f"warm-{count}", hosts=2 * THREADS))
                scene.clear()
            found.append(_run(scene, f"r-{count}", workers, site.database_cpu))
    return found


def _run(scene: Scene, release: str, workers: list[Instance], database: Cpu) -> Spread:
    pids = [worker.pid("worker") for worker in workers]
    cpu, rows, fleet = (
        sum(map(cpu_of, pids)),
        database.seconds() or 0.0,
        scene.grounds.fleet_cpu.seconds() or 0.0,
    )
    began = time.perf_counter()
    scene.await_end(scene.order(release, rollout={"parallel": scene.count, "canary": 0}))
    return Spread(
        scene.work.name,
        scene.count,
        len(workers),
        time.perf_counter() - began,
        {
            "workers": sum(map(cpu_of, pids)) - cpu,
            "database": (database.seconds() or 0.0) - rows,
            "hosts": (scene.grounds.fleet_cpu.seconds() or 0.0) - fleet,
        },
    )


@contextmanager
def _shared(directory: Path) -> Iterator[dict[str, str]]:
    """What all machines are told."""
    port = free_port()
    options = ["--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", str(directory)]
    # Who comes over the link is no longer loopback to it.
    options += ["--protected-mode", "no"]
    with (
        postgres.server(port=free_port()) as database,
        subprocess.Popen([valkey.program(), *options], stdout=subprocess.DEVNULL) as broker,
    ):
        try:
            yield {
                "PATCHWAVE_DATABASE_URL": database,
                "PATCHWAVE_REDIS_URL": f"redis://127.0.0.1:{port}",
            }
        finally:
            broker.terminate()


@contextmanager
def _worker(site: Site, machine: list[str], threads: int) -> Iterator[Instance]:
    """A machine that is a worker only, with the keys and the artifacts, as docs/INSTALL.md says."""
    web, home = site.product.instance, site.grounds.place("worker")
    shutil.copytree(web.home / "keys", home / "keys")
    (home / "artifacts").symlink_to(web.home / "artifacts")
    more = {"PATCHWAVE_PROGRAMS": "worker", "PATCHWAVE_WORKER_THREADS": str(threads)}
    worker = Instance(home, within=machine, **site.shared, **more)
    worker.start()
    try:
        waiting.until(lambda: web.get("/readyz")[0] == 200, "a worker is seen", seconds=60)
        yield worker
    finally:
        worker.stop()
