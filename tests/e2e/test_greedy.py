"""Watchers that read nothing, some of which lie or shout, against the real web process."""

import base64
import json
import os
import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path

import pytest

from tests.e2e.world import Product
from tests.told import Told, telling
from webapp.cli.client import Client
from webapp.cli.story import Link, Story

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]

SILENT, LYING, SHOUTING = 40, 10, 10
LINES = 150_000
#: Bytes of all that output, about: what a web process would hold of it for each, if it did.
STORY = LINES * 72


class Greedy:
    """A socket that says hello and never reads again; its system keeps little for it."""

    def __init__(self, port: int, told: Told) -> None:
        self._socket = socket.socket()
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        self._socket.settimeout(20)
        self._socket.connect(("127.0.0.1", port))
        key = base64.b64encode(os.urandom(16)).decode()
        self._socket.sendall(
            f"GET /ws/jobs/{told.job}/ HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n"
            f"Authorization: Bearer {told.tokens[0]}\r\nUpgrade: websocket\r\n"
            f"Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {key}\r\n\r\n"
            "".encode()
        )
        assert b" 101 " in self._socket.recv(64)
        self.say(t="hello", output="all")

    def __enter__(self) -> "Greedy":
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    def say(self, **frame: object) -> None:
        text = json.dumps(frame).encode()
        short = len(text) < 126
        size = bytes([0x80 | len(text)]) if short else struct.pack("!BH", 0xFE, len(text))
        self._socket.sendall(b"\x81" + size + bytes(4) + text)  # masked with zeros


@pytest.fixture
def story(product: Product, told: Told) -> Iterator[Story]:
    with Client(product.address, told.tokens[0]) as client:
        yield Story(client, told.job, output="all")


@pytest.fixture
def told(product: Product) -> Iterator[Told]:
    with telling(product.instance, lines=LINES, rate=80_000, hosts=20) as told:
        yield told


def test_watchers_that_read_nothing_cost_little_of_what_they_are_told(
    product: Product, told: Told, story: Story
) -> None:
    port, web = product.instance.port, product.instance.pid("web")
    stop = threading.Event()

    def shout(sockets: list[Greedy], frame: dict[str, object]) -> None:
        while not stop.wait(0.02):
            for one in sockets:
                with suppress(OSError):  # it was shown out
                    one.say(**frame)

    with ExitStack() as open_sockets:
        greedy = [
            open_sockets.enter_context(Greedy(port, told)) for _ in range(SILENT + LYING + SHOUTING)
        ]
        before = rss(web)
        shouters = [
            threading.Thread(target=shout, args=given)
            for given in (
                (greedy[SILENT : SILENT + LYING], {"t": "ack", "seq": 2**40}),
                (greedy[-SHOUTING:], {"t": "watch", "output": ["x" * 60] * 900}),
            )
        ]
        for shouter in shouters:
            shouter.start()
        open_sockets.callback(lambda: [shouter.join() for shouter in shouters])
        open_sockets.callback(stop.set)
        told.go()
        seqs = [item["s"] for item in story.items()]
        grown = rss(web) - before
    assert seqs == list(range(1, story.seq + 1)), "nobody else loses anything by them"
    assert STORY > 10 * 2**20
    # 11 to 13 MiB; on a busy machine who reads is behind as well, and what it then fetches counts.
    assert grown < len(greedy) * STORY / 5, f"{grown / 2**20:.0f} MiB for {len(greedy)}"


def test_who_was_too_slow_catches_up_without_a_hole(told: Told, story: Story) -> None:
    turns = story.turns()
    seqs: list[int] = []
    links = []
    told.go()
    while not seqs:
        seqs += [item["s"] for item in next(turns)]
    # The job goes on without us: we are not slow on purpose, we are away.
    assert told.process.wait(200) == 0
    for items in turns:
        links.append(story.link)
        seqs += [item["s"] for item in items]
    assert Link.BEHIND in links
    assert seqs == list(range(1, story.seq + 1))
    assert story.gaps == 0


def rss(pid: int) -> int:
    """Bytes."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
