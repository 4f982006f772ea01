"""``bin/bench``: see ``bin/bench -h``."""

import argparse
import json
import os
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import NoReturn

from bench import fleet_jobs, page, profiling, shapes, update, watchers, workers
from bench.figures import Figure, table
from bench.grounds import Grounds
from demo import openssh

Measure = Callable[[Grounds], list[Figure]]

#: Those that share a product come first.
ALL: Mapping[str, Measure] = {
    "update": partial(update.measure, hosts=100, peers=update.PEERS),
    "update-500": partial(update.measure, hosts=500),
    "chatty": fleet_jobs.chatty,
    "latency": fleet_jobs.latency,
    "start": fleet_jobs.start,
    "page": page.measure,
    "watchers": watchers.measure,
    "idle": fleet_jobs.idle,
    "scale": fleet_jobs.scale,
    "workers": workers.measure,
}
#: With --all: what goes further, and takes longer than all others together.
SLOW: Mapping[str, Measure] = {
    "shapes": shapes.measure,
    "ansible": partial(update.measure, hosts=100, rounds=1, peers=update.SLOW_PEERS),
}
#: Seconds for one, and for what it started to end.
LIMIT, TO_END = 360, 90


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="bench",
        description="Measure what Patchwave costs, beside bare paramiko in the same run, on hosts "
        "of its own. Wants a quiet machine. Ends with 1 where a budget does not hold.",
    )
    names = ", ".join([*ALL, *SLOW])
    parser.add_argument("name", nargs="*", help=f"only these: {names}")
    parser.add_argument("--all", action="store_true", help=f"also {', '.join(SLOW)}")
    parser.add_argument("--json", action="store_true", help="for machines")
    parser.add_argument(
        "--profile", type=Path, metavar="DIR", help="also write there where the time goes (py-spy)"
    )
    given = parser.parse_args()
    known = {**ALL, **SLOW}
    if strangers := set(given.name) - set(known):
        parser.error(f"there is no benchmark {', '.join(sorted(strangers))}")
    if not openssh.usable():
        _say("hosts are asyncssh's, for OpenSSH's server needs root here: compare no figures")
    begun = time.monotonic()
    with (
        tempfile.TemporaryDirectory(prefix="patchwave-bench-") as at,
        Grounds(Path(at)) as grounds,
    ):
        figures = [
            figure
            for name in given.name or (known if given.all else ALL)
            for figure in _measured(name, known[name], grounds, given.profile)
        ]
    if given.json:
        print(json.dumps([figure.as_json() for figure in figures]))
    else:
        print(table(figures))
        for name, files in profiling.written.items():
            print(f"{name}: profile in {', '.join(str(file) for file in files)}")
    _say(f"took {time.monotonic() - begun:.0f} s")
    raise SystemExit(any(figure.holds is False for figure in figures))


def _measured(name: str, measure: Measure, grounds: Grounds, profile: Path | None) -> list[Figure]:
    """Its figures; one that says why there are none, where it broke or took too long."""
    _say(f"{name} ...")
    if profile:
        profiling.into(profile, name)
    began, set_up = time.monotonic(), grounds.set_up_s
    signal.signal(signal.SIGALRM, _give_up)
    signal.alarm(LIMIT)
    try:
        figures = measure(grounds)
        return [_profiled(figure) for figure in figures] if profile else figures
    except Exception as error:  # noqa: BLE001  the others are measured all the same
        traceback.print_exc()
        # What it leaves is nothing to measure anything on.
        grounds.clear()
        return [Figure(name, "", None, failure=f"{type(error).__name__}: {error}"[:300])]
    finally:
        signal.alarm(0)
        took, set_up = time.monotonic() - began, grounds.set_up_s - set_up
        _say(f"{name}: {took - set_up:.0f} s of measuring, {set_up:.0f} s of set-up")


def _profiled(figure: Figure) -> Figure:
    return replace(figure, part=f"{figure.part} (profiled)".strip(), budget=None)


def _give_up(number: int, frame: object) -> NoReturn:
    """Once: what runs is ended in order. If that hangs as well, there is no order any more."""
    signal.signal(signal.SIGALRM, _break_off)
    signal.alarm(TO_END)
    raise TimeoutError(f"not over after {LIMIT} s")


def _break_off(number: int, frame: object) -> NoReturn:
    _say(f"what was started does not end within {TO_END} s; leaving it")
    os._exit(1)


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
