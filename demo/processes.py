"""What runs on this machine, as /proc tells it."""

import contextlib
import os
import signal
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

#: Seconds.
ENDED_WITHIN = 10.0


def connections(listener: int) -> list[int]:
    """The processes in which one sshd or dropbear serves its connections; not the commands they
    run."""
    parents = {pid: _parent_and_name(pid) for pid in running()}
    servers = {pid: parent for pid, (parent, name) in parents.items() if _serves(name)}
    # Ids begin anew at the end of their range: a child may have a lower one.
    family, found = {listener}, {listener}
    while found := {pid for pid, parent in servers.items() if parent in found} - family:
        family |= found
    return sorted(family - {listener})


def _serves(name: str) -> bool:
    return name.startswith(("sshd", "dropbear"))


def kill(pids: Iterable[int]) -> None:
    send(signal.SIGKILL, pids)


def end(pids: Iterable[int]) -> None:
    """Kill them, and wait until they hold nothing any more: a port, for one."""
    pids = list(pids)
    kill(pids)
    deadline = time.monotonic() + ENDED_WITHIN
    while left := [pid for pid in pids if not gone(pid)]:
        if time.monotonic() > deadline:
            raise RuntimeError(f"they do not end: {left}")
        time.sleep(0.001)


def send(number: signal.Signals, pids: Iterable[int]) -> None:
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)


def gone(pid: int) -> bool:
    """Whether it holds nothing any more; where nobody reaps, it may still have its id."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2][:1] in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return True


def _parent_and_name(pid: int) -> tuple[int, str]:
    try:
        name, _, rest = Path(f"/proc/{pid}/stat").read_text().rpartition(")")
    except OSError:
        return 0, ""
    return int(rest.split()[1]), name.partition("(")[2]


def running() -> Iterator[int]:
    return (int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit())


def words(pid: int, file: str) -> list[bytes]:
    try:
        return Path(f"/proc/{pid}/{file}").read_bytes().split(b"\0")
    except OSError:
        return []


def output(pid: int) -> str:
    """Where it writes to; empty when it is over."""
    try:
        return str(Path(f"/proc/{pid}/fd/1").readlink())
    except OSError:
        return ""
