"""What the ASGI server serves: pages and the API over HTTP, the stream over WebSocket."""

import os
from typing import Any

import django
from channels.routing import ProtocolTypeRouter

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "webapp.settings")
django.setup(set_prefix=False)

from django.conf import settings  # noqa: E402 (needs the applications set up)

from webapp import broker, doorman, proxies, rows  # noqa: E402
from webapp.pages import Pages  # noqa: E402
from webapp.routing import websockets  # noqa: E402

WIRES = {"http", "websocket"}
_router = ProtocolTypeRouter({"http": Pages(), "websocket": websockets})


async def application(scope: dict[str, Any], receive: Any, send: Any) -> None:
    # daphne takes a root path from a header that any client may send. We have none.
    told = proxies.seen(scope, settings.TRUSTED_PROXIES) if scope["type"] in WIRES else scope
    await _router({**told, "root_path": ""}, receive, send)


async def admits(scope: dict[str, Any]) -> bool:
    """Whether whoever sends this may send as much as a release is (`webapp.bodies`)."""
    return await rows.ask(doorman.maintains, proxies.seen(scope, settings.TRUSTED_PROXIES))


application.admits = admits  # type: ignore[attr-defined]
#: What goes on for as long as the server runs.
application.begin = broker.watch.begin  # type: ignore[attr-defined]
