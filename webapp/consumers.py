"""The sockets. They have no write action: a client says what it wants to see, and no more."""

import asyncio
import logging
from typing import Any

from channels.consumer import get_handler_name
from channels.generic.websocket import AsyncWebsocketConsumer

from webapp import doorman, rows, stream
from webapp.protocol import SUBPROTOCOL, Ack, BadFrame, Close, Hello, Ping, Watch, parse, say
from webapp.stream import Reader
from webapp.watcher import Watcher

logger = logging.getLogger(__name__)

#: Seconds in which the first frame must have come.
HELLO_WITHIN = 5.0
#: Answers a client may call for (pong, watching) within so many seconds: it may not be reading.
MAX_ANSWERS = 100
ANSWERS_PER = 10.0


class Socket(AsyncWebsocketConsumer):  # type: ignore[misc]
    """Accepts, and closes with a code that browsers can see."""

    #: No channel of its own: the reader of the job listens for all of them.
    channel_layer_alias = None
    closed = False

    async def dispatch(self, message: dict[str, Any]) -> None:
        # The base class visits the thread all sync code shares, for every frame, to look after
        # database connections. Here nobody uses one outside of rows.ask.
        await getattr(self, get_handler_name(message))(message)

    async def connect(self) -> None:
        offered = self.scope["subprotocols"]
        await self.accept(SUBPROTOCOL if SUBPROTOCOL in offered else None)

    async def close(self, code: Close, reason: str | None = None) -> None:
        if not self.closed:
            self.closed = True
            await super().close(int(code), reason)


class NoSuchPath(Socket):
    async def connect(self) -> None:
        await super().connect()
        await self.close(Close.NO_SUCH_JOB)


class JobConsumer(Socket):
    """One watcher of one job."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._watcher: Watcher | None = None
        self._work: set[asyncio.Task[None]] = set()
        self._patience: asyncio.TimerHandle | None = None
        self._answers = 0
        self._answers_since = 0.0

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        try:
            await super().__call__(scope, receive, send)
        finally:
            await self._leave()

    async def connect(self) -> None:
        await super().connect()
        self._login = doorman.login_of(self.scope)
        self._job_id: int = self.scope["url_route"]["kwargs"]["job_id"]
        refusal = await rows.ask(doorman.turned_away, self._login, self._job_id)
        if refusal is not None:
            await self.close(refusal)
            return
        loop = asyncio.get_running_loop()
        self._patience = loop.call_later(
            HELLO_WITHIN, lambda: self._start(self.close(Close.TOO_SLOW))
        )

    async def receive(self, text_data: str | None = None, bytes_data: bytes | None = None) -> None:
        if self.closed:
            return
        try:
            await self._obey(parse(text_data))
        except BadFrame:
            await self.close(Close.BAD_FRAME)
            if self._watcher:
                self._watcher.close(Close.BAD_FRAME)

    async def _obey(self, frame: Hello | Watch | Ack | Ping | None) -> None:
        if self._watcher is None:
            if not isinstance(frame, Hello):
                raise BadFrame
            await self._welcome(frame)
            return
        self._watcher.heard()
        match frame:
            case Ack():
                self._watcher.acknowledge(frame.seq)
            case Watch():
                self._watcher.want(frame.output)
                self._count_answer()
            case Ping():
                await self.send(say("pong"))
                self._count_answer()
            case Hello():
                raise BadFrame

    async def _welcome(self, hello: Hello) -> None:
        if self._patience:
            self._patience.cancel()
        welcome = await rows.ask(doorman.welcome, self._login, self._job_id)
        if isinstance(welcome, Close):
            await self.close(welcome)
            return
        self._watcher = Watcher(self._login, hello, self.send)
        try:
            reader = stream.join(self._job_id, self._watcher)
        except stream.TooMany:
            await self.close(Close.TOO_MANY)
            return
        await self.send(say("welcome", **welcome))
        self._start(self._feed(reader, self._watcher))

    async def _feed(self, reader: Reader, watcher: Watcher) -> None:
        # Whoever is cut off by a server that goes down, or by our mistake, shall come again.
        code = Close.RESTARTING
        try:
            code = await watcher.run(reader)
        finally:
            stream.leave(reader, watcher)
            await self.close(code)

    def _count_answer(self) -> None:
        """Answers wait in memory until they are read, beside the window."""
        assert self._watcher
        now = asyncio.get_running_loop().time()
        if now - self._answers_since > ANSWERS_PER:
            self._answers, self._answers_since = 0, now
        self._answers += 1
        if self._answers > MAX_ANSWERS:
            self._watcher.close(Close.TOO_MANY)

    def _start(self, work: Any) -> None:
        task = asyncio.create_task(work)
        self._work.add(task)

    async def _leave(self) -> None:
        if self._patience:
            self._patience.cancel()
        for task in self._work:
            task.cancel()
        for ended in await asyncio.gather(*self._work, return_exceptions=True):
            if isinstance(ended, Exception):
                logger.error("a watcher of job %s broke", self._job_id, exc_info=ended)
