"""The bytes below SSH: paramiko's view of a socket, quick and with limits."""

import contextlib
import select
import socket
import struct
import threading
import time

from paramiko import Channel, SSHException
from paramiko.packet import Packetizer

from deploy_tasks.ssh.silence import Patience, Readable

#: More text than this before the SSH banner is no host we know (bytes).
GREETING_LIMIT = 2 * 1024 * 1024
#: The largest packet we take (bytes); a log-in banner may have 1 MB. paramiko has no limit.
PACKET_LIMIT = 2 * 1024 * 1024
#: A connection that takes no byte for so long is given up (seconds).
STALLED_AFTER = 30.0
#: One large read serves many packets; a quiet connection waits with room for a small one.
READ_SIZE = 64 * 1024
SMALL_READ = 4 * 1024

#: The thread that reads, where there is none just now.
_NOBODY = 0

_QUICKACK = getattr(socket, "TCP_QUICKACK", None)


class Silent(BaseException):
    """Nothing comes: whoever reads may leave. Passes through all that catches errors."""


class Wire:
    """A socket, or a channel through a jump host, as paramiko reads and writes it.

    paramiko reads a packet in small pieces: one large read serves them all. Nagle's algorithm
    and delayed acknowledgements, which cost up to 40 ms per exchange, are switched off.
    """

    def __init__(self, link: socket.socket | Channel) -> None:
        self._link = link
        self._socket = link if isinstance(link, socket.socket) else None
        self._buffer, self._offset = b"", 0
        self._read_size = SMALL_READ
        self._reader: int | None = None
        self._stuck_since: float | None = None
        self._patience = Patience()
        #: What the kernel was told last of how long to wait for something to read (seconds).
        self._waits = 0.0
        #: How the connection was broken, if it was; paramiko does not always tell.
        self.error: ConnectionError | None = None
        #: The first of what came before the SSH banner was complete; None from then on.
        self.greeting: bytes | None = b""
        self._greeting_size = 0
        #: When the host was last heard (monotonic seconds).
        self.heard_at = time.monotonic()
        if self._socket is not None:
            _tune(self._socket)

    def recv(self, size: int) -> bytes:
        start = self._offset
        if start >= len(self._buffer):
            self._buffer, start = self._receive(), 0
        self._offset = start + size
        return self._buffer[start : start + size]

    def is_silent(self) -> bool:
        """Whether nothing comes for a while. Never of a channel through a jump host."""
        if self._socket is None or self._offset < len(self._buffer):
            return False
        if self._waits != self._patience.seconds:
            self._wait_for_news(self._patience.seconds)
        self._buffer, self._offset = b"", 0
        try:
            self._buffer = self._receive()
        except TimeoutError:
            return True
        return False

    async def news(self) -> None:
        """After `is_silent`, by the one that reads; nobody does meanwhile. What has come then is
        taken in. Raises OSError."""
        assert self._socket is not None
        self._reader = _NOBODY
        await Readable(self._socket)
        # Nothing, where it was a false alarm: who brings the news does not wait for any.
        self._buffer, self._offset = b"", 0
        with contextlib.suppress(TimeoutError):
            self._buffer = self._receive(socket.MSG_DONTWAIT)

    @property
    def rest(self) -> bytes:
        """What was taken in and not read yet."""
        return self._buffer[self._offset :]

    @property
    def talks(self) -> bool:
        """The host has much to say."""
        return self._read_size == READ_SIZE

    @property
    def takes_at_once(self) -> bool:
        """Whether a few bytes can be sent without waiting. Never through a jump host."""
        if self._socket is None:
            return False
        poll = select.poll()
        try:
            poll.register(self._socket, select.POLLOUT)
            return [event for _fd, event in poll.poll(0)] == [select.POLLOUT]
        except (OSError, ValueError):  # it was closed
            return False

    def be_read_here(self) -> None:
        """This thread is the one that reads, and may close, from here on."""
        self._reader = threading.get_ident()

    def send(self, data: bytes) -> int:
        try:
            sent = self._link.send(data)
        except (TimeoutError, BlockingIOError):
            # paramiko tries again for ever.
            now = time.monotonic()
            self._stuck_since = self._stuck_since or now
            if now - self._stuck_since > STALLED_AFTER:
                raise ConnectionAbortedError from None
            raise TimeoutError from None
        except ConnectionError as error:
            self.error = error
            raise
        self._stuck_since = None
        return sent

    def settimeout(self, seconds: float) -> None:
        """The kernel keeps the limit: with one of Python's each read, and each write, would first
        ask whether it can be done, and give Python's lock away for that as well."""
        if self._socket is None:
            self._link.settimeout(seconds)
            return
        self._socket.settimeout(None)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, _timeval(seconds))
        self._wait_for_news(seconds)

    def close(self) -> None:
        """End the connection. The descriptor itself is closed by the thread that reads it.

        Else its number could be given to another connection while that thread still uses it.
        """
        if self._socket is not None:
            with contextlib.suppress(OSError):
                self._socket.shutdown(socket.SHUT_RDWR)
        if self._socket is None or self._reader in (None, threading.get_ident()):
            with contextlib.suppress(OSError, EOFError, SSHException):
                self._link.close()

    @property
    def _closed(self) -> bool:
        return bool(self._link._closed)  # type: ignore[union-attr]

    def _receive(self, *how: int) -> bytes:
        self._reader = threading.get_ident()
        if self._socket is not None and _QUICKACK is not None:
            # The kernel forgets it by itself.
            self._socket.setsockopt(socket.IPPROTO_TCP, _QUICKACK, 1)
        try:
            data = self._link.recv(self._read_size, *how)
        except BlockingIOError:
            raise TimeoutError from None
        except ConnectionError as error:
            self.error = error
            raise
        self.heard_at = time.monotonic()
        self._patience.heard()
        self._read_size = READ_SIZE if len(data) >= SMALL_READ else SMALL_READ
        if self.greeting is not None:
            self.greeting = (self.greeting + data)[:1024]
            self._greeting_size += len(data)
            if self._greeting_size > GREETING_LIMIT:
                raise EOFError
        return data

    def _wait_for_news(self, seconds: float) -> None:
        assert self._socket is not None
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, _timeval(seconds))
        self._waits = seconds


