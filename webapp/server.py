"""``python -m webapp.server``: daphne, with four things mended.

It keeps in memory whatever a peer does not read; here whoever sends waits until the peer takes it.
It lets 50 wait at the door; here all who come back after a restart get in without knocking twice.
It stumbles over idle connections when it goes down; here everybody is told.
And it stores whatever anybody sends; here a stranger sends little (`webapp.bodies`).
"""

import asyncio
import contextlib
from collections.abc import Sequence
from typing import Any

from daphne.cli import CommandLineInterface
from daphne.server import Server as Daphne
from twisted.internet.interfaces import IPushProducer
from zope.interface import implementer

from webapp import bodies

#: Seconds in which a peer must have taken something of what waits for it.
STUCK = 60.0
#: Connections that wait to be accepted. The kernel may allow fewer.
BACKLOG = 4096


@implementer(IPushProducer)
class Flow:
    """Whether a connection takes more. The transport says so: about 64 KiB may wait in it."""

    def __init__(self, transport: Any) -> None:
        self._transport = transport
        self._room = asyncio.Event()
        self._room.set()
        # What the upgrade request left there.
        transport.unregisterProducer()
        transport.registerProducer(self, True)

    async def room(self) -> None:
        """Waits until there is some; a peer that takes nothing for too long is hung up on."""
        if self._room.is_set():
            return
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(STUCK):
                await self._room.wait()
                return
        self._transport.abortConnection()

    def pauseProducing(self) -> None:  # noqa: N802 (Twisted's name)
        self._room.clear()

    def resumeProducing(self) -> None:  # noqa: N802
        self._room.set()

    def stopProducing(self) -> None:  # noqa: N802
        self._room.set()


class Server(Daphne):  # type: ignore[misc]
    def __init__(self, *args: Any, endpoints: Sequence[str], **more: Any) -> None:
        patient = [
            f"{endpoint}:backlog={BACKLOG}" if endpoint.startswith("tcp:") else endpoint
            for endpoint in endpoints
        ]
        super().__init__(*args, endpoints=patient, **more)

    def run(self) -> None:
        bodies.Request.admits = staticmethod(getattr(self.application, "admits", bodies.nobody))
        super().run()

    @property
    def http_factory(self) -> bodies.Factory:
        return self._http_factory

    @http_factory.setter
    def http_factory(self, daphnes: Any) -> None:
        self._http_factory = bodies.Factory(self)

    async def handle_reply(self, protocol: Any, message: dict[str, Any]) -> None:
        details = self.connections.get(protocol)
        if message["type"] == "websocket.send" and details and "disconnected" not in details:
            if "flow" not in details:
                details["flow"] = Flow(protocol.transport)
            await details["flow"].room()
        await super().handle_reply(protocol, message)

    def kill_all_applications(self) -> Any:
        nothing: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        nothing.cancel()
        for details in self.connections.values():
            details.setdefault("application_instance", nothing)
        return super().kill_all_applications()


if __name__ == "__main__":
    CommandLineInterface.server_class = Server
    CommandLineInterface.entrypoint()
