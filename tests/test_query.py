"""What a running game says of itself: a number, zero, or nothing at all."""

import bz2
import socket
import struct
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from deploy_tasks import query
from deploy_tasks.query import Answer, NotAsked, Silent
from deploy_tasks.query import answer as answers
from deploy_tasks.query.others import opengsq
from deploy_tasks.query.players import minecraft
from deploy_tasks.query.steam import a2s
from deploy_tasks.recipes import OpenGsq, Query
from tests.test_toy_game import Box, box, boxes
from tests.waiting import until

__all__ = ["boxes"]


def test_a_minecraft_server_tells_its_version_and_its_players(
    boxes: list[Box], tmp_path: Path
) -> None:
    there = box(boxes, tmp_path)
    there.ctl("start")
    until(there.version, "the game answers")
    found = minecraft("127.0.0.1", there.port)
    assert found.version == there.version()
    assert found.players == 0


def test_nobody_listening_is_no_zero() -> None:
    with pytest.raises(Silent, match="does not answer on port 1"):
        minecraft("127.0.0.1", 1)


@pytest.fixture
def mute() -> Iterator[int]:
    """A port that takes connections and never says a word."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


def test_a_game_that_hangs_is_left_after_its_time(
    mute: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(answers, "LIMIT", 0.3)
    with pytest.raises(Silent):
        minecraft("127.0.0.1", mute)


def test_garbage_is_silence() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:

        def talk() -> None:
            taken, _address = server.accept()
            with taken:
                taken.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")

        thread = threading.Thread(target=talk)
        thread.start()
        with pytest.raises(Silent):
            minecraft("127.0.0.1", server.getsockname()[1])
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


@contextmanager
def far_side(said: Callable[[bytes], list[bytes]]) -> Iterator[int]:
    """A game on UDP that answers each packet with these; gives its port."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind(("127.0.0.1", 0))

        def talk() -> None:
            while True:
                packet, whose = server.recvfrom(2048)
                if packet == b"end":
                    return
                for one in said(packet):
                    server.sendto(one, whose)

        thread = threading.Thread(target=talk)
        thread.start()
        try:
            yield server.getsockname()[1]
        finally:
            server.sendto(b"end", server.getsockname())
            thread.join()


WHOLE, PART = b"\xff\xff\xff\xff", b"\xfe\xff\xff\xff"
ASKED, CHALLENGE = WHOLE + b"TSource Engine Query\0", b"\x11\x22\x33\x44"


def text(*words: str) -> bytes:
    return b"".join(word.encode() + b"\0" for word in words)


def info(players: int = 3, bots: int = 0, version: str = "1.2.0", tags: str = "") -> bytes:
    numbers = struct.pack("<HBBB", 730, players, 64, bots)
    rest = bytes([0x20]) + text(tags) if tags else b"\0"
    head = b"I\x11" + text("a name", "a map", "folder", "a game")
    return head + numbers + b"dl\0\0" + text(version) + rest


def goldsrc() -> bytes:
    head = b"m" + text("127.0.0.1:27015", "a name", "a map", "folder", "a game")
    return head + bytes([5, 32, 47]) + b"dl\0\0" + bytes([0, 2])


def parts(whole: bytes, size: int = 20) -> list[bytes]:
    pieces = [whole[at : at + size] for at in range(0, len(whole), size)]
    heads = (struct.pack("<IBBH", 7, len(pieces), n, size) for n in range(len(pieces)))
    return [PART + head + piece for head, piece in zip(heads, pieces, strict=True)]


def challenged(*answer: bytes) -> Callable[[bytes], list[bytes]]:
    """As servers do since 2020: who asks has to show that it is where it says."""

    def said(packet: bytes) -> list[bytes]:
        if packet == ASKED + CHALLENGE:
            return list(answer)
        return [WHOLE + b"A" + CHALLENGE] if packet == ASKED else []

    return said


