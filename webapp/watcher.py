"""One socket's place in a job's story: what it has, what it wants, and how much it can take."""

import asyncio
import math
from collections import deque
from collections.abc import Awaitable, Callable

from webapp.doorman import Guest
from webapp.protocol import MAX_FRAME, WINDOW, Close, Hello, Ping, Watch, hosts_of, say
from webapp.stream import Reader

#: Seconds a full window may stay full before the watcher is sent over to HTTP.
STALL = 2.0
#: Seconds without a word from somebody whose window is full.
SILENCE = 60.0
#: Seconds that what was sent last may take to arrive before the socket is closed.
LINGER = 10.0
#: Seconds after which a socket must come again; it goes on where it was.
MAX_AGE = 4 * 3600.0
#: Answers a client may call for within so many seconds, and how many of them may wait.
MAX_ANSWERS = 100
ANSWERS_PER = 10.0
MAX_WAITING = 10


class Watcher:
    """Sends a job's story from a cursor on. Everything it sends, it sends from ``run``."""

    def __init__(self, guest: Guest, hello: Hello, send: Callable[[str], Awaitable[None]]) -> None:
        self.guest = guest
        self._send = send
        #: The last event that the client has been told of.
        self.cursor = hello.after
        self._hosts = hosts_of(hello.output)
        self._stay = hello.stay
        self._asked: deque[Watch | Ping] = deque()
        self._answers = 0
        self._answers_since = 0.0
        #: Frames not acknowledged yet: the seq up to which each tells, and its bytes.
        self._unacknowledged: deque[tuple[int, int]] = deque()
        self._outstanding = 0
        self._full_since = 0.0
        self._behind_at = math.inf
        self._told_end_at: int | None = None
        self._closing_since: float | None = None
        self._born = self._heard = _now()
        self._wake = asyncio.Event()
        self._code: Close | None = None

    async def run(self, reader: Reader) -> Close:
        """Feeds the client until it must go; gives the code to close with."""
        while self._code is None:
            self._wake.clear()
            if not await self._do_something(reader):
                await self._wake.wait()
        return self._code

    def stir(self) -> None:
        self._wake.set()

    def tick(self) -> None:
        if self._is_full or self._closing_since is not None or self._is_old:
            self._wake.set()

    def close(self, code: Close) -> None:
        self._code = self._code or code
        self._wake.set()

    def heard(self) -> None:
        """The client is alive, however slow."""
        self._heard = _now()

    def acknowledge(self, seq: int) -> None:
        while self._unacknowledged and self._unacknowledged[0][0] <= seq:
            self._outstanding -= self._unacknowledged.popleft()[1]
        self._wake.set()

    def ask(self, frame: Watch | Ping) -> None:
        """Wants an answer. They wait in memory for somebody who may not be reading."""
        if _now() - self._answers_since > ANSWERS_PER:
            self._answers, self._answers_since = 0, _now()
        self._answers += 1
        if self._answers > MAX_ANSWERS or len(self._asked) >= MAX_WAITING:
            self.close(Close.TOO_MANY)
            return
        self._asked.append(frame)
        self._wake.set()

    async def _do_something(self, reader: Reader) -> bool:
        """The next thing there is to do; False if there is none until somebody stirs."""
        if self._closing_since is not None:
            return self._finish()
        if self._is_old:
            self.close(Close.RESTARTING)
            return True
        if self._asked:
            await self._answer(self._asked.popleft())
            return True
        if self.cursor < reader.tail.last:
            if self._is_full:
                return await self._wait_for_room(reader)
            await self._send_more(reader)
            return True
        if reader.ended and self.cursor == reader.tail.last != self._told_end_at:
            await self._tell_end(reader.ended)
            return True
        if not self._is_full:
            reader.want(self.cursor)
        return False

    async def _answer(self, frame: Watch | Ping) -> None:
        if isinstance(frame, Ping):
            await self._send(say("pong"))
            return
        self._hosts = hosts_of(frame.output)
        await self._send(say("watching", output=frame.output, **{"from": self.cursor + 1}))

    async def _send_more(self, reader: Reader) -> None:
        batch = await reader.batch(self.cursor, self._hosts)
        self.cursor = batch.to
        self._unacknowledged.append((batch.to, batch.size))
        self._outstanding += batch.size
        if self._is_full:
            self._full_since = _now()
            self._behind_at = self._full_since + STALL
        await self._send(batch.text)

    @property
    def _is_old(self) -> bool:
        return _now() - self._born > MAX_AGE

    @property
    def _is_full(self) -> bool:
        return self._outstanding + MAX_FRAME > WINDOW

    async def _wait_for_room(self, reader: Reader) -> bool:
        now = _now()
        if now - max(self._full_since, self._heard) > SILENCE:
            self.close(Close.TOO_SLOW)
            return True
        if now < self._behind_at:
            return False
        # Told once; the next time only after it has come to this again.
        self._behind_at = math.inf
        to, size = await reader.backlog(self.cursor, self._hosts)
        if size < WINDOW:
            self._behind_at = now + STALL
            return False
        self.cursor = to
        await self._send(say("behind", to=to, bytes=size))
        return True

    async def _tell_end(self, state: str) -> None:
        self._told_end_at = self.cursor
        await self._send(say("end", last=self.cursor, state=state))
        if not self._stay:
            self._closing_since = _now()

    def _finish(self) -> bool:
        """A server that hangs up cuts off what is still on its way: let it arrive first."""
        assert self._closing_since is not None
        if self._outstanding > MAX_FRAME and _now() - self._closing_since < LINGER:
            return False
        self.close(Close.END)
        return True


def _now() -> float:
    return asyncio.get_running_loop().time()
