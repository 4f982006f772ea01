"""``python -m webapp.server``: daphne, with five things mended.

It keeps in memory whatever a peer does not read; here whoever sends waits until the peer takes it.
It lets 50 wait at the door; here all who come back after a restart get in without knocking twice.
Whoever it has not let in after 5 s it hangs up on, though it is its own doing: thousands who come
at once are hung up on, come again, and none of them ever gets in; here they wait for their turn.
When it goes down it cuts off whatever it is asked, stumbles over idle connections, and waits for
ever for threads that wait for it; here what was asked is answered, everybody is told, and it ends.
And it stores whatever anybody sends; here a stranger sends little (`webapp.bodies`).
"""

import asyncio
import contextlib
import gc
import logging
from collections.abc import Sequence
from typing import Any

from daphne.cli import CommandLineInterface
from daphne.http_protocol import WebRequest
from daphne.server import Server as Daphne
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IPushProducer
from zope.interface import implementer

from deploy_tasks.ending import END_WITHIN, end_anyway
from webapp import bodies

#: Seconds in which a peer must have taken something of what waits for it.
STUCK = 60.0
#: Connections that wait to be accepted. The kernel may allow fewer.
BACKLOG = 4096
#: Seconds in which a socket that has asked to be one becomes one; five thousand at once take 30.
OPEN = 120
#: Seconds in which it answers what it was asked before it was told to end …
FINISH = 4.0
#: … and after which it ends, whatever a thread may hang in.
END = END_WITHIN

log = logging.getLogger(__name__)


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
        more |= {"websocket_handshake_timeout": OPEN, "websocket_connect_timeout": OPEN}
        super().__init__(*args, endpoints=patient, **more)
        self._ports: list[Any] = []
        self._goes_down = False

    def run(self) -> None:
        bodies.Request.admits = staticmethod(getattr(self.application, "admits", bodies.nobody))
        getattr(self.application, "begin", _nothing)()
        # What is loaded stays: to search all of it for garbage holds up everybody who watches.
        gc.collect()
        gc.freeze()
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

    def listen_success(self, port: Any) -> None:
        self._ports.append(port)
        super().listen_success(port)

    def create_application(self, protocol: Any, scope: dict[str, Any]) -> Any:
        if not self._goes_down:
            return super().create_application(protocol, scope)
        # Nothing has begun: whoever asks may safely ask again, and finds another.
        (protocol.channel or protocol).transport.loseConnection()
        return None if scope["type"] == "http" else asyncio.Queue()

    def kill_all_applications(self) -> Any:
        """Asked by the reactor, which goes on until all is done."""
        end_anyway(END)
        self._goes_down = True
        for port in self._ports:
            port.stopListening()
        return Deferred.fromFuture(asyncio.ensure_future(self._come_to_an_end()))

    async def _come_to_an_end(self) -> None:
        running = []
        for protocol, details in self.connections.items():
            if application := details.get("application_instance"):
                running.append(application)
                if not isinstance(protocol, WebRequest):
                    application.cancel()
        # A thread that answers waits for this loop: one that were cut off could not end.
        if running:
            await asyncio.wait(running, timeout=FINISH)
        if late := [one for one in running if not one.done()]:
            log.warning("cut off when the server went down: %d", len(late))
            for one in late:
                one.cancel()
            await asyncio.wait(late, timeout=1)
        # What was written last leaves in the next turns of the loop.
        await asyncio.sleep(0.05)


def _nothing() -> None:
    """What an application has to begin that says nothing of it."""


if __name__ == "__main__":
    CommandLineInterface.server_class = Server
    CommandLineInterface.entrypoint()
