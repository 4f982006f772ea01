"""``bin/bench``: see ``bin/bench -h``."""

import argparse
import json
import sys
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path

from bench import fleet_jobs, update, watchers
from bench.figures import Figure, table
from tests.instances import Instance

Measure = Callable[[Path], list[Figure]]


def _watchers(directory: Path) -> list[Figure]:
    instance = Instance(directory / "home").start()
    try:
        figures = []
        for count in (100, 1000):
            heard = watchers.busy(instance, watchers=count)
            if heard["holes"] or heard["doubles"]:
                raise RuntimeError(f"not every watcher was told all, once: {heard}")
            name = f"watchers, {count} on a busy job"
            figures.append(Figure(f"{name}: p99", "s", heard["lag_p99_s"], budget=1.0))
            figures.append(Figure(f"{name}: web's CPU", "cores", heard["web_cpu"]))
        quiet = watchers.idle(instance)
        figures.append(Figure("watchers, 5,000 idle: each", "KiB", quiet["kib_each"], budget=1024))
        return figures
    finally:
        instance.stop()


ALL: Mapping[str, Measure] = {
    "update": lambda at: update.measure(at, hosts=100),
    "update-500": lambda at: update.measure(at, hosts=500),
    "chatty": fleet_jobs.chatty,
    "latency": fleet_jobs.latency,
    "watchers": _watchers,
    "start": fleet_jobs.start,
    "idle": fleet_jobs.idle,
    "scale": fleet_jobs.scale,
}


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="bench",
        description="Measure what Patchwave costs, beside bare paramiko in the same run, on hosts "
        "of its own. Wants a quiet machine. Ends with 1 where a budget does not hold.",
    )
    parser.add_argument("name", nargs="*", help=f"only these: {', '.join(ALL)}")
    parser.add_argument("--json", action="store_true", help="for machines")
    given = parser.parse_args()
    if strangers := set(given.name) - set(ALL):
        parser.error(f"there is no benchmark {', '.join(sorted(strangers))}")
    figures: list[Figure] = []
    for name in given.name or ALL:
        print(f"{name} ...", file=sys.stderr, flush=True)
        with tempfile.TemporaryDirectory(prefix="patchwave-bench-") as at:
            figures += ALL[name](Path(at))
    if given.json:
        print(json.dumps([figure.as_json() for figure in figures], indent=1))
    else:
        print(table(figures))
    raise SystemExit(any(figure.holds is False for figure in figures))


if __name__ == "__main__":
    main()
