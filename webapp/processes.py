"""Processes of an instance, known by what does not come back: pid, start ticks and boot.

deploy/program writes one ``NAME.process`` below the run directory for each program it becomes.
"""

import contextlib
import os
import signal
import time
from dataclasses import dataclass
from pathlib import Path

BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


@dataclass(frozen=True)
class Process:
    """``start`` is in clock ticks since ``boot``, as in field 22 of /proc/PID/stat."""

    pid: int
    start: str
    boot: str

    @property
    def lives(self) -> bool:
        return start_of(self.pid) == self.start and BOOT_ID.read_text().strip() == self.boot

    def signal(self, number: signal.Signals) -> None:
        with contextlib.suppress(ProcessLookupError):
            if self.lives:
                os.kill(self.pid, number)


def start_of(pid: int) -> str | None:
    """When the process started; None when there is none, or only its grave (a zombie)."""
    try:
        # The name, in parentheses, may hold anything.
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].split()
    except OSError:
        return None
    return None if fields[0] in ("Z", "X") else fields[19]


def recorded(run_dir: Path) -> list[Process]:
    """What programs of this run directory last said they are, alive or not."""
    processes = []
    for path in run_dir.glob("*.process"):
        words = path.read_text().split()
        if len(words) == 3:  # else the machine went down while it was written
            processes.append(Process(int(words[0]), words[1], words[2]))
    return processes


def end(processes: list[Process], *, within: float) -> None:
    """Ask them to end, and after ``within`` seconds make them. Returns when none lives."""
    for process in processes:
        process.signal(signal.SIGTERM)
    if wait(processes, within=within):
        return
    for process in processes:
        process.signal(signal.SIGKILL)
    wait(processes, within=5)


def wait(processes: list[Process], *, within: float) -> bool:
    """Whether all have ended before ``within`` seconds are over."""
    deadline = time.monotonic() + within
    while any(process.lives for process in processes):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True
