"""bin/serve, as a person starts and stops it."""

import os
import re
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from deploy_tasks import owner
from tests import waiting
from tests.instances import Instance, refusal

pytestmark = pytest.mark.e2e
PROGRAMS = {"valkey", "web", "worker", "beat", "supervisor"}


@pytest.fixture(scope="module")
def first(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Instance]:
    instance = Instance(tmp_path_factory.mktemp("first") / "home", bare=True).start()
    yield instance
    instance.stop()


@pytest.fixture(scope="module")
def second(tmp_path_factory: pytest.TempPathFactory, first: Instance) -> Iterator[Instance]:
    """Beside the first; its home was there before, open to all, and has a space and a path too
    long for a unix socket."""
    home = tmp_path_factory.mktemp("second") / ("a home " + "deep" * 25)
    home.mkdir(mode=0o755)
    instance = Instance(home).start()
    yield instance
    if instance.process and instance.process.poll() is None:
        instance.stop()


def test_the_first_start_makes_an_administrator_with_a_password_of_its_own(first: Instance) -> None:
    assert re.search(r"Log in as admin with the password \S{16} ", first.said)
    assert f"Patchwave is ready: http://127.0.0.1:{first.port}\n" in first.said


def test_all_parts_are_ready_when_it_says_so(first: Instance) -> None:
    status, parts = first.get("/readyz")
    assert status == 200
    assert set(parts.values()) == {"ok"}
    assert all(owner.lives(first.owner(program)) for program in PROGRAMS)


def test_what_it_keeps_is_for_its_own_user_alone(first: Instance) -> None:
    for path in (first.home, first.run_dir, first.home / "keys"):
        assert path.stat().st_mode & 0o077 == 0, path


def test_its_rows_are_for_its_own_user_alone_wherever_they_lie(second: Instance) -> None:
    (rows,) = second.home.glob("*.sqlite3")
    assert rows.stat().st_mode & 0o077 == 0


def test_only_unix_sockets_are_opened_beside_the_port(first: Instance) -> None:
    held = _sockets_of(first)
    listening = {
        line.split()[1]
        for table in ("tcp", "tcp6")
        for line in Path(f"/proc/net/{table}").read_text().splitlines()[1:]
        if line.split()[3] == "0A" and line.split()[9] in held
    }
    assert listening == {f"0100007F:{first.port:04X}"}


def test_the_web_process_is_given_nothing_that_opens_secrets(first: Instance) -> None:
    (key,) = first.home.glob("keys/seal/*.key")
    assert key.stat().st_mode & 0o077 == 0
    assert first.variable("web", "PATCHWAVE_PRIVATE_KEYS") == "/nowhere"
    assert first.variable("worker", "PATCHWAVE_PRIVATE_KEYS") is None


def test_a_second_start_on_the_same_home_is_refused(first: Instance) -> None:
    assert re.fullmatch(
        rf"Patchwave already runs on {first.home} \(process \d+, port {first.port}\)\.",
        refusal(first.home, "--port", "8999"),
    )


def test_a_taken_port_is_said_in_one_sentence(first: Instance, tmp_path: Path) -> None:
    assert refusal(tmp_path, "--port", str(first.port)) == (
        f"Port {first.port} on 127.0.0.1 is taken by another program; choose another: --port."
    )


def test_a_broken_env_file_is_said_in_one_sentence(tmp_path: Path) -> None:
    file = tmp_path / ".env"
    file.write_text("PATCHWAVE_WORKER_THREADS=many\n")
    said = refusal(tmp_path / "home", PATCHWAVE_ENV_FILE=str(file))
    assert said.startswith("PATCHWAVE_WORKER_THREADS: ")
    assert "\n" not in said


def test_listening_to_everybody_needs_the_names_of_the_site(tmp_path: Path) -> None:
    said = refusal(tmp_path, "--bind", "0.0.0.0")
    assert said.startswith("To listen on 0.0.0.0, name in PATCHWAVE_ALLOWED_HOSTS ")
    assert "\n" not in said


def test_a_home_that_cannot_be_written_is_said_in_one_sentence() -> None:
    said = refusal(Path("/proc/patchwave"))
    assert said.startswith("PATCHWAVE_HOME: /proc/patchwave cannot be written")


def test_two_instances_do_not_disturb_each_other(first: Instance, second: Instance) -> None:
    assert first.get("/readyz")[0] == second.get("/readyz")[0] == 200
    assert first.run_dir != second.run_dir


def test_sigterm_leaves_no_process_behind_and_the_other_instance_alone(
    first: Instance, second: Instance
) -> None:
    assert len(second.processes()) >= len(PROGRAMS) + 1
    assert second.stop(signal.SIGTERM) == 0
    assert second.processes() == {}
    assert first.get("/readyz")[0] == 200


def test_a_later_start_finds_everything_and_keeps_the_password_to_itself(second: Instance) -> None:
    keys = {path: path.read_bytes() for path in (second.home / "keys").rglob("*") if path.is_file()}
    second.start()
    assert "changepassword admin" in second.said
    assert "with the password" not in second.said
    assert all(path.read_bytes() == key for path, key in keys.items())


def test_a_program_that_is_killed_comes_back(second: Instance) -> None:
    before = second.pid("worker")
    os.kill(before, signal.SIGKILL)
    waiting.until(lambda: second.pid("worker") != before, "a new worker")


def test_after_kill_9_of_everything_above_the_programs_it_starts_again(second: Instance) -> None:
    orphans = set(second.processes())
    assert second.process is not None
    for pid in (second.process.pid, second.pid("supervisor")):
        os.kill(pid, signal.SIGKILL)
    second.process.wait()
    second.start()
    assert second.get("/readyz")[0] == 200
    assert not orphans & set(second.processes())


def test_ctrl_c_leaves_no_process_behind(second: Instance) -> None:
    assert second.stop(signal.SIGINT) == 0
    assert second.processes() == {}


def _sockets_of(instance: Instance) -> set[str]:
    """Inode numbers of the sockets that its processes hold."""
    held = set()
    for pid in instance.processes():
        for link in Path(f"/proc/{pid}/fd").glob("*"):
            if match := re.fullmatch(r"socket:\[(\d+)\]", str(link.readlink())):
                held.add(match[1])
    return held
