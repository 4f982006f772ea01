"""Small applications for tests of the web server: no Django, started in a moment."""

import asyncio
from typing import Any

FRAME = "x" * 32 * 1024
FRAMES = 2000

sent = 0


async def flood(scope: dict[str, Any], receive: Any, send: Any) -> None:
    """Tells more than any peer's buffers hold; over HTTP, how many frames it got rid of."""
    global sent
    if scope["type"] == "http":
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": str(sent).encode()})
        return
    await receive()
    await send({"type": "websocket.accept"})
    for _ in range(FRAMES):
        await send({"type": "websocket.send", "text": FRAME})
        sent += 1


async def patient(scope: dict[str, Any], receive: Any, send: Any) -> None:
    """Waits for ever, and asks to come again when it is told to end."""
    if scope["type"] == "http":
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"here"})
        return
    await receive()
    await send({"type": "websocket.accept"})
    try:
        while (await receive())["type"] != "websocket.disconnect":
            pass
    except asyncio.CancelledError:
        await send({"type": "websocket.close", "code": 4000})
        raise
