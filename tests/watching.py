"""A client of the stream for tests: keeps what it got, and holds the server to its promises."""

import json
from collections.abc import Callable
from types import TracebackType
from typing import Any, Self

import pytest
from channels.layers import get_channel_layer
from channels.testing import WebsocketCommunicator
from django.conf import settings
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from deploy_tasks import journal
from tests.stories import Story
from webapp import rows, tokens
from webapp.asgi import application

PATIENCE = 20
HERE = "http://127.0.0.1:8000"

Headers = list[tuple[bytes, bytes]]


def browser(user: User | None, origin: str | None = HERE) -> Headers:
    """The headers of a page's socket; its person is logged in, if there is one."""
    headers = [(b"host", b"127.0.0.1:8000")]
    if origin is not None:
        headers.append((b"origin", origin.encode()))
    if user:
        client = Client()
        client.force_login(user)
        cookie = client.cookies[settings.SESSION_COOKIE_NAME]
        headers.append((b"cookie", f"{cookie.key}={cookie.value}".encode()))
    return headers


def program(user: User) -> Headers:
    return [(b"authorization", f"Bearer {tokens.create(user)}".encode())]


class Viewer:
    """Acknowledges what it gets, unless told otherwise. ``closed`` is the code of the end."""

    def __init__(self, job_id: int | str, headers: Headers, *, acknowledging: bool = True) -> None:
        self._socket = WebsocketCommunicator(
            application, f"/ws/jobs/{job_id}/", headers=headers, subprotocols=["patchwave.v1"]
        )
        self._acknowledging = acknowledging
        self.subprotocol: str | None = None
        self.accepted = False
        self.frames: list[dict[str, Any]] = []
        self.items: list[dict[str, Any]] = []
        self.bytes = 0
        self.to = 0
        self.closed: int | None = None

    async def __aenter__(self) -> Self:
        self.accepted, self.subprotocol = await self._socket.connect(timeout=PATIENCE)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._socket.disconnect(timeout=PATIENCE)

    async def say(self, t: str, **fields: Any) -> None:
        await self._socket.send_json_to({"t": t, **fields})

    async def say_text(self, text: str) -> None:
        await self._socket.send_to(text_data=text)

    async def say_bytes(self, data: bytes) -> None:
        await self._socket.send_to(bytes_data=data)

    async def hello(self, after: int = 0, **fields: Any) -> dict[str, Any]:
        """Gives the welcome."""
        self.to = after
        await self.say("hello", after=after, **fields)
        return await self.frame()

    async def frame(self) -> dict[str, Any]:
        """The next frame; the end of the socket is one that says ``close``."""
        message = await self._socket.receive_output(timeout=PATIENCE)
        if message["type"] == "websocket.close":
            self.closed = message["code"]
            return {"t": "close", "code": self.closed}
        assert len(message["text"].encode()) <= 64 * 1024
        frame: dict[str, Any] = json.loads(message["text"])
        self.frames.append(frame)
        if frame["t"] == "batch":
            await self._take(frame, len(message["text"].encode()))
        if frame["t"] == "behind":
            self.to = frame["to"]
        return frame

    async def until(self, condition: Callable[[], bool]) -> None:
        while not condition():
            await self.frame()
            assert self.closed is None or condition(), f"closed with {self.closed}"

    async def reach(self, seq: int) -> list[dict[str, Any]]:
        """All items so far, once everything up to ``seq`` has been told."""
        await self.until(lambda: self.to >= seq)
        return self.items

    async def said(self, t: str) -> dict[str, Any]:
        """The next frame of a kind."""
        while (frame := await self.frame())["t"] != t:
            assert self.closed is None, f"closed with {self.closed}"
        return frame

    async def code(self) -> int:
        """The code with which the server closes."""
        while self.closed is None:
            await self.frame()
        return self.closed

    async def hears_nothing(self) -> bool:
        return bool(await self._socket.receive_nothing(timeout=0.15))

    @property
    def seqs(self) -> list[int]:
        return [item["s"] for item in self.items]

    @property
    def output(self) -> str:
        return "".join(item["d"] for item in self.items if item["k"] == "output")

    async def _take(self, batch: dict[str, Any], size: int) -> None:
        assert batch["from"] == self.to + 1, "a hole, or a double"
        assert batch["to"] >= batch["from"]
        assert all(batch["from"] <= item["s"] <= batch["to"] for item in batch["items"])
        self.items += batch["items"]
        self.bytes += size
        self.to = batch["to"]
        if self._acknowledging:
            await self.say("ack", seq=self.to)


async def ring(story: Story, to: int) -> None:
    layer: Any = get_channel_layer()
    message = {"type": "job.grew", "job": story.job.pk, "to": to}
    await layer.group_send(journal.group_of(story.job.pk), message)


def seen_queries(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What the sockets ask the database from here on."""
    asked: list[str] = []
    plainly = rows._asked

    def watched(*args: Any, **kwargs: Any) -> Any:
        with CaptureQueriesContext(connection) as seen:
            found = plainly(*args, **kwargs)
        asked.extend(query["sql"] for query in seen.captured_queries)
        return found

    monkeypatch.setattr(rows, "_asked", watched)
    return asked