class TestA2S:
    @pytest.mark.parametrize(
        ("told", "answer"),
        [
            pytest.param([WHOLE + info()], Answer("1.2.0", 3), id="in one packet"),
            pytest.param(parts(WHOLE + info()), Answer("1.2.0", 3), id="in parts"),
            pytest.param(parts(info())[::-1], Answer("1.2.0", 3), id="the last part first"),
            pytest.param([WHOLE + info(players=0)], Answer("1.2.0", 0), id="nobody"),
            pytest.param([WHOLE + info(7, bots=5)], Answer("1.2.0", 2), id="bots are nobody"),
            pytest.param(
                [WHOLE + info(255, tags="mp500,cp312,ptrak")], Answer("1.2.0", 312), id="in tags"
            ),
            pytest.param([WHOLE + goldsrc()], Answer("", 3), id="GoldSrc says no version"),
            pytest.param(
                [WHOLE + info(version="1\x07.2")], Answer("1.2", 3), id="control characters"
            ),
        ],
    )
    def test_tells_its_version_and_who_plays(self, told: list[bytes], answer: Answer) -> None:
        with far_side(challenged(*told)) as port:
            assert a2s("127.0.0.1", port) == answer

    @pytest.mark.parametrize(
        ("told", "why"),
        [
            pytest.param([b"HTTP/1.1 400 Bad Request"], "no proper answer", id="another protocol"),
            pytest.param([WHOLE + b"I\x11half"], "no proper answer", id="half an answer"),
            pytest.param([PART + b"\x07"], "no proper answer", id="half a part"),
            pytest.param([WHOLE + b"A" + CHALLENGE] * 40, "no proper answer", id="asks for ever"),
            pytest.param([], "no answer within 0 s", id="silence"),
            pytest.param(parts(info())[:-1], "no answer within 0 s", id="a part that is lost"),
        ],
    )
    def test_what_is_no_answer_is_no_zero(
        self, told: list[bytes], why: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(answers, "LIMIT", 0.3 if "within" in why else 10)
        with far_side(challenged(*told)) as port, pytest.raises(Silent, match=why):
            a2s("127.0.0.1", port)

    def test_a_few_bytes_do_not_become_gigabytes(self) -> None:
        bomb = bz2.compress(b"\0" * 10_000_000)
        marked = struct.pack("<IBBHII", 1 << 15, 1, 0, 1400, 10_000_000, 0)
        with (
            far_side(challenged(PART + marked + bomb)) as port,
            pytest.raises(Silent, match="no proper answer"),
        ):
            a2s("127.0.0.1", port)

    def test_a_closed_port_is_no_zero(self) -> None:
        with pytest.raises(Silent):
            a2s("127.0.0.1", 1)


def quake(packet: bytes) -> list[bytes]:
    if not packet.startswith(WHOLE + b"getstatus"):
        return []
    rows = b'\\version\\ioq3 1.36\\sv_hostname\\a name\n5 40 "one"\n0 55 "two"\n'
    return [WHOLE + b"statusResponse\n" + rows]


class TestOpenGsq:
    def test_a_protocol_is_asked_by_its_name(self) -> None:
        pytest.importorskip("opengsq")
        with far_side(quake) as port:
            assert opengsq("quake3", "127.0.0.1", port) == Answer("ioq3 1.36", 2)

    def test_steams_is_asked_as_well(self) -> None:
        pytest.importorskip("opengsq")
        with far_side(challenged(WHOLE + info())) as port:
            assert opengsq("source", "127.0.0.1", port) == Answer("1.2.0", 3)

    def test_silence_is_no_zero(self, monkeypatch: pytest.MonkeyPatch) -> None:
        pytest.importorskip("opengsq")
        monkeypatch.setattr(answers, "LIMIT", 0.3)
        with far_side(lambda packet: []) as port, pytest.raises(Silent, match="no answer within"):
            opengsq("quake3", "127.0.0.1", port)

    @pytest.mark.parametrize("name", ["chess", "os"])
    def test_a_protocol_that_it_does_not_know_is_named(self, name: str) -> None:
        pytest.importorskip("opengsq")
        with pytest.raises(Silent, match=f"opengsq knows no protocol “{name}”"):
            opengsq(name, "127.0.0.1", 1)

    def test_one_that_needs_more_than_a_port_is_silent(self) -> None:
        pytest.importorskip("opengsq")
        with pytest.raises(Silent, match="cannot ask protocol palworld with a port alone"):
            opengsq("palworld", "127.0.0.1", 1)

    def test_where_it_is_not_installed_that_is_said(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setitem(sys.modules, "opengsq", None)
        with pytest.raises(Silent, match="opengsq is not installed on the worker"):
            opengsq("quake3", "127.0.0.1", 1)


class TestAQuery:
    @pytest.mark.parametrize(
        ("asked", "said", "version"),
        [
            (Query(a2s="port"), challenged(WHOLE + info()), "1.2.0"),
            (Query(opengsq=OpenGsq(protocol="quake3", port="port")), quake, "ioq3 1.36"),
        ],
    )
    def test_goes_the_way_that_the_recipe_names(
        self, asked: Query, said: Callable[[bytes], list[bytes]], version: str
    ) -> None:
        pytest.importorskip("opengsq")
        with far_side(said) as port:
            assert query.ask(asked, {"port": str(port)}, "127.0.0.1").version == version

    def test_without_a_port_nobody_is_asked(self) -> None:
        with pytest.raises(NotAsked, match="not asked: var port is not set"):
            query.ask(Query(minecraft="port"), {"port": ""}, "127.0.0.1")

    def test_what_is_no_port_is_told(self) -> None:
        with pytest.raises(Silent, match="var port holds no port"):
            query.ask(Query(minecraft="port"), {"port": "game"}, "127.0.0.1")
