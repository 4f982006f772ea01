"""Names this very process, so that whoever comes later can tell whether it still lives.

A process id alone may have been given to another process since; with the boot id and the start
ticks it cannot. Containers of one machine share its boot id and not its processes, so that the one
whose ids are meant is named, too: ``<boot id>.<pid namespace>:<pid>:<start ticks>``. deploy/program
writes the same name.
"""

import os
from functools import cache
from pathlib import Path


def me() -> str:
    return _name(os.getpid())


def is_dead(owner: str) -> bool:
    """True only for an owner that ran here and is gone: its lease need not run out."""
    return owner.startswith(f"{_here()}:") and owner.count(":") == 2 and not lives(owner)


def lives(owner: str) -> bool:
    """True only for an owner that runs here now."""
    place, _, rest = owner.partition(":")
    pid, _, ticks = rest.partition(":")
    return ticks != "" and place == _here() and _start_ticks(int(pid)) == ticks


@cache
def _name(pid: int) -> str:
    return f"{_here()}:{pid}:{_start_ticks(pid)}"


def _here() -> str:
    """The machine since its boot, and whose process ids are meant."""
    boot_id = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    return f"{boot_id}.{Path('/proc/self/ns/pid').stat().st_ino}"


def _start_ticks(pid: int) -> str:
    """Field 22 of /proc/<pid>/stat; empty where no such process lives."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return ""
    return "" if fields[0] in "ZX" else fields[19]
