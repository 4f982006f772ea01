"""The network between two of us, as a TCP proxy that does what networks do."""

import asyncio
import contextlib
import socket
import struct
import threading
from dataclasses import dataclass, field
from typing import Protocol, Self

CHUNK = 16_384


@dataclass(eq=False)
class _Call:
    """One connection through the line: both its ends."""

    near: asyncio.StreamWriter
    far: asyncio.StreamWriter
    passed: dict[str, int] = field(default_factory=lambda: {"up": 0, "down": 0})
    swallows: set[str] = field(default_factory=set)

    def cut(self) -> None:
        for end in (self.near, self.far):
            with contextlib.suppress(OSError):
                # A reset, as of a firewall: what was not delivered is lost.
                end.get_extra_info("socket").setsockopt(
                    socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0)
                )
            end.transport.abort()


class End(Protocol):
    """A host of a fleet, or whatever else listens somewhere."""

    @property
    def address(self) -> str: ...

    @property
    def port(self) -> int: ...


class Line:
    """``with Line(host) as line:`` — call ``line.address``, ``line.port`` in place of the host.

    Up is from us to the host, down is back. New connections are passed on whatever was done to
    the earlier ones.
    """

    def __init__(self, host: End) -> None:
        self._host = host
        self._calls: list[_Call] = []
        #: Every connection is cut when so many bytes have come down it; 0: none is.
        self.longest_down = 0
        self.met = 0

    def __enter__(self) -> Self:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="line", daemon=True)
        self._thread.start()
        self._server = self._in_loop(asyncio.start_server(self._meet, "127.0.0.1", 0))
        self.address, self.port = self._server.sockets[0].getsockname()
        return self

    def __exit__(self, *_: object) -> None:
        self._in_loop(self._close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    def cut(self) -> None:
        """Reset every connection there is."""
        self._in_loop(self._cut())

    def swallow(self, *directions: str) -> None:
        """Half-open: what comes on a connection there is now is taken and not passed on."""
        for call in self._calls:
            call.swallows |= set(directions or ("up", "down"))

    def hang_up(self) -> None:
        """Half-close: the host hears that nothing more will come, and may go on talking."""
        for call in self._calls:
            self._loop.call_soon_threadsafe(call.far.write_eof)

    def _in_loop(self, work):  # type: ignore[no-untyped-def]
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(10)

    async def _meet(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.met += 1
        try:
            far_reader, far = await asyncio.open_connection(self._host.address, self._host.port)
        except OSError:
            writer.transport.abort()
            return
        call = _Call(writer, far)
        self._calls.append(call)
        with contextlib.suppress(OSError, asyncio.CancelledError):
            await asyncio.gather(
                self._pass_on(call, "up", reader, far),
                self._pass_on(call, "down", far_reader, writer),
            )
        call.cut()
        self._calls.remove(call)

    async def _pass_on(
        self, call: _Call, way: str, source: asyncio.StreamReader, sink: asyncio.StreamWriter
    ) -> None:
        while data := await source.read(CHUNK):
            if way in call.swallows:
                continue
            if way == "down" and 0 < self.longest_down < call.passed[way] + len(data):
                sink.write(data[: self.longest_down - call.passed[way]])
                with contextlib.suppress(OSError):
                    await sink.drain()
                raise ConnectionResetError
            call.passed[way] += len(data)
            sink.write(data)
            await sink.drain()
        if way not in call.swallows and sink.can_write_eof():
            sink.write_eof()

    async def _cut(self) -> None:
        for call in self._calls:
            call.cut()

    async def _close(self) -> None:
        self._server.close()
        await self._cut()
        others = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)
