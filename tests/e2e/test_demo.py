"""bin/demo, as a newcomer meets it: two of them at a time, one left to itself, one used."""

import contextlib
import os
import re
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from demo import toy_game
from demo.world import NEW, OLD
from tests.instances import environment, free_port
from tests.waiting import until
from webapp.env import BASE

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(240)]

#: A canary, one that fails, one that does not.
HOSTS = 3
#: As where no sshd is installed.
WITHOUT_SSHD = (
    "import sys; from demo import openssh; openssh.usable = lambda: False;"
    "from demo.main import main; sys.exit(main())"
)


class Demo:
    """One demo in a process of its own."""

    def __init__(self, base: Path, *words: str, program: list[str | Path]) -> None:
        self.port = free_port()
        self.base, self.home = base, base / f"demo-{self.port}"
        self.output = base / f"{self.port}.out"
        self._command = [*program, "--port", str(self.port), "--hosts", str(HOSTS), *words]
        self.start()

    def start(self) -> None:
        with self.output.open("wb") as output:
            self.process = subprocess.Popen(
                self._command,
                env=environment(self.base),
                cwd=BASE,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
            )

    @property
    def said(self) -> str:
        return self.output.read_text()

    def wait_to_say(self, pattern: str) -> "re.Match[str]":
        def found() -> "re.Match[str] | None":
            assert self.process.poll() is None, self.said
            return re.search(pattern, self.said)

        match = until(found, pattern, seconds=120)
        assert match
        return match

    def versions(self) -> list[str]:
        """What the game servers tell a player."""
        net = self.wait_to_say(r"hosts, (127\.\d+\.0\.)1 ")[1]
        port = int(self.wait_to_say(r"on port (\d+) of each")[1])
        return [toy_game.version_at(f"{net}{n + 1}", port) for n in range(HOSTS)]

    def leftovers(self) -> list[bytes]:
        """Command lines of what runs on the home."""
        mark, found = os.fsencode(self.home), []
        for directory in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):
                files = [(directory / name).read_bytes() for name in ("cmdline", "environ")]
                if mark in b"".join([*files, os.fsencode((directory / "cwd").readlink())]):
                    found.append(files[0])
        return found

    def kill(self) -> None:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            self.process.wait(60)


@pytest.fixture
def demos(tmp_path: Path) -> Iterator[list[Demo]]:
    in_venv: list[str | Path] = [BASE / "bin" / "in-venv", "--demo", "python", "-c", WITHOUT_SSHD]
    demos = [
        Demo(tmp_path, "--once", program=[BASE / "bin" / "demo"]),
        Demo(tmp_path, program=in_venv),
    ]
    yield demos
    for demo in demos:
        demo.kill()


def test_a_newcomer_sees_a_fleet_updated_a_host_retried_and_nothing_left(
    demos: list[Demo],
) -> None:
    alone, used = demos

    command = used.wait_to_say(r"or here +PATCHWAVE_HOME=(\S+) bin/patchwave retry 1")
    assert re.search(r"Log in as +demo +password +\S{12}", used.said)
    assert f"http://127.0.0.1:{used.port}/jobs/1/" in used.said
    assert re.search(r"eu-\d  failed: step “start”", used.said)
    subprocess.run(
        [BASE / "bin" / "patchwave", "retry", "1"],
        env=environment(Path(command[1])),
        check=True,
        timeout=60,
        stdout=subprocess.DEVNULL,
    )
    used.wait_to_say(f"All {HOSTS} game servers tell players that they run {NEW}.")
    assert used.versions() == [NEW] * HOSTS

    assert alone.process.wait(120) == 0, alone.said
    assert f"All {HOSTS} game servers tell players that they run {NEW}." in alone.said
    assert alone.leftovers() == []
    assert used.versions() == [NEW] * HOSTS  # one demo's end is none of the other's business

    # A crash, and a second start; then Ctrl-C in the middle of the update.
    used.process.kill()
    used.process.wait()
    used.start()
    used.wait_to_say("job  batch 1 running")
    assert OLD in used.versions()
    used.process.send_signal(signal.SIGINT)
    assert used.process.wait(60) == 0
    assert used.said.endswith("Stopped; nothing of it runs any more.\n")
    assert used.leftovers() == []
