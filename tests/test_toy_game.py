"""The game server that the other tests rely on."""

import contextlib
import os
import signal
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from demo import toy_game
from tests.instances import free_port
from tests.waiting import until

ADDRESS = "127.0.0.1"


class Box:
    """A directory with the game, as on a host."""

    def __init__(self, root: Path, release: Path) -> None:
        self.port = free_port()
        self.root = toy_game.set_up(root, address=ADDRESS, port=self.port, release=release)

    def ctl(self, word: str) -> int:
        command = ["sh", str(self.root / "ctl"), word]
        return subprocess.run(command, check=False, timeout=30, capture_output=True).returncode

    @property
    def pid(self) -> int:
        return int((self.root / "game.pid").read_text().split()[0])

    def version(self) -> str | None:
        try:
            return toy_game.version_at(ADDRESS, self.port)
        except OSError:
            return None


@pytest.fixture
def boxes(tmp_path: Path) -> Iterator[list[Box]]:
    boxes: list[Box] = []
    yield boxes
    for box in boxes:
        if (box.root / "game.pid").exists() and box.ctl("status") == 0:
            os.kill(box.pid, signal.SIGKILL)


def box(boxes: list[Box], directory: Path, behaviour: toy_game.Behaviour = "ok") -> Box:
    release = toy_game.build_release(directory, "1.2.0", behaviour)
    boxes.append(Box(directory / "game", release))
    return boxes[-1]


def test_it_tells_a_players_client_its_version(boxes: list[Box], tmp_path: Path) -> None:
    game = box(boxes, tmp_path)
    assert game.ctl("status") == 3
    assert game.ctl("start") == 0
    assert until(game.version, "the server answers") == "1.2.0"
    assert game.ctl("status") == 0
    assert game.ctl("stop") == 0
    assert game.ctl("status") == 3
    assert game.version() is None


def test_it_is_started_once(boxes: list[Box], tmp_path: Path) -> None:
    game = box(boxes, tmp_path)
    game.ctl("start")
    first = game.pid
    assert game.ctl("start") == 0
    assert game.pid == first


def test_another_process_of_its_number_is_not_taken_for_it(
    boxes: list[Box], tmp_path: Path
) -> None:
    game = box(boxes, tmp_path)
    (game.root / "game.pid").write_text(f"{os.getpid()} 1\n")
    assert game.ctl("status") == 3
    assert game.ctl("start") == 0
    assert until(game.version, "the server answers")


def test_a_release_may_crash(boxes: list[Box], tmp_path: Path) -> None:
    game = box(boxes, tmp_path, "crash")
    assert game.ctl("start") == 0
    until(lambda: game.ctl("status") == 3, "it has crashed")
    assert "FATAL" in (game.root / "console.log").read_text()


def test_a_release_may_hang(boxes: list[Box], tmp_path: Path) -> None:
    game = box(boxes, tmp_path, "hang")
    assert game.ctl("start") == 0
    until(lambda: "starting" in (game.root / "console.log").read_text(), "it has begun")
    assert game.version() is None
    assert game.ctl("status") == 0
    assert game.ctl("stop") == 0


def test_garbage_does_not_end_it(boxes: list[Box], tmp_path: Path) -> None:
    game = box(boxes, tmp_path)
    game.ctl("start")
    until(game.version, "the server answers")
    with socket.create_connection((ADDRESS, game.port), timeout=5) as link:
        link.sendall(b"\xff" * 100)
        with contextlib.suppress(ConnectionResetError):
            assert link.recv(1) == b""
    assert game.version() == "1.2.0"


def test_the_same_release_is_the_same_bytes(tmp_path: Path) -> None:
    first = toy_game.build_release(tmp_path, "1.2.0").read_bytes()
    assert toy_game.build_release(tmp_path, "1.2.0").read_bytes() == first
