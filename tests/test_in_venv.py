"""bin/in-venv makes the virtual environment; here with a Python, a pip and an apt-get that only
remember what they were asked."""

import shutil
import subprocess
from pathlib import Path

import pytest

from webapp.env import BASE

TOOLS = ["sh", "cat", "cmp", "dirname", "flock", "grep", "mkdir", "mv", "readlink", "rm", "touch"]

PYTHON = """#!/bin/sh
# A Python whose pip is in the environment that "-m venv" makes, if $AT/no-venv is not there.
case "$*" in
    -c*) [ ! -e "$AT/old" ] ;;
    -V) if [ -e "$AT/old" ]; then echo Python 3.9.2; else echo Python 3.11.0; fi ;;
    "-m venv"*)
        [ ! -e "$AT/no-venv" ] || { echo "ensurepip is not available"; exit 1; }
        mkdir -p "$3/bin" && cat "$0" >"$3/bin/python" && chmod +x "$3/bin/python" ;;
    "-m pip --version") ;;
    "-m pip install"*)
        echo "$*" >>"$AT/pip"
        [ ! -e "$AT/no-index" ] || { echo "No matching distribution"; exit 1; } ;;
esac
"""
APT = """#!/bin/sh
echo "$*" >>"$AT/apt"
rm -f "$AT/no-venv"
"""


class Machine:
    """A fresh clone on a machine with little on it. Files below ``at`` are its knobs and memory."""

    def __init__(self, at: Path) -> None:
        self.at, self.root, self.tools = at, at / "clone", at / "tools"
        (self.root / "bin").mkdir(parents=True)
        shutil.copy(BASE / "bin" / "in-venv", self.root / "bin")
        (self.root / "requirements.txt").write_text("this==1\n")
        for extra in ("demo", "login", "opengsq", "dev"):
            (self.root / f"requirements-{extra}.txt").write_text(f"{extra}==1\n")
        self.tools.mkdir()
        for tool in [*TOOLS, "chmod"]:
            (self.tools / tool).symlink_to(shutil.which(tool) or tool)
        self.has("python3", PYTHON)
        self.user(0)

    def has(self, tool: str, script: str) -> None:
        path = self.tools / tool
        path.write_text(script)
        path.chmod(0o755)

    def user(self, number: int) -> None:
        self.has("id", f"#!/bin/sh\necho {number}\n")

    def knob(self, name: str) -> None:
        (self.at / name).touch()

    def asked(self, tool: str) -> list[str]:
        path = self.at / tool
        return path.read_text().splitlines() if path.exists() else []

    def begin(self, *arguments: str, **more: str) -> "subprocess.Popen[str]":
        return subprocess.Popen(
            [self.root / "bin" / "in-venv", *arguments],
            env={"PATH": str(self.tools), "AT": str(self.at), **more},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(self, *arguments: str, **more: str) -> tuple[int, str, str]:
        with self.begin(*arguments, **more) as process:
            out, err = process.communicate(timeout=30)
        return process.returncode, out, err.strip()


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


SHOW = ("sh", "-c", 'echo "$PATH"')


def test_the_command_runs_with_the_environment_in_front(machine: Machine) -> None:
    status, out, _ = machine.run(*SHOW)
    assert status == 0
    assert out.startswith(f"{machine.root}/.venv/bin:")


def test_a_second_command_installs_nothing(machine: Machine) -> None:
    machine.run(*SHOW)
    assert machine.run(*SHOW)[2] == ""
    assert len(machine.asked("pip")) == 1


def test_changed_requirements_are_installed(machine: Machine) -> None:
    machine.run(*SHOW)
    (machine.root / "requirements.txt").write_text("this==2\n")
    machine.run(*SHOW)
    assert len(machine.asked("pip")) == 2


def test_what_the_tools_take_along_may_change_too(machine: Machine) -> None:
    machine.run("--dev", *SHOW)
    (machine.root / "requirements-login.txt").write_text("login==2\n")
    machine.run("--dev", *SHOW)
    assert len(machine.asked("pip")) == 2


def test_tools_are_installed_only_when_they_are_asked_for(machine: Machine) -> None:
    machine.run(*SHOW)
    machine.run("--dev", *SHOW)
    machine.run("--dev", *SHOW)
    assert [line.rpartition("/")[2] for line in machine.asked("pip")] == [
        "requirements.txt",
        "requirements-dev.txt",
    ]


def test_what_holds_the_tools_holds_the_rest_as_well(machine: Machine) -> None:
    machine.run("--dev", *SHOW)
    machine.run("--demo", *SHOW)
    machine.run(*SHOW)
    assert len(machine.asked("pip")) == 1


def test_two_commands_at_once_install_once(machine: Machine) -> None:
    both = [machine.begin(*SHOW) for _ in range(2)]
    assert [process.communicate(timeout=30)[0] != "" for process in both] == [True, True]
    assert len(machine.asked("pip")) == 1


def test_another_place_can_be_named(machine: Machine, tmp_path: Path) -> None:
    status, out, _ = machine.run(*SHOW, PATCHWAVE_VENV=str(tmp_path / "elsewhere"))
    assert status == 0
    assert out.startswith(f"{tmp_path}/elsewhere/bin:")


def test_a_place_that_cannot_be_written_is_said(machine: Machine) -> None:
    status, _, err = machine.run(*SHOW, PATCHWAVE_VENV="/proc/venv")
    assert status == 1
    assert err == "/proc/venv cannot be written; name another place in PATCHWAVE_VENV."


def test_a_python_that_is_too_old_is_said(machine: Machine) -> None:
    machine.knob("old")
    status, _, err = machine.run(*SHOW)
    assert status == 1
    assert "needs Python 3.11 or newer; here is Python 3.9.2." in err


def test_without_venv_a_user_is_told_what_root_must_do(machine: Machine) -> None:
    machine.knob("no-venv")
    machine.has("apt-get", APT)
    machine.user(1000)
    status, _, err = machine.run(*SHOW)
    assert status == 1
    assert err.endswith("as root: apt-get install python3-venv")
    assert machine.asked("apt") == []


def test_without_venv_root_gets_it_from_debian(machine: Machine) -> None:
    machine.knob("no-venv")
    machine.has("apt-get", APT)
    status, _, _ = machine.run(*SHOW)
    assert status == 0
    assert machine.asked("apt")[-1].endswith("install -y python3-venv")


def test_what_pip_cannot_do_is_shown_and_tried_again_the_next_time(machine: Machine) -> None:
    machine.knob("no-index")
    status, out, err = machine.run(*SHOW)
    assert (status, out) == (1, "")
    assert "No matching distribution" in err
    assert err.endswith("pip could not install what requirements.txt names; the reason is above.")
    (machine.at / "no-index").unlink()
    assert machine.run(*SHOW)[0] == 0
