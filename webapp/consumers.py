"""The sockets. They have no write action: a client says what it wants to see, and no more."""

import asyncio
import logging
from typing import Any

from channels.consumer import get_handler_name
from channels.generic.websocket import AsyncWebsocketConsumer
from django.utils import timezone

from deploy_tasks.models import Job
from deploy_tasks.times import iso
from webapp import doorman, rows, stream
from webapp.access import Open, Right, Takes
from webapp.protocol import SUBPROTOCOL, Ack, BadFrame, Close, Hello, Ping, Watch, parse, say
from webapp.watcher import Watcher

logger = logging.getLogger(__name__)

#: Seconds in which the first frame must have come.
HELLO_WITHIN = 5.0


class Socket(AsyncWebsocketConsumer):  # type: ignore[misc]
    """Accepts, and closes with a code that browsers can see."""

    #: Asked by the doorman.
    takes: Takes
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
    takes = Open.ANYBODY

    async def connect(self) -> None:
        await super().connect()
        await self.close(Close.NO_SUCH_JOB)


class JobConsumer(Socket):
    """One watcher of one job."""

    takes = Right.SEE

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._watcher: Watcher | None = None
        self._work: set[asyncio.Task[None]] = set()
        self._patience: asyncio.TimerHandle | None = None

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        try:
            await super().__call__(scope, receive, send)
        finally:
            await self._leave()

    async def connect(self) -> None:
        await super().connect()
        self._job_id: int = self.scope["url_route"]["kwargs"]["job_id"]
        login, language = doorman.login_of(self.scope), doorman.language_of(self.scope)
        guest = await rows.ask(doorman.admit, login, self._job_id, language)
        if isinstance(guest, Close):
            await self.close(guest)
            return
        self._guest = guest
        loop = asyncio.get_running_loop()
        self._patience = loop.call_later(
            HELLO_WITHIN, lambda: self._start(self.close(Close.TOO_SLOW))
        )

    async def receive(self, text_data: str | None = None, bytes_data: bytes | None = None) -> None:
        if self.closed:
            return
        try:
            self._obey(parse(text_data))
        except BadFrame:
            await self.close(Close.BAD_FRAME)
            if self._watcher:
                self._watcher.close(Close.BAD_FRAME)

    def _obey(self, frame: Hello | Watch | Ack | Ping | None) -> None:
        if self._watcher is None:
            if not isinstance(frame, Hello):
                raise BadFrame
            self._welcome(frame)
            return
        self._watcher.heard()
        match frame:
            case Ack():
                self._watcher.acknowledge(frame.seq)
            case Watch() | Ping():
                self._watcher.ask(frame)
            case Hello():
                raise BadFrame

    def _welcome(self, hello: Hello) -> None:
        if self._patience:
            self._patience.cancel()
        self._watcher = Watcher(self._guest, hello, self.send)
        self._start(self._feed(self._watcher))

    async def _feed(self, watcher: Watcher) -> None:
        # Whoever is cut off by a server that goes down, or by our mistake, shall come again.
        code = Close.RESTARTING
        try:
            with stream.watching(self._job_id, watcher) as reader:
                if gone := await reader.must_go(self._guest):
                    code = gone
                    return
                welcome = await reader.welcome(self._guest.audience)
                await self.send(say("welcome", now=iso(timezone.now()), **welcome))
                code = await watcher.run(reader)
        except stream.TooMany:
            code = Close.TOO_MANY
        except Job.DoesNotExist:
            code = Close.NO_SUCH_JOB
        finally:
            await self.close(code)

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
