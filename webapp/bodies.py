"""How much a request may bring: daphne keeps the whole of it on disk before any page is asked, so a
stranger must not be the one to say how much that is.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, ClassVar

from daphne.http_protocol import HTTPFactory, WebRequest

#: Bytes that anybody may send, anywhere. More takes an address for uploads and a log-in.
MUCH = 16 << 20
UPLOADS = (b"/api/v1/releases", b"/admin/import/")
TOO_MUCH = b"HTTP/1.1 413 Content Too Large\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"

#: Of an ASGI scope (``type``, ``headers`` and ``client``): may they?
Admits = Callable[[dict[str, Any]], Awaitable[bool]]


async def nobody(scope: dict[str, Any]) -> bool:
    return False


class Request(WebRequest):  # type: ignore[misc]
    """Reads no further than MUCH until it is known whether there may be more."""

    admits: ClassVar[Admits] = staticmethod(nobody)
    _taken, _asked, _turned_away = 0, False, False

    def gotLength(self, length: int | None) -> None:  # noqa: N802 (Twisted's name)
        super().gotLength(length)
        if length is not None and length > MUCH:
            self._ask()

    def handleContentChunk(self, data: bytes) -> None:  # noqa: N802
        self._taken += len(data)
        if self._taken > MUCH:
            self._ask()
        if not self._turned_away:
            super().handleContentChunk(data)

    def _ask(self) -> None:
        if self._asked:
            return
        self._asked = True
        self.channel.transport.pauseProducing()
        if self.channel._path.partition(b"?")[0] not in UPLOADS:
            self._answer(False)
            return
        headers = self.requestHeaders.getAllRawHeaders()
        scope = {
            "type": "http",
            "headers": [(name.lower(), value) for name, values in headers for value in values],
            "client": (getattr(self.client, "host", ""), 0),
        }
        self._asking = asyncio.ensure_future(Request.admits(scope))
        self._asking.add_done_callback(self._told)

    def _told(self, asked: "asyncio.Future[bool]") -> None:
        self._answer(not asked.cancelled() and not asked.exception() and asked.result())

    def _answer(self, may: bool) -> None:
        if may:
            self.channel.transport.resumeProducing()
            return
        self._turned_away = True
        self.channel.transport.write(TOO_MUCH)
        self.channel.transport.loseConnection()


class Factory(HTTPFactory):  # type: ignore[misc]
    def buildProtocol(self, addr: Any) -> Any:  # noqa: N802
        protocol = super().buildProtocol(addr)
        protocol.requestFactory = Request
        return protocol
