"""Long answers, sent while they are read: neither side holds all of it."""

from collections.abc import AsyncIterator, Iterator

from asgiref.sync import sync_to_async


async def sent(pieces: Iterator[bytes]) -> AsyncIterator[bytes]:
    """Piece by piece under ASGI, where Django would first collect a plain iterator in memory."""
    while (piece := await sync_to_async(_next)(pieces)) is not None:
        yield piece


def _next(pieces: Iterator[bytes]) -> bytes | None:
    return next(pieces, None)
