"""The home of a demo: made anew, its own, and nobody else's."""

from pathlib import Path

import pytest

from demo import instance
from demo.instance import Instance
from tests.instances import free_port
from webapp.env import BASE, env


@pytest.fixture
def port(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> int:
    monkeypatch.setattr(instance, "env", env.model_copy(update={"home": tmp_path}))
    return free_port()


def test_the_usual_port_has_the_plain_name_and_others_a_place_beside_it(
    port: int, tmp_path: Path
) -> None:
    assert Instance(8000).home == tmp_path / "demo"
    assert Instance(port).home == tmp_path / f"demo-{port}"


def test_it_begins_empty_each_time(port: int) -> None:
    with Instance(port) as first:
        (first.home / "old").mkdir()
        (first.home / "old" / "file").touch()
    with Instance(port) as second:
        assert not (second.home / "old").exists()


def test_a_directory_of_somebody_else_stays_as_it_is(port: int) -> None:
    home = Instance(port).home
    home.mkdir()
    (home / "precious").touch()
    with pytest.raises(SystemExit, match="holds something that is not of a demo"), Instance(port):
        pass
    assert (home / "precious").exists()


def test_a_home_that_cannot_be_made_is_said_in_one_sentence(
    port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(instance, "env", env.model_copy(update={"home": Path("/proc")}))
    with pytest.raises(SystemExit, match=f"^/proc/demo-{port} cannot be written"), Instance(port):
        pass


def test_there_is_one_demo_at_a_time_on_a_port(port: int) -> None:
    with (
        Instance(port) as first,
        pytest.raises(SystemExit, match=f"already runs on port {port}"),
        Instance(port),
    ):
        pass
    assert (first.home / instance.MARKER).exists()


def test_what_is_set_for_another_instance_does_not_reach_it(
    port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATCHWAVE_DATABASE_URL", "postgresql://real")
    monkeypatch.setenv("PATCHWAVE_VENV", "/some/venv")
    given = Instance(port)._environment()
    assert "PATCHWAVE_DATABASE_URL" not in given
    assert given["PATCHWAVE_VENV"] == "/some/venv"


def test_its_command_can_be_typed_in_the_project(
    port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(instance, "env", env.model_copy(update={"home": BASE / "var"}))
    assert (
        Instance(8000)
        .command("retry", "1")
        .endswith("PATCHWAVE_HOME=var/demo bin/patchwave retry 1")
    )
