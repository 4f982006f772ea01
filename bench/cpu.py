"""CPU time: of named processes from /proc, of whole families from a control group."""

import contextlib
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

GROUPS = Path("/sys/fs/cgroup/cpuacct")
TICKS = os.sysconf("SC_CLK_TCK")


class Cpu:
    """``seconds()`` used so far; None where this machine does not tell."""

    def __init__(self, seconds: Callable[[], float | None], directory: Path | None = None) -> None:
        self.seconds, self._directory = seconds, directory

    @classmethod
    def of_processes(cls, pids: Sequence[int]) -> "Cpu":
        return cls(lambda: sum(cpu_of(pid) for pid in pids))

    @classmethod
    @contextmanager
    def group(cls, name: str) -> Iterator["Cpu"]:
        """Of everything started in it, also of what has ended; needs root and cpuacct."""
        directory = GROUPS / f"patchwave-{name}-{os.getpid()}"
        try:
            directory.mkdir()
        except OSError:
            yield cls(lambda: None)
            return
        usage = directory / "cpuacct.usage"
        try:
            yield cls(lambda: int(usage.read_text()) / 1e9, directory)
        finally:
            with contextlib.suppress(OSError):  # something of it may live on
                directory.rmdir()

    @contextmanager
    def joined(self) -> Iterator[None]:
        """What this thread starts within is counted."""
        if self._directory is None:
            yield
            return
        home = _own_group()
        _move_to(self._directory)
        try:
            yield
        finally:
            _move_to(home)


def cpu_of(pid: int) -> float:
    """Seconds a process has used, with those of its children that have ended."""
    words = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return sum(int(word) for word in words[11:15]) / TICKS


def _own_group() -> Path:
    for line in Path("/proc/self/cgroup").read_text().splitlines():
        _number, controllers, path = line.split(":", 2)
        if "cpuacct" in controllers.split(","):
            return GROUPS / path.lstrip("/")
    return GROUPS


def _move_to(directory: Path) -> None:
    (directory / "cgroup.procs").write_text(str(os.getpid()))
