"""The Patchwave of a demo: a home that is made anew each time, and ``bin/serve`` on it."""

import contextlib
import fcntl
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Self

from demo.filling import USER
from webapp import processes
from webapp.env import BASE, Env, env
from webapp.serve import make_run_dir, refuse_taken_port
from webapp.words import _

READY_WITHIN = 120.0
STOP_WITHIN = 40.0
#: Without it a directory is somebody else's, and stays as it is.
MARKER = ".demo"


class Instance:
    """``with Instance(port) as instance:`` — empty at first; nothing of it runs afterwards."""

    user = USER

    def __init__(self, port: int) -> None:
        self.port = port
        self.home = env.home / ("demo" if port == 8000 else f"demo-{port}")
        self.address = f"http://127.0.0.1:{port}"
        self.password = self.token = ""
        self._run_dir = Env(home=self.home).run_dir
        # Apart from what bin/serve itself started: it ends what it finds recorded in its own.
        self._record = self.home / "serve"
        self._ending = contextlib.ExitStack()
        self._serve: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        with contextlib.ExitStack() as ending:
            ending.enter_context(_only_one(self.home, self.port))
            ending.callback(self._stop)
            # A demo that was killed may have left them.
            self._stop()
            _make_anew(self.home)
            shutil.rmtree(self._run_dir, ignore_errors=True)
            make_run_dir(self._record)
            refuse_taken_port("127.0.0.1", self.port)
            self._ending = ending.pop_all()
        return self

    def __exit__(self, *_error: object) -> None:
        self._ending.close()

    def fill(self, inventory: Path) -> None:
        """Make tables and a user who may log in, and import the inventory."""
        filled = subprocess.run(
            [sys.executable, "-P", "-m", "demo.filling", str(inventory)],
            env=self._environment(),
            stdout=subprocess.PIPE,
            check=True,
            timeout=READY_WITHIN,
            process_group=0,  # Ctrl-C reaches us alone
        )
        made = json.loads(filled.stdout)
        self.password, self.token = made["password"], made["token"]

    def start(self) -> None:
        """Returns when it can take orders. Raises SystemExit when it cannot."""
        self._serve = subprocess.Popen(
            [
                *(BASE / "deploy" / "program", "serve", sys.executable, "-P", "-m"),
                *("webapp.serve", "--port", str(self.port)),
            ],
            env=self._environment(PATCHWAVE_RUN_DIR=str(self._record)),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            process_group=0,
        )
        deadline = time.monotonic() + READY_WITHIN
        while not (self._run_dir / "url").exists():
            self.check()
            if time.monotonic() > deadline:
                raise SystemExit(_("Patchwave is not ready; see %s.") % self.logs)
            time.sleep(0.05)

    def check(self) -> None:
        """Raises SystemExit when it has ended by itself; it has told why."""
        if self._serve is not None and self._serve.poll() is not None:
            raise SystemExit(_("Patchwave has ended; more may be in %s.") % self.logs)

    @property
    def logs(self) -> Path:
        return self.home / "log"

    def command(self, *words: str) -> str:
        """What to type to give this instance an order."""
        home = self.home.relative_to(BASE) if self.home.is_relative_to(BASE) else self.home
        # What else is set there is meant for another instance.
        others = "PATCHWAVE_ENV_FILE=/dev/null " if (BASE / ".env").exists() else ""
        return f"{others}PATCHWAVE_HOME={home} bin/patchwave {' '.join(words)}"

    def _environment(self, **more: str) -> dict[str, str]:
        """Nothing of what a person has set for an instance of their own."""
        ours = ("PATCHWAVE_", "DJANGO_")
        plain = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(ours) or name == "PATCHWAVE_VENV"
        }
        return {
            **plain,
            "DJANGO_SETTINGS_MODULE": "webapp.settings",
            "PATCHWAVE_ENV_FILE": os.devnull,
            "PATCHWAVE_HOME": str(self.home),
            **more,
        }

    def _stop(self) -> None:
        """End what runs on the home, whoever started it."""
        for records in (self._record, self._run_dir):
            processes.end(processes.recorded(records), within=STOP_WITHIN)
        if self._serve is not None:
            self._serve.wait(STOP_WITHIN)


@contextlib.contextmanager
def _only_one(home: Path, port: int) -> Iterator[None]:
    """Hold the lock of the home, which the kernel frees whatever happens to us."""
    try:
        home.mkdir(parents=True, exist_ok=True, mode=0o700)
        # Of the directory itself: what is in it will go.
        directory = os.open(home, os.O_RDONLY | os.O_DIRECTORY)
    except OSError as error:
        words = {"home": home, "reason": error.strerror}
        raise SystemExit(_("%(home)s cannot be written: %(reason)s") % words) from None
    try:
        fcntl.flock(directory, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    except BlockingIOError:
        raise SystemExit(
            _("A demo already runs on port %s; choose another: --port.") % port
        ) from None
    finally:
        os.close(directory)


def _make_anew(home: Path) -> None:
    found = list(home.iterdir())
    if found and not (home / MARKER).exists():
        raise SystemExit(_("%s holds something that is not of a demo; move it away.") % home)
    (home / MARKER).touch()
    for path in found:
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        elif path.name != MARKER:
            path.unlink()
