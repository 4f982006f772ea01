"""Small applications for tests of the web server: no Django, started in a moment."""

import asyncio
import gc
import threading
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


async def settled(scope: dict[str, Any], receive: Any, send: Any) -> None:
    """Tells how many objects the collector of garbage leaves in peace."""
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": str(gc.get_freeze_count()).encode()})


async def patient(scope: dict[str, Any], receive: Any, send: Any) -> None:
    """Waits for ever, and asks to come again when it is told to end. ``/slow`` takes a moment,
    ``/stuck`` sits in a thread that never ends."""
    if scope["type"] == "http":
        if scope["path"] == "/slow":
            await asyncio.sleep(0.5)
        if scope["path"] == "/stuck":
            await asyncio.to_thread(threading.Event().wait)
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


async def busy(scope: dict[str, Any], receive: Any, send: Any) -> None:
    """Lets somebody in when all the others have been."""
    await receive()
    await asyncio.sleep(5.5)
    await send({"type": "websocket.accept"})
    await send({"type": "websocket.send", "text": "your turn"})


async def weighing(scope: dict[str, Any], receive: Any, send: Any) -> None:
    """Tells how many bytes it was sent; much is for whoever says "Authorization: good"."""
    weight, more = 0, True
    while more:
        message = await receive()
        weight, more = weight + len(message["body"]), message.get("more_body", False)
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": str(weight).encode()})


async def _admits(scope: dict[str, Any]) -> bool:
    await asyncio.sleep(0.05)
    if (b"authorization", b"break") in scope["headers"]:
        raise RuntimeError("the database is away")
    return (b"authorization", b"good") in scope["headers"]


weighing.admits = _admits  # type: ignore[attr-defined]
