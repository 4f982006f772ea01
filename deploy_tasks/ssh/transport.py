"""paramiko's connection, whose thread is given back while its host says nothing.

paramiko reads each connection in a thread of its own, for ever. A thousand quiet hosts would hold a
thousand threads, at 40 KB each. So its ``run`` reads until the host falls silent for the first time
after the log-in; from then on `Transport._read_on` does, in one of a few threads and only while
there is something to read, and signs of life wake not even one of those. What a packet means stays
paramiko's business: its handlers are called as its ``run`` calls them.
`tests/test_ssh_transport.py` holds paramiko to the ``run`` that was read for this.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import paramiko
from paramiko.common import (
    MSG_CHANNEL_EXTENDED_DATA,
    MSG_CHANNEL_WINDOW_ADJUST,
    MSG_DEBUG,
    MSG_DISCONNECT,
    MSG_IGNORE,
    MSG_REQUEST_FAILURE,
    MSG_REQUEST_SUCCESS,
    MSG_UNIMPLEMENTED,
    cMSG_UNIMPLEMENTED,
)
from paramiko.kex_gex import KexGexSHA256
from paramiko.packet import NeedRekeyException
from paramiko.ssh_exception import MessageOrderError
from paramiko.transport import _active_threads  # type: ignore[attr-defined]

from deploy_tasks.hands import Hands
from deploy_tasks.ssh.silence import OwnThread
from deploy_tasks.ssh.wire import Packets, Silent

if TYPE_CHECKING:
    from deploy_tasks.ssh.wire import Wire

#: Packets that ask for no answer and no work: paramiko only stores what they bring.
SIGNS_OF_LIFE = frozenset(
    {
        MSG_IGNORE,
        MSG_REQUEST_SUCCESS,
        MSG_REQUEST_FAILURE,
        MSG_CHANNEL_WINDOW_ADJUST,
        MSG_CHANNEL_EXTENDED_DATA,
    }
)

_readers = Hands(name="ssh", begin=lambda: None)


class _LargeGroups(KexGexSHA256):
    """Asks for groups of 2048 bits and more, and takes none that is smaller all the same."""

    def _parse_kexdh_gex_group(self, m: paramiko.Message) -> None:
        if m.get_mpint().bit_length() < self.min_bits:
            raise paramiko.SSHException("a group that is too small")
        m.rewind()
        super()._parse_kexdh_gex_group(m)  # type: ignore[misc]


class Transport(paramiko.Transport):
    _kex_info = {**paramiko.Transport._kex_info, _LargeGroups.name: _LargeGroups}  # type: ignore[attr-defined]
    # An idle connection wakes its thread so often; 0.1 s would eat a core per 5,000 of them.
    _active_check_timeout = 10.0

    packetizer: Packets
    # Of paramiko's inside, what its ``run`` uses.
    agreed_on_strict_kex: bool
    _channels: Any
    _expected_packet: tuple[int, ...]
    _handler_table: dict[int, Callable[[paramiko.Message], None]]
    _channel_handler_table: dict[int, Callable[[paramiko.Channel, paramiko.Message], None]]
    _send_kex_init: Callable[[], None]
    _send_message: Callable[[paramiko.Message], None]
    _enforce_strict_kex: Callable[[int], None]
    _parse_debug: Callable[[paramiko.Message], None]
    _parse_disconnect: Callable[[paramiko.Message], None]

    def __init__(self, wire: "Wire", *, window: int) -> None:
        super().__init__(wire, packetizer_class=Packets, default_window_size=window)  # type: ignore[arg-type]
        self._wire = wire

    @property
    def preferred_keys(self) -> tuple[str, ...]:
        # Those alone that we asked for: paramiko adds the certificates of each.
        return tuple(self.get_security_options().key_types)

    def settle(self) -> None:
        """The log-in is over: what only that needed goes, and the thread whenever nothing comes."""
        self.completion_event = None
        if self.auth_handler:
            self.auth_handler.auth_event = None
        self.packetizer.may_fall_silent = True

    def run(self) -> None:
        try:
            super().run()
        except Silent:
            # Between two packets: nothing was begun that has to be ended.
            _readers.take(self._read_on())

    async def _read_on(self) -> None:
        """What the rest of paramiko's ``run`` does, without a thread while the host is silent."""
        self._wire.be_read_here()
        try:
            while self.active:
                if self.packetizer.need_rekey() and not self.in_kex:
                    self._send_kex_init()
                try:
                    kind, message = self.packetizer.read_message()
                except Silent:
                    heard = await self._overhear()
                    if heard is None:
                        continue
                    kind, message = heard
                except NeedRekeyException:
                    continue
                self._take(kind, message)
        except Exception as error:  # noqa: BLE001  as paramiko: whoever waits is told
            self.saved_exception = error
        self._end()

    async def _overhear(self) -> tuple[int, paramiko.Message] | None:
        """Wait until more than signs of life has come. Those are taken by the watch's own thread,
        on which nothing may block. Gives the packet that needs a thread, if it has come whole.
        """
        try:
            while self.active and not self._wire.talks:
                if not self._wire.rest:
                    await self._wire.news()
                if not self.packetizer.has_one:
                    break
                kind, message = self.packetizer.read_message()
                if kind not in SIGNS_OF_LIFE or self.packetizer.need_rekey():
                    return kind, message
                self._take(kind, message)
            return None
        finally:
            await OwnThread()
            self._wire.be_read_here()

    def _take(self, kind: int, message: paramiko.Message) -> None:
        if kind == MSG_IGNORE:
            self._enforce_strict_kex(kind)
        elif kind == MSG_DISCONNECT:
            self._parse_disconnect(message)
            raise EOFError
        elif kind == MSG_DEBUG:
            self._enforce_strict_kex(kind)
            self._parse_debug(message)
        elif self._is_of_the_key_exchange(kind):
            self.kex_engine.parse_next(kind, message)  # type: ignore[union-attr]
        elif kind in self._handler_table:
            self._handler_table[kind](message)
        elif kind in self._channel_handler_table:
            self._take_of_channel(kind, message)
        elif kind != MSG_UNIMPLEMENTED:
            answer = paramiko.Message()
            answer.add_byte(cMSG_UNIMPLEMENTED)
            answer.add_int(message.seqno)
            self._send_message(answer)

    def _is_of_the_key_exchange(self, kind: int) -> bool:
        """While keys are made anew. Raises SSHException for what has no place there."""
        if not self._expected_packet:
            return False
        if kind not in self._expected_packet:
            failure = MessageOrderError if self.agreed_on_strict_kex else paramiko.SSHException
            raise failure(f"expecting packet {self._expected_packet}, got {kind}")
        self._expected_packet = ()
        return 30 <= kind <= 41

    def _take_of_channel(self, kind: int, message: paramiko.Message) -> None:
        number = message.get_int()
        channel = self._channels.get(number)
        if channel is not None:
            self._channel_handler_table[kind](channel, message)
        elif number not in self.channels_seen:
            raise paramiko.SSHException(f"a packet for channel {number}, which never was")

    def _end(self) -> None:
        _active_threads.remove(self)
        self.active = False
        for channel in list(self._channels.values()):
            channel._unlink()
        self.packetizer.close()
        for event in self.channel_events.values():
            event.set()
        self.sock.close()
