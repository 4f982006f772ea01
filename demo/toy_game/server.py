"""A small game server: answers the status query of Minecraft (1.7 and later), no more.

Usage: server.py ROOT ADDRESS PORT. The version is what ROOT/current/VERSION says at the start.
It imports little, so that hundreds of them fit on one machine.
"""

import json
import signal
import socket
import socketserver
import sys
import time
from contextlib import suppress
from typing import NoReturn

LONGEST_PACKET = 4096
PATIENCE = 10.0  # seconds, with a client that says nothing


def main(root: str, address: str, port: int) -> None:
    signal.signal(signal.SIGTERM, _end)
    version = _read(f"{root}/current/VERSION")
    behaviour = _read(f"{root}/current/behaviour", "ok")
    print(f"starting {version}", flush=True)
    if behaviour == "stubborn":
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    if behaviour == "crash":
        time.sleep(0.3)
        sys.exit("FATAL: this release crashes")
    if behaviour == "hang":
        signal.pause()
    if behaviour == "slow":
        time.sleep(3)
    with Server((address, port), version) as server:
        print(f"ready on {address}:{port}", flush=True)
        server.serve_forever(poll_interval=3600)


class Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True
    request_queue_size = 64

    def __init__(self, address: tuple[str, int], version: str) -> None:
        super().__init__(address, Client)
        self.status = {
            "version": {"name": version, "protocol": 769},
            "players": {"max": 20, "online": 0},
            "description": {"text": "toy game"},
        }


class Client(socketserver.StreamRequestHandler):
    timeout = PATIENCE
    server: Server
    connection: socket.socket

    def handle(self) -> None:
        # Whatever a stranger sends must not end the server.
        with suppress(OSError, EOFError, ValueError):
            self._packet()  # the handshake: which protocol, which address was called
            while True:
                self._answer(self._packet())

    def _answer(self, packet: bytes) -> None:
        body = packet  # a ping: its payload goes back
        if packet[:1] == b"\0":
            text = json.dumps(self.server.status).encode()
            body = b"\0" + _varint(len(text)) + text
        self.wfile.write(_varint(len(body)) + body)

    def _packet(self) -> bytes:
        size = shift = 0
        while True:
            byte = self._read(1)[0]
            size |= (byte & 0x7F) << shift
            shift += 7
            if not byte & 0x80:
                break
            if shift > 21:
                raise ValueError("not a length")
        if not 0 < size <= LONGEST_PACKET:
            raise ValueError("too long")
        return self._read(size)

    def _read(self, size: int) -> bytes:
        found = self.rfile.read(size)
        if len(found) < size:
            raise EOFError
        return found


def _varint(number: int) -> bytes:
    encoded = bytearray()
    while number > 0x7F:
        encoded.append(number & 0x7F | 0x80)
        number >>= 7
    encoded.append(number)
    return bytes(encoded)


def _read(path: str, default: str | None = None) -> str:
    try:
        with open(path) as file:  # noqa: PTH123 (pathlib costs a MiB in each of hundreds)
            return file.read().strip()
    except FileNotFoundError:
        if default is None:
            raise
        return default


def _end(*_signal: object) -> NoReturn:
    print("saved, bye", flush=True)
    sys.exit()


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
