"""Source and its many relatives (A2S), as Steam's server browser asks them."""

import asyncio
import re
from typing import Any

from a2s.a2s_async import HEADER_MULTI, A2SProtocol, A2SStreamAsync, request_async_impl
from a2s.exceptions import BrokenMessageError
from a2s.info import InfoProtocol

from deploy_tasks.query import answer
from deploy_tasks.query.answer import Answer, within_limit

#: Of a packet in several parts, the byte of its id that says whether they are compressed.
MARKED_BY = 5
#: Rust counts its players in its tags: the byte for them ends at 255.
TAGGED = re.compile(r"(?:^|,)cp(\d{1,6})(?:,|$)")


def a2s(address: str, port: int) -> Answer:
    """Raises Silent. Bots are nobody."""
    info = within_limit(_ask(address, port), port)
    tagged = TAGGED.search(getattr(info, "keywords", None) or "")
    people = max(0, info.player_count - info.bot_count)
    # The old GoldSrc answer tells no version.
    return Answer(getattr(info, "version", ""), int(tagged[1]) if tagged else people)


class _Careful(A2SProtocol):  # type: ignore[misc]
    """What cannot be read ends the question at once."""

    def datagram_received(self, packet: bytes, addr: Any) -> None:
        try:
            if packet[:4] == HEADER_MULTI and packet[MARKED_BY] & 0x80:
                # A few bytes could become gigabytes; no server of today compresses.
                raise BrokenMessageError("compressed")
            super().datagram_received(packet, addr)
        except (BrokenMessageError, IndexError) as error:
            self.error = error
            self.error_event.set()


async def _ask(address: str, port: int) -> Any:
    transport, protocol = await asyncio.get_running_loop().create_datagram_endpoint(
        _Careful, remote_addr=(address, port)
    )
    stream = A2SStreamAsync(transport, protocol, answer.LIMIT)
    try:
        return await request_async_impl(stream, "utf-8", InfoProtocol)
    finally:
        stream.close()
