"""Where the time goes: py-spy beside the product's processes, while something is measured.

It looks without stopping them, and only at the thread that has Python's lock: with sixty threads it
would stop them half of the time, and most of what it saw would be threads that wait. What has given
the lock up, to the kernel or to SQLite, is not seen. The figures are slower all the same: they say
that they were profiled, and keep no budget.
"""

import contextlib
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

from bench import others
from tests.instances import Instance

PROGRAMS = ("worker", "web")
HOW = ("--gil", "--nonblocking")
#: Samples a second.
RATE = 100
#: Seconds it may take to write down what it has seen.
PATIENCE = 60
#: Seconds. No scene takes longer.
LONGEST = 600

_directory: Path | None = None
_name = ""
#: What was written, by benchmark.
written: dict[str, list[Path]] = {}


def into(directory: Path, name: str) -> None:
    """From here on profiles are written there, as ``NAME-PROGRAM.svg``; the newest stays."""
    global _directory, _name
    directory.mkdir(parents=True, exist_ok=True)
    _directory, _name = directory, name


@contextlib.contextmanager
def of(instance: Instance) -> Iterator[None]:
    """What is done within is recorded, if profiles are wanted and py-spy can be had."""
    spy = others.program("py-spy") if _directory else None
    if spy is None or _directory is None:
        yield
        return
    found = {program: _directory / f"{_name}-{program}.svg" for program in PROGRAMS}
    written[_name] = list(found.values())
    spies = [
        subprocess.Popen(
            [spy, "record", *HOW, *_options(instance.pid(program)), "--output", file],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        for program, file in found.items()
    ]
    try:
        yield
    finally:
        for one in spies:
            one.send_signal(signal.SIGINT)
        for one in spies:
            try:
                one.wait(PATIENCE)
            except subprocess.TimeoutExpired:
                one.kill()


def _options(pid: int) -> list[str]:
    return [f"--pid={pid}", f"--rate={RATE}", f"--duration={LONGEST}"]
