"""What a running game says of itself: a number, zero, or nothing at all."""

import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from deploy_tasks import query
from deploy_tasks.query import Answer, Silent
from tests.test_toy_game import Box, box, boxes
from tests.waiting import until

__all__ = ["boxes"]


def test_a_minecraft_server_tells_its_version_and_its_players(
    boxes: list[Box], tmp_path: Path
) -> None:
    there = box(boxes, tmp_path)
    there.ctl("start")
    until(there.version, "the game answers")
    found = query.minecraft("127.0.0.1", there.port)
    assert found.version == there.version()
    assert found.players == 0


def test_nobody_listening_is_no_zero() -> None:
    with pytest.raises(Silent, match="does not answer on port 1"):
        query.minecraft("127.0.0.1", 1)


@pytest.fixture
def mute() -> Iterator[int]:
    """A port that takes connections and never says a word."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


def test_a_game_that_hangs_is_left_after_its_time(
    mute: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(query, "LIMIT", 0.3)
    with pytest.raises(Silent):
        query.minecraft("127.0.0.1", mute)


def test_garbage_is_silence() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:

        def talk() -> None:
            taken, _address = server.accept()
            with taken:
                taken.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")

        thread = threading.Thread(target=talk)
        thread.start()
        with pytest.raises(Silent):
            query.minecraft("127.0.0.1", server.getsockname()[1])
        thread.join()


@pytest.mark.parametrize(
    ("printed", "answer"),
    [
        ("version 1.2\nplayers 3\n", Answer("1.2", 3)),
        ("noise\nplayers 0\n", Answer("", 0)),
        ("version 1.2 beta\n", Answer("1.2 beta", None)),
        ("version 1.2\nplayers none\n", Answer("1.2", None)),
    ],
)
def test_what_a_script_prints_is_read(printed: str, answer: Answer) -> None:
    assert query.read(printed) == answer


@pytest.mark.parametrize("printed", ["", "players -1", "3 players", "version \n"])
def test_what_says_neither_is_silence(printed: str) -> None:
    with pytest.raises(Silent):
        query.read(printed)
