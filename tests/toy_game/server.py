"""A game server for tests: answers the status query of Minecraft (1.7 and later), no more.

Usage: server.py ROOT ADDRESS PORT. The version is what ROOT/current/VERSION says at the start.
"""

import asyncio
import contextlib
import json
import signal
import sys
from pathlib import Path

LONGEST_PACKET = 4096


def main(root: Path, address: str, port: int) -> None:
    release = (root / "current").resolve()
    version = (release / "VERSION").read_text().strip()
    behaviour_file = release / "behaviour"
    behaviour = behaviour_file.read_text().strip() if behaviour_file.exists() else "ok"
    print(f"starting {version}", flush=True)
    asyncio.run(serve(version, behaviour, address, port))
    print("saved, bye", flush=True)


async def serve(version: str, behaviour: str, address: str, port: int) -> None:
    told_to_stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    refuse = behaviour == "stubborn"
    loop.add_signal_handler(signal.SIGTERM, print if refuse else told_to_stop.set)
    if behaviour == "crash":
        await asyncio.sleep(0.3)
        sys.exit("FATAL: this release crashes")
    if behaviour == "hang":
        await told_to_stop.wait()
        return
    if behaviour == "slow":
        await asyncio.sleep(3)

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        # Whatever a stranger sends must not end the server.
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError, ValueError):
            await talk(reader, writer, version)
        writer.close()

    async with await asyncio.start_server(answer, address, port):
        print(f"ready on {address}:{port}", flush=True)
        await told_to_stop.wait()


async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, version: str) -> None:
    status = {
        "version": {"name": version, "protocol": 769},
        "players": {"max": 20, "online": 0},
        "description": {"text": "toy game"},
    }
    await packet(reader)  # the handshake: which protocol, which address was called
    while True:
        received = await packet(reader)
        if received[:1] == b"\0":
            text = json.dumps(status).encode()
            body = b"\0" + varint(len(text)) + text
        else:  # a ping: its payload goes back
            body = received
        writer.write(varint(len(body)) + body)
        await writer.drain()


async def packet(reader: asyncio.StreamReader) -> bytes:
    size = shift = 0
    while True:
        byte = (await reader.readexactly(1))[0]
        size |= (byte & 0x7F) << shift
        shift += 7
        if not byte & 0x80:
            break
        if shift > 21:
            raise ValueError("not a length")
    if not 0 < size <= LONGEST_PACKET:
        raise ValueError("too long")
    return await reader.readexactly(size)


def varint(number: int) -> bytes:
    encoded = bytearray()
    while number > 0x7F:
        encoded.append(number & 0x7F | 0x80)
        number >>= 7
    encoded.append(number)
    return bytes(encoded)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]))
