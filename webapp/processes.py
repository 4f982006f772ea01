"""Processes of an instance that outlived their supervisor.

deploy/program writes who it becomes into one ``NAME.process`` below the run directory each.
"""

import contextlib
import os
import signal
import time
from pathlib import Path

from deploy_tasks import owner


def recorded(run_dir: Path) -> list[str]:
    """What the programs of this run directory last called themselves, as in deploy_tasks.owner."""
    return [path.read_text().strip() for path in sorted(run_dir.glob("*.process"))]


def end(processes: list[str], *, within: float) -> None:
    """Ask them to end, and after ``within`` seconds make them. Returns when none lives."""
    _signal(processes, signal.SIGTERM)
    if not _ended(processes, within=within):
        _signal(processes, signal.SIGKILL)
        _ended(processes, within=5)


def _signal(processes: list[str], number: signal.Signals) -> None:
    for process in filter(owner.lives, processes):
        with contextlib.suppress(ProcessLookupError):
            os.kill(int(process.split(":")[1]), number)


def _ended(processes: list[str], *, within: float) -> bool:
    deadline = time.monotonic() + within
    while any(owner.lives(process) for process in processes):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True
