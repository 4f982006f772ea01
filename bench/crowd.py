"""Many watchers of one job in one process, as light as can be: frames are counted, not read."""

import asyncio
import base64
import json
import os
import re
import struct
import time
from collections.abc import Coroutine, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

_SPAN = re.compile(rb'\{"t":"batch","from":(\d+),"to":(\d+)')
#: A watcher acknowledges as our page does: after so many bytes, or so many seconds.
ACK_AFTER = 16 * 1024
ACK_WITHIN = 1.0
#: Seconds before another try where nobody listens.
PAUSE = 0.2
#: So many knock at a time.
TOGETHER = 100
#: Seconds. What takes longer has failed.
PATIENCE = 300


@dataclass
class Tally:
    """What all watchers together were told."""

    frames: int = 0
    bytes: int = 0
    holes: int = 0
    doubles: int = 0
    behind: int = 0
    #: Seconds from an event's time to its arrival, of each batch's newest.
    lags: list[float] = field(default_factory=list)


class Crowd:
    """``tokens``: of those who may see the job; the watchers use them in turn."""

    def __init__(self, port: int, job: int, tokens: Sequence[str]) -> None:
        self.port, self.job, self._tokens = port, job, tokens
        self.tally = Tally()
        self.watchers: list[Watcher] = []
        self.leaving = False
        self._tasks: set[asyncio.Task[None]] = set()

    async def gather(self, count: int) -> float:
        """So many watchers more, all welcomed; gives the seconds that took."""
        begun = time.monotonic()
        fresh = [Watcher(self, self._tokens[n % len(self._tokens)]) for n in range(count)]
        self.watchers += fresh
        async with asyncio.timeout(PATIENCE):
            for start in range(0, count, TOGETHER):
                await asyncio.gather(*(one.come() for one in fresh[start : start + TOGETHER]))
            await asyncio.gather(*(one.welcome.wait() for one in fresh))
        return time.monotonic() - begun

    async def to_the_end(self) -> None:
        """Everybody has been told that the job is over. Then all leave."""
        async with asyncio.timeout(PATIENCE):
            await asyncio.gather(*(watcher.ended.wait() for watcher in self.watchers))
        self.leaving = True
        for watcher in self.watchers:
            watcher.leave()

    def start(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


class Watcher(asyncio.Protocol):
    """One socket; comes again by itself when it is lost, and goes on where it was."""

    def __init__(self, crowd: Crowd, token: str) -> None:
        self._crowd, self._token = crowd, token
        self.welcome = asyncio.Event()
        self.ended = asyncio.Event()
        self._at = 0
        self._transport: asyncio.Transport | None = None
        self._buffer = bytearray()
        self._is_open = False
        self._unacknowledged = 0
        self._ack: asyncio.TimerHandle | None = None

    async def come(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            try:
                await loop.create_connection(lambda: self, "127.0.0.1", self._crowd.port)
                return
            except OSError:
                await asyncio.sleep(PAUSE)

    def leave(self) -> None:
        if self._transport:
            self._transport.close()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._buffer.clear()
        self._is_open = False
        key = base64.b64encode(os.urandom(16)).decode()
        transport.write(
            f"GET /ws/jobs/{self._crowd.job}/ HTTP/1.1\r\nHost: 127.0.0.1:{self._crowd.port}\r\n"
            f"Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: {key}\r\n"
            "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: patchwave.v1\r\n"
            f"Authorization: Bearer {self._token}\r\n\r\n".encode()
        )

    def connection_lost(self, error: Exception | None) -> None:
        self._transport = None
        if not self._crowd.leaving:
            self._crowd.start(self.come())

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        if not self._is_open:
            end = self._buffer.find(b"\r\n\r\n")
            if end < 0:
                return
            if b" 101 " not in self._buffer[:20]:
                self._hang_up()
                return
            del self._buffer[: end + 4]
            self._is_open = True
            self._say(t="hello", after=self._at, output="all", stay=True)
        while frame := self._frame():
            self._take(*frame)

    def _frame(self) -> tuple[int, bytes] | None:
        """The next whole one that came: its opcode and what is in it."""
        buffer = self._buffer
        if len(buffer) < 10 and len(buffer) < 2 + (buffer[1:2] or b"\0")[0]:
            return None
        size, start = buffer[1], 2
        if size == 126:
            (size,), start = struct.unpack_from("!H", buffer, 2), 4
        elif size == 127:
            (size,), start = struct.unpack_from("!Q", buffer, 2), 10
        if len(buffer) < start + size:
            return None
        frame = bytes(buffer[start : start + size])
        opcode = buffer[0] & 0x0F
        del buffer[: start + size]
        return opcode, frame

    def _take(self, opcode: int, frame: bytes) -> None:
        if opcode == 0x9:
            self._write(0xA, frame)
        elif opcode == 0x8:
            self._hang_up()
        elif frame.startswith(b'{"t":"batch"'):
            self._batch(frame)
        elif frame.startswith(b'{"t":"welcome"'):
            self.welcome.set()
        elif frame.startswith(b'{"t":"behind"'):
            # Nobody is slow on purpose here: it is counted, and not fetched.
            self._crowd.tally.behind += 1
            self._at = json.loads(frame)["to"]
            self._acknowledge()
        elif frame.startswith(b'{"t":"end"'):
            self._crowd.tally.holes += json.loads(frame)["last"] != self._at
            self.ended.set()

    def _batch(self, frame: bytes) -> None:
        tally = self._crowd.tally
        span = _SPAN.match(frame)
        assert span
        first, to = int(span[1]), int(span[2])
        tally.holes += first > self._at + 1
        tally.doubles += first <= self._at
        tally.frames += 1
        tally.bytes += len(frame)
        tally.lags.append(time.time() - _time_of_last(frame))
        self._at = to
        self._unacknowledged += len(frame)
        if self._unacknowledged >= ACK_AFTER:
            self._acknowledge()
        elif self._ack is None:
            loop = asyncio.get_running_loop()
            self._ack = loop.call_later(ACK_WITHIN, self._acknowledge)

    def _acknowledge(self) -> None:
        if self._ack:
            self._ack.cancel()
        self._ack = None
        self._unacknowledged = 0
        self._say(t="ack", seq=self._at)

    def _say(self, **message: object) -> None:
        self._write(0x1, json.dumps(message).encode())

    def _write(self, opcode: int, payload: bytes) -> None:
        """At most 125 bytes, masked with zeros."""
        if self._transport:
            self._transport.write(bytes([0x80 | opcode, 0x80 | len(payload)]) + bytes(4) + payload)

    def _hang_up(self) -> None:
        if self._transport:
            self._transport.abort()


def _time_of_last(frame: bytes) -> float:
    """Of the last event in a batch, in seconds since the epoch."""
    start = frame.rindex(b'"at":"') + len(b'"at":"')
    return datetime.fromisoformat(frame[start : frame.index(b'"', start)].decode()).timestamp()
