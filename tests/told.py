"""A made-up job that is told in a running instance, as fast as one wants."""

import contextlib
import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass

from tests.instances import Instance, environment
from webapp.env import BASE


@dataclass
class Told:
    """A job that waits for ``go``, and who may see it: their API tokens."""

    job: int
    tokens: list[str]
    process: "subprocess.Popen[str]"

    def go(self) -> None:
        assert self.process.stdin
        self.process.stdin.write("\n")
        self.process.stdin.flush()


@contextlib.contextmanager
def telling(
    instance: Instance, *, lines: int, rate: float, hosts: int = 100, readers: int = 1
) -> Iterator[Told]:
    """``rate``: lines a second, of all hosts together. The job succeeds after the last.

    A process of its own writes the events, as the instance's workers would.
    """
    words = [f"--lines={lines}", f"--rate={rate}", f"--hosts={hosts}", f"--readers={readers}"]
    with subprocess.Popen(
        [sys.executable, "-m", "tests.storyteller", *words],
        cwd=BASE,
        env=environment(instance.home, DJANGO_SETTINGS_MODULE="webapp.settings"),
        text=True,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as process:
        assert process.stdout
        try:
            yield Told(**json.loads(process.stdout.readline()), process=process)
        finally:
            process.terminate()
