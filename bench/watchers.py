"""Watchers of one made-up job: many while it is busy, many while it is quiet.

Each scene takes a running instance and gives figures by name. An instance can serve about as many
watchers as files may be open (``ulimit -n``).
"""

import asyncio
import resource
import statistics
import time
from collections.abc import Callable, Coroutine
from typing import Any

from bench import profiling
from bench.cpu import cpu_of
from bench.crowd import Crowd, Tally
from bench.figures import Figure
from bench.grounds import Grounds
from bench.memory import rss_of
from tests.instances import Instance
from tests.told import Told, telling

Figures = dict[str, float]
#: Seconds from a commit to the slowest but one of a hundred.
LAG_BUDGET = 1.0
#: People who watch; each has several windows open.
READERS = 50


def measure(grounds: Grounds) -> list[Figure]:
    # An instance of its own, which has served nobody yet: what a watcher takes would come from
    # what others have left.
    instance = Instance(grounds.place("home"))
    grounds.end_product()
    with grounds.setting_up():
        instance.start()
    try:
        quiet = idle(instance, watchers=most_watchers())
        part = f"{quiet['watchers']:,.0f} idle"
        figures = [
            Figure("watchers", "KiB", quiet["kib_each"], f"{part}, each"),
            Figure("watchers", "cores", quiet["web_cpu"], f"{part}, web's CPU"),
        ]
        for count in (100, 1000):
            with profiling.of(instance):
                heard = busy(instance, watchers=count)
            if heard["holes"] or heard["doubles"] or heard["behind"]:
                raise RuntimeError(f"not every watcher was told all, once: {heard}")
            part = f"{count:,} on a busy job"
            figures += [
                Figure("watchers", "s", heard["lag_p99_s"], f"{part}, p99", budget=LAG_BUDGET),
                Figure("watchers", "cores", heard["web_cpu"], f"{part}, web's CPU"),
            ]
        return figures
    finally:
        with grounds.setting_up():
            instance.stop()


def most_watchers(wanted: int = 5000) -> int:
    """As many as files may be open here, if that is less."""
    _allow_many_connections()
    soft, _hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    return min(wanted, soft - 500)


def busy(
    instance: Instance,
    *,
    watchers: int = 1000,
    hosts: int = 100,
    rate: float = 500,
    lines: int = 5000,
) -> Figures:
    """``rate`` lines a second, of all hosts together, from their commit to every watcher."""

    async def scene(told: Told, crowd: Crowd) -> Figures:
        came_in = await crowd.gather(watchers)
        cpu, begun = cpu_of(web), time.monotonic()
        told.go()
        await crowd.to_the_end()
        share = (cpu_of(web) - cpu) / (time.monotonic() - begun)
        return {"came_in_s": came_in, "web_cpu": share}

    web = instance.pid("web")
    return _played(scene, instance, hosts=hosts, rate=rate, lines=lines)


def idle(instance: Instance, *, watchers: int = 5000, seconds: float = 20) -> Figures:
    """What each of them costs while nothing happens. The first one is not counted."""

    async def scene(told: Told, crowd: Crowd) -> Figures:
        await crowd.gather(1)
        alone = rss_of(web)
        came_in = await crowd.gather(watchers)
        cpu = cpu_of(web)
        await asyncio.sleep(seconds)
        figures = {
            "came_in_s": came_in,
            "web_cpu": (cpu_of(web) - cpu) / seconds,
            "web_rss_mb": rss_of(web) / 1e6,
            "kib_each": (rss_of(web) - alone) / 1024 / watchers,
        }
        told.go()
        await crowd.to_the_end()
        return figures

    web = instance.pid("web")
    return _played(scene, instance, hosts=1, rate=100, lines=10)


Scene = Callable[[Told, Crowd], Coroutine[Any, Any, Figures]]


def _played(scene: Scene, instance: Instance, **story: Any) -> Figures:
    _allow_many_connections()
    with telling(instance, **story, readers=READERS) as told:
        crowd = Crowd(instance.port, told.job, told.tokens)
        figures = asyncio.run(scene(told, crowd))
        return figures | {"watchers": len(crowd.watchers)} | _heard(crowd.tally)


def _heard(tally: Tally) -> Figures:
    lags = sorted(tally.lags)
    return {
        "frames": tally.frames,
        "mb": tally.bytes / 1e6,
        "holes": tally.holes,
        "doubles": tally.doubles,
        "behind": tally.behind,
        "lag_p50_s": statistics.median(lags),
        "lag_p99_s": lags[int(len(lags) * 0.99)],
        "lag_max_s": lags[-1],
    }


def _allow_many_connections() -> None:
    _soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