class Packets(Packetizer):
    """paramiko's packet reader with limits, which also tells when the banner has been read.

    It starts no timer thread per connection: whoever waits for the handshake limits it.
    """

    # Of paramiko's inside.
    _Packetizer__aead_in: bool
    _Packetizer__etm_in: bool
    _Packetizer__mac_size_in: int

    def __init__(self, wire: Wire) -> None:
        super().__init__(wire)  # type: ignore[arg-type]
        self._wire = wire
        #: From the log-in on: with nothing to read, `read_message` raises `Silent`.
        self.may_fall_silent = False
        #: Set once the banner was read, or will never be.
        self.banner_over = threading.Event()

    def readline(self, timeout: float) -> str:
        # RFC 4253, 4.2: a host may say other things first. paramiko takes 100 lines of it.
        while not (line := super().readline(timeout)).startswith("SSH-"):
            pass
        return line

    def read_all(self, n: int, check_rekey: bool = False) -> bytes:
        if n > PACKET_LIMIT:
            raise SSHException(f"a packet of {n} bytes")
        # Before the first byte of a packet, and only there, it wants to know about new keys.
        if check_rekey and self.may_fall_silent and self._wire.is_silent():
            raise Silent
        return super().read_all(n, check_rekey)

    @property
    def has_one(self) -> bool:
        """Whether a packet has come whole, and reading it waits for nothing. Not to be known where
        the cipher hides the length."""
        if not (self._Packetizer__aead_in or self._Packetizer__etm_in):
            return False
        rest = self._wire.rest
        whole = 4 + int.from_bytes(rest[:4], "big") + self._Packetizer__mac_size_in
        return len(rest) >= max(whole, 4)

    def start_handshake(self, timeout: float) -> None:
        self._wire.greeting = None
        self.banner_over.set()

    def close(self) -> None:
        self.banner_over.set()
        super().close()


def _tune(link: socket.socket) -> None:
    link.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    link.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    # A peer that is gone without a word is noticed within about 30 s (Linux only).
    for name, value in {
        "TCP_KEEPIDLE": 15,
        "TCP_KEEPINTVL": 5,
        "TCP_KEEPCNT": 3,
        "TCP_USER_TIMEOUT": int(STALLED_AFTER * 1000),
    }.items():
        if hasattr(socket, name):
            link.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)


def _timeval(seconds: float) -> bytes:
    whole = int(seconds)
    return struct.pack("ll", whole, int((seconds - whole) * 1_000_000))
