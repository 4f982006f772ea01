"""The shell sources for real, without SSH: a home, a shell, and one exec for each program."""

import contextlib
import os
import shutil
import subprocess
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from demo import processes
from deploy_tasks import commands, frames
from deploy_tasks.commands import Program, Script, Variables
from tests.waiting import until

SHELLS = [shell for shell in ("dash", "bash", "busybox") if shutil.which(shell)]
NONE = Variables({})


class HostShell:
    """A home directory and a shell to run programs in, as sshd would: one exec each.

    ``shell`` is what is called sh there; with busybox there is nothing else, either. ``login`` is
    the log-in shell, which is given the command line. ``inside`` is put before it.
    """

    def __init__(
        self, home: Path, shell: str, *, login: str = "sh", inside: Sequence[str] = ()
    ) -> None:
        self.home, self.shell, self.login, self.inside = home, shell, login, inside
        self.bin = home.parent / f"bin-{shell}"
        self.bin.mkdir(exist_ok=True)
        path = f"{self.bin}:{os.environ['PATH']}"
        if shell == "busybox":
            subprocess.run(["busybox", "--install", "-s", self.bin], check=True)
            path = str(self.bin)
        elif not (self.bin / "sh").exists():
            (self.bin / "sh").symlink_to(str(shutil.which(shell)))
        self.env = {"HOME": str(home), "PATH": path}
        self.follower: commands.Follower = "loop" if shell == "busybox" else "tail"

    def plan(self, plan: str) -> Path:
        return self.home / ".patchwave/runs" / plan

    def running(self) -> list[str]:
        """What runs of this host: command lines."""
        lines = [b" ".join(processes.words(pid, "cmdline")).decode() for pid in self.pids()]
        return [line.strip() for line in lines]

    def pids(self) -> list[int]:
        mark = f"HOME={self.home}".encode()
        return [pid for pid in processes.running() if mark in processes.words(pid, "environ")]

    def exec(self, program: Program) -> subprocess.Popen[bytes]:
        login = shutil.which(self.login, path=f"{self.bin}:{os.environ['PATH']}")
        assert login
        process = subprocess.Popen(
            [*self.inside, login, "-c", program.command],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=self.env,
            cwd=self.home,
            start_new_session=True,
        )
        assert process.stdin
        process.stdin.write(program.stdin)
        process.stdin.flush()
        return process

    def run(self, program: Program) -> bytes:
        """What it prints. Its standard input stays open until then."""
        with self.exec(program) as process, killed_after(20, process):
            assert process.stdout
            assert process.stdin
            said = process.stdout.read()
            process.stdin.close()
        return said

    def launch(
        self, scripts: Sequence[Script], variables: Variables = NONE
    ) -> tuple[str, str, list[frames.Frame]]:
        plan, nonce = commands.new_plan_id(), commands.new_nonce()
        program = commands.launch(plan, nonce, scripts, variables, run=1, follower=self.follower)
        return plan, nonce, self.follow(nonce, program)

    def follow(
        self, nonce: str, program: Program, position: frames.Position | None = None
    ) -> list[frames.Frame]:
        """Every frame up to the runner's last record."""
        reader = frames.LogReader(nonce, position or frames.Position())
        found: list[frames.Frame] = []
        with self.exec(program) as process:
            assert process.stdout
            assert process.stdin
            with killed_after(30, process):
                while not reader.finished and (data := process.stdout.read1(65536)):  # type: ignore[attr-defined]
                    found += reader.feed(data)
            process.stdin.close()
            process.wait(10)
        return found


@contextlib.contextmanager
def killed_after(seconds: float, process: subprocess.Popen[bytes]) -> Iterator[None]:
    """Ends a read that would never end; what came is named by the assertion that follows."""
    guard = threading.Timer(seconds, process.kill)
    guard.start()
    try:
        yield
    finally:
        guard.cancel()


def output(found: Sequence[frames.Frame], number: int) -> bytes:
    parts = [f for f in found if isinstance(f, frames.Output) and f.number == number]
    return b"".join(part.data for part in parts)


def ends(found: Sequence[frames.Frame]) -> list[tuple[int, int, str]]:
    return [(f.number, f.status, f.note) for f in found if isinstance(f, frames.Ended)]


def report(process: subprocess.Popen[bytes], nonce: str) -> frames.RunnerReport:
    assert process.stdin
    assert process.stderr
    process.stdin.write(b"\n")
    process.stdin.flush()
    text = b""
    while not (found := frames.answers(nonce, text)):
        more = process.stderr.read1(4096)  # type: ignore[attr-defined]
        if not more:
            raise EOFError("it has ended without an answer")
        text += more
    assert isinstance(found[-1], frames.RunnerReport)
    return found[-1]


@contextlib.contextmanager
def pid_namespace() -> Iterator[list[str]]:
    """Words to put before a command, for a process table of its own whose first process reaps
    nobody. All in it ends with the block."""
    if subprocess.run(["unshare", "--pid", "true"], capture_output=True, check=False).returncode:
        pytest.skip("needs a pid namespace of its own (root)")
    command = ["unshare", "--pid", "--fork", "--mount-proc", "sleep", "300"]
    outside = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    try:
        children = Path(f"/proc/{outside.pid}/task/{outside.pid}/children")
        first = until(lambda: children.read_text().strip(), "the namespace is there")
        until(
            lambda: Path(f"/proc/{first}/comm").read_text() == "sleep\n", "its first process sleeps"
        )
        yield ["nsenter", "-t", first, "-p", "-m", "--"]
    finally:
        processes.kill([int(one) for one in children.read_text().split()])
        outside.wait(10)
