"""A real Patchwave, started by bin/serve in a process of its own."""

import atexit
import contextlib
import functools
import http.client
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tests import waiting
from webapp.env import BASE, Env


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def environment(home: Path, **more: str) -> dict[str, str]:
    """A person's shell: nothing of this test run, and PATCHWAVE_HOME."""
    ours = {name for name in os.environ if name.startswith(("PATCHWAVE_", "DJANGO_"))}
    ours -= {"PATCHWAVE_VENV"}
    plain = {name: value for name, value in os.environ.items() if name not in ours}
    return {**plain, "PATCHWAVE_HOME": str(home), "PATCHWAVE_ENV_FILE": os.devnull, **more}


def refusal(home: Path, *arguments: str, **more: str) -> str:
    """What bin/serve says when it does not start."""
    told = subprocess.run(
        [BASE / "bin" / "serve", *arguments],
        env=environment(home, **more),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert told.returncode != 0
    assert told.stdout == ""
    return told.stderr.strip()


MAKE = """
import django; django.setup()
from django.core.management import call_command; call_command("migrate", verbosity=0)
from webapp import storage; storage.collect()
"""


@functools.cache
def made() -> Path:
    """A home with empty tables and static files, which are most of a first start's time."""
    home = Path(tempfile.mkdtemp(prefix="patchwave-made-"))
    atexit.register(shutil.rmtree, home, ignore_errors=True)
    subprocess.run(
        [BASE / "bin" / "in-venv", sys.executable, "-c", MAKE],
        cwd=BASE,
        env=environment(home, DJANGO_SETTINGS_MODULE="webapp.settings"),
        timeout=100,
        check=True,
    )
    return home


class Instance:
    """``home`` and ``port`` of one; start it, ask it, stop it. What it prints is in ``said``.

    ``within``: the words before its command, where it shall run elsewhere. ``bare``: its first
    start makes tables and static files, as a person's does.
    """

    def __init__(
        self,
        home: Path,
        *,
        bind: str = "127.0.0.1",
        within: Sequence[str] = (),
        bare: bool = False,
        **more: str,
    ) -> None:
        self.home, self.port, self.bind = home, free_port(), bind
        self.within, self.bare, self.more = within, bare, more
        self.output = home.with_name(f"{home.name}.out")
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def said(self) -> str:
        return self.output.read_text()

    @property
    def run_dir(self) -> Path:
        return Env(home=self.home).run_dir

    @property
    def command(self) -> list[str]:
        return [str(BASE / "bin" / "serve"), "--port", str(self.port), "--bind", self.bind]

    def start(self) -> "Instance":
        """Returns when it says that it is ready."""
        if not self.bare and not self.home.exists():
            shutil.copytree(made(), self.home)
        with self.output.open("wb") as output:
            self.process = subprocess.Popen(
                [
                    *self.within,
                    BASE / "bin" / "serve",
                    "--port",
                    str(self.port),
                    "--bind",
                    self.bind,
                ],
                env=environment(self.home, **self.more),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
            )
        try:
            waiting.until(lambda: self._settled(), "bin/serve is ready", seconds=100)
        except AssertionError:
            # Nobody would end it: whoever asked for it never got it.
            self.stop()
            raise
        assert self.process.poll() is None, self.said
        return self

    def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        assert self.process is not None
        self.process.send_signal(number)
        return self.process.wait(60)

    def get(self, path: str) -> tuple[int, Any]:
        connection = http.client.HTTPConnection(self.bind, self.port, timeout=10)
        with contextlib.closing(connection):
            connection.request("GET", path)
            answer = connection.getresponse()
            body = answer.read()
        with contextlib.suppress(ValueError):
            return answer.status, json.loads(body)
        return answer.status, body.decode()

    def owner(self, program: str) -> str:
        return (self.run_dir / f"{program}.process").read_text().strip()

    def pid(self, program: str) -> int:
        return int(self.owner(program).split(":")[1])

    def variable(self, program: str, name: str) -> str | None:
        """What ``program`` was given in its environment."""
        given = Path(f"/proc/{self.pid(program)}/environ").read_text().split("\0")
        return dict(line.partition("=")[::2] for line in given).get(name)

    def processes(self) -> dict[int, str]:
        """Everything that runs on this home: pid -> command line."""
        mark = b"PATCHWAVE_HOME=" + os.fsencode(self.home)
        found = {}
        for directory in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):
                line = (directory / "cmdline").read_bytes().replace(b"\0", b" ")
                # Valkey writes its title over its environment; the title names its socket.
                socket_named = os.fsencode(self.run_dir) in line
                if socket_named or mark in (directory / "environ").read_bytes().split(b"\0"):
                    found[int(directory.name)] = line.decode(errors="replace")
        return found

    def _settled(self) -> bool:
        assert self.process is not None
        return "Patchwave is ready" in self.said or self.process.poll() is not None
