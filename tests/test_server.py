"""The web server, as a process of its own with an application that has no other part."""

import contextlib
import http.client
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress

import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from tests import waiting
from tests.asgi_apps import FRAME, FRAMES
from tests.instances import free_port
from webapp import bodies
from webapp.env import BASE

Serve = Callable[..., tuple[subprocess.Popen[bytes], int]]
Send = Callable[..., tuple[int, str]]


@pytest.fixture
def serve() -> Iterator[Serve]:
    with ExitStack() as servers:

        def start(
            application: str, *, stuck: float = 60.0, finish: float = 4.0, end: float = 8.0
        ) -> tuple[subprocess.Popen[bytes], int]:
            port = free_port()
            program = (
                "import sys; from webapp import server;"
                "server.END, server.FINISH, server.STUCK = (float(sys.argv.pop()) for _ in '123');"
                "server.CommandLineInterface.server_class = server.Server;"
                "server.CommandLineInterface.entrypoint()"
            )
            words = ["--bind", "127.0.0.1", "--port", str(port), f"tests.asgi_apps:{application}"]
            process = servers.enter_context(
                subprocess.Popen(
                    [sys.executable, "-c", program, *words, *map(str, (stuck, finish, end))],
                    cwd=BASE,
                    env=os.environ | {"DJANGO_SETTINGS_MODULE": "tests.settings"},
                    stdout=subprocess.DEVNULL,
                    stderr=subprocess.DEVNULL,
                )
            )
            servers.callback(process.kill)
            waiting.until(lambda: is_open(port), "the server listens", seconds=30)
            return process, port

        yield start


def is_open(port: int) -> bool:
    with suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
        return True
    return False


def asked(port: int) -> str:
    with contextlib.closing(
        http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    ) as connection:
        connection.request("GET", "/")
        return connection.getresponse().read().decode()


def silent_peer(port: int) -> socket.socket:
    """Opens a WebSocket, and reads no more."""
    peer = socket.socket()
    peer.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    peer.connect(("127.0.0.1", port))
    peer.sendall(
        b"GET /ws HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
    )
    return peer


def settled(port: int) -> int:
    """How many frames the application got rid of, once that does not change any more."""
    seen = [-1]

    def stands() -> bool:
        seen.append(int(asked(port)))
        return 0 < seen[-1] == seen[-2]

    waiting.until(stands, "the application has to wait")
    return seen[-1]


def test_who_sends_waits_for_a_peer_that_does_not_read(serve: Serve) -> None:
    _, port = serve("flood")
    with silent_peer(port):
        held = settled(port) * len(FRAME)
        # What the kernel holds for a connection on this machine, and 64 KiB of ours.
        assert held < 16 << 20 < FRAMES * len(FRAME)


def test_who_reads_gets_everything(serve: Serve) -> None:
    _, port = serve("flood")
    with connect(f"ws://127.0.0.1:{port}/", max_size=None) as peer:
        assert all(len(peer.recv(timeout=20)) == len(FRAME) for _ in range(FRAMES))


def test_what_was_loaded_is_not_searched_for_garbage(serve: Serve) -> None:
    _, port = serve("settled")
    assert int(asked(port)) > 1000


def test_a_peer_that_is_stuck_is_hung_up_on(serve: Serve) -> None:
    _, port = serve("flood", stuck=0.3)
    with silent_peer(port) as peer:
        settled(port)
        waiting.until(lambda: int(asked(port)) == FRAMES, "the application is not held any more")
        peer.settimeout(20)
        with suppress(ConnectionResetError):
            while peer.recv(65536):
                pass


def test_a_server_that_goes_down_tells_everybody(serve: Serve) -> None:
    """Also while another connection rests between two requests."""
    process, port = serve("patient")
    resting = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    half = socket.create_connection(("127.0.0.1", port))
    codes: list[int | None] = []
    with connect(f"ws://127.0.0.1:{port}/") as peer:
        resting.request("GET", "/")
        assert resting.getresponse().read() == b"here"
        half.sendall(b"GET / HTTP/1.1\r\n")

        def listen() -> None:
            try:
                peer.recv(timeout=20)
            except ConnectionClosed as closed:
                codes.append(closed.rcvd and closed.rcvd.code)

        listening = threading.Thread(target=listen)
        listening.start()
        process.send_signal(signal.SIGTERM)
        assert process.wait(15) is not None
        listening.join()
    resting.close()
    half.close()
    assert codes == [4000]


def test_a_server_that_goes_down_answers_what_it_was_asked_and_ends(serve: Serve) -> None:
    """Though a thread never ends, and a peer reads nothing."""
    process, port = serve("patient", finish=1.0, end=2.0)
    asking = [http.client.HTTPConnection("127.0.0.1", port, timeout=10) for _ in range(2)]
    for connection, path in zip(asking, ("/slow", "/stuck"), strict=True):
        connection.request("GET", path)
    with silent_peer(port):
        asked(port)  # it has all of them by now
        process.send_signal(signal.SIGTERM)
        waiting.until(lambda: not is_open(port), "it takes nobody new")
        assert asking[0].getresponse().read() == b"here"
        assert process.wait(15) == 0
    for connection in asking:
        connection.close()


def test_a_thousand_may_knock_at_once(serve: Serve) -> None:
    process, port = serve("patient")
    process.send_signal(signal.SIGSTOP)
    with ExitStack() as knocking:
        for _ in range(300):
            one = knocking.enter_context(socket.socket())
            one.settimeout(0.5)
            one.connect(("127.0.0.1", port))
        process.send_signal(signal.SIGCONT)


def test_who_is_let_in_late_is_let_in(serve: Serve) -> None:
    _process, port = serve("busy")
    with connect(f"ws://127.0.0.1:{port}/ws", open_timeout=30, proxy=None) as peer:
        assert peer.recv(timeout=30) == "your turn"


class TestBodies:
    """Sent with an exact length, or in chunks that tell none."""

    @pytest.fixture
    def port(self, serve: Serve) -> int:
        return serve("weighing")[1]

    @pytest.fixture(params=["length", "chunks"])
    def send(self, request: pytest.FixtureRequest, port: int) -> Send:
        def send(path: str, size: int, **headers: str) -> tuple[int, str]:
            whole = iter([b"x" * 2**20] * (size >> 20))
            told = {"Content-Length": str(size)} if request.param == "length" else {}
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
            with contextlib.closing(connection):
                # What is turned away is no longer read: the rest cannot be sent.
                with suppress(ConnectionError):
                    connection.request("POST", path, whole, told | headers, encode_chunked=not told)
                try:
                    answer = connection.getresponse()
                except (ConnectionError, http.client.HTTPException):
                    return 413, ""
                return answer.status, answer.read().decode()

        return send

    def test_a_little_may_be_sent_by_anybody(self, send: Send) -> None:
        assert send("/login", bodies.MUCH) == (200, str(bodies.MUCH))

    @pytest.mark.parametrize("given", ["", "bad", "break"])
    def test_much_is_not_taken_from_a_stranger(self, send: Send, given: str) -> None:
        headers = {"Authorization": given} if given else {}
        assert send("/api/v1/releases", 2 * bodies.MUCH, **headers)[0] == 413

    def test_nor_where_nothing_is_uploaded(self, send: Send) -> None:
        assert send("/login", 2 * bodies.MUCH, Authorization="good")[0] == 413

    def test_who_may_sends_as_much_as_they_like(self, send: Send) -> None:
        size = 3 * bodies.MUCH
        assert send("/api/v1/releases?x=1", size, Authorization="good") == (200, str(size))
