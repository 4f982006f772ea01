"""Things on a TCP port that are no good SSH host, for tests: each a small server with a memory."""

import asyncio
import contextlib
import socket
import threading
from collections.abc import Callable, Iterator
from typing import Self

import asyncssh


class Stranger:
    """Gives every connection to ``answer`` in a thread of its own. Counts them."""

    def __init__(self, answer: Callable[[socket.socket], None]) -> None:
        self._answer = answer
        self._links: list[socket.socket] = []
        self._threads: list[threading.Thread] = []
        self.met = 0

    def __enter__(self) -> Self:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.address, self.port = self._listener.getsockname()
        self._start(self._accept)
        return self

    def __exit__(self, *_: object) -> None:
        for link in (self._listener, *self._links):
            with contextlib.suppress(OSError):
                link.shutdown(socket.SHUT_RDWR)
            link.close()
        for thread in self._threads:
            thread.join(10)

    def _start(self, work: Callable[[], None]) -> None:
        thread = threading.Thread(target=work, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                link, _ = self._listener.accept()
                self.met += 1
                self._links.append(link)
                self._start(lambda link=link: self._serve(link))  # type: ignore[misc]

    def _serve(self, link: socket.socket) -> None:
        with contextlib.suppress(OSError):
            self._answer(link)


class Relay(Stranger):
    """Stands between us and a real host, and stops passing bytes on when it is told to.

    What it swallows is acknowledged, so TCP finds nothing wrong.
    """

    def __init__(self, address: str, port: int, *, says_first: bytes = b"") -> None:
        super().__init__(self._relay)
        self._to, self._says_first = (address, port), says_first
        self.swallows = threading.Event()

    def _relay(self, link: socket.socket) -> None:
        link.sendall(self._says_first)
        far = socket.create_connection(self._to, timeout=10)
        far.settimeout(None)
        self._links.append(far)
        self._start(lambda: self._pass_on(far, link))
        self._pass_on(link, far)

    def _pass_on(self, source: socket.socket, sink: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                if not self.swallows.is_set():
                    sink.sendall(data)
            sink.shutdown(socket.SHUT_WR)


class _StallingServer(asyncssh.SSHServer):
    def __init__(self, where: str) -> None:
        self._where = where

    async def begin_auth(self, username: str) -> bool:
        if self._where == "auth":
            await asyncio.sleep(3600)
        return False

    async def session_requested(self) -> bool:
        await asyncio.sleep(3600)
        return False


@contextlib.contextmanager
def stalling_host(where: str) -> Iterator[tuple[str, int, str]]:
    """An SSH host that never answers the log-in ("auth") or a request for a channel ("channel").

    Gives address, port and host key.
    """
    key = asyncssh.generate_private_key("ssh-ed25519")
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    server = asyncio.run_coroutine_threadsafe(_listen(where, key), loop).result(10)
    try:
        yield "127.0.0.1", server.get_port(), key.export_public_key().decode().strip()
    finally:
        asyncio.run_coroutine_threadsafe(_shut_down(server), loop).result(10)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)
        loop.close()


async def _listen(where: str, key: asyncssh.SSHKey) -> asyncssh.SSHAcceptor:
    return await asyncssh.listen(
        "127.0.0.1", 0, server_factory=lambda: _StallingServer(where), server_host_keys=[key]
    )


async def _shut_down(server: asyncssh.SSHAcceptor) -> None:
    server.close()
    others = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
    for task in others:
        task.cancel()
    await asyncio.gather(*others, return_exceptions=True)
