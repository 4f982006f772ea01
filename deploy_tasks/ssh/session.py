"""An open connection to one host, and the commands that run over it."""

import contextlib
import math
import time
from collections.abc import Callable
from dataclasses import dataclass

import paramiko
from django.utils.translation import gettext as _
from paramiko.buffered_pipe import BufferedPipe
from paramiko.common import cMSG_CHANNEL_REQUEST, cMSG_GLOBAL_REQUEST

from deploy_tasks.errors import ConnectFailed, HostFailed, LinkLost
from deploy_tasks.ssh.certificates import Vouched
from deploy_tasks.ssh.channel import OUTPUT_LIMIT, WINDOW, Channel, lost
from deploy_tasks.ssh.wire import Wire

#: A host that was silent for so long is asked for a sign of life … (seconds)
PING_AFTER = 20.0
#: … which it has to give within (seconds)
ANSWER_WITHIN = 10.0

#: A command whose standard input is held open is told after so long (seconds).
TAKES_LONG = 1.0

#: Before a channel that was refused is asked for again (seconds).
_PAUSES = (0.01, 0.03, 0.1, 0.3)


@dataclass(frozen=True)
class Result:
    """How a command ended. ``exit_status`` is None where a signal ended it."""

    exit_status: int | None
    stdout: bytes
    stderr: bytes


class Session:
    """One authenticated connection. Its commands may run at the same time, each in a thread."""

    def __init__(
        self,
        transport: paramiko.Transport,
        wire: Wire,
        *,
        channel_limit: float,
        close: Callable[[], None],
        vouched: Vouched | None = None,
    ) -> None:
        self._transport, self._wire = transport, wire
        self._channel_limit, self._close = channel_limit, close
        self._pinged_at = -math.inf
        #: By which certificate we know the host; None: by a key that is pinned.
        self.vouched = vouched

    def run(
        self, command: str, *, stdin: bytes = b"", timeout: float, hold: bool = False
    ) -> Result:
        """Run a command to its end. Raises LinkLost, TimeoutError, HostFailed.

        One that ends before it has read everything is no error here: see its result.
        ``hold``: its standard input ends when it has ended, or is given up, and not before. Where
        that takes long it is told so, by a line: see ``ask.sh``.
        """
        deadline = time.monotonic() + timeout
        slow_at = time.monotonic() + TAKES_LONG if hold else math.inf
        with contextlib.closing(self.open(command)) as channel:
            channel.write(stdin, timeout=timeout)
            if not hold:
                channel.close_stdin()
            stdout = bytearray()
            while (data := channel.read(min(deadline, slow_at) - time.monotonic())) != b"":
                if data is None and slow_at < deadline:
                    slow_at = math.inf
                    channel.write(b"\n", timeout=deadline - time.monotonic())
                    continue
                if data is None:
                    raise TimeoutError(_("the command did not end within %g s") % timeout)
                stdout += data
                if len(stdout) > OUTPUT_LIMIT:
                    raise HostFailed(_("the command printed more than %d bytes") % OUTPUT_LIMIT)
            status = channel.exit_status(max(1.0, deadline - time.monotonic()))
            return Result(status, bytes(stdout), channel.read_stderr())

    def open(self, command: str) -> Channel:
        """Start a command. Raises LinkLost, or ConnectFailed where the host allows no more."""
        raw = self._open_patiently()
        message = paramiko.Message()
        message.add_byte(cMSG_CHANNEL_REQUEST)
        message.add_int(raw.remote_chanid)
        message.add_string("exec")
        message.add_boolean(True)
        message.add_string(command)
        # Not exec_command: it waits for the answer without a limit. Nobody has to wait: a refusal
        # closes the channel.
        self._send(message)
        return Channel(self, raw)

    def close(self) -> None:
        self._close()

    def _open_patiently(self) -> paramiko.Channel:
        # With MaxSessions 1, sshd may refuse a channel for a moment after another was closed.
        for pause in _PAUSES:
            try:
                return _open(self, "session", None, self._channel_limit)
            except ConnectFailed as failure:
                if not isinstance(failure.__cause__, paramiko.ChannelException):
                    raise
                time.sleep(pause)
        return _open(self, "session", None, self._channel_limit)

    @property
    def is_alive(self) -> bool:
        return self._transport.is_active()

    def check(self) -> None:
        """Ask a silent host for a sign of life; raise LinkLost if it gave none to the last asking.

        TCP alone does not notice a proxy that swallows what we send, or a frozen sshd.
        """
        now, heard_at = time.monotonic(), self._wire.heard_at
        if self._pinged_at > heard_at:
            if now - self._pinged_at >= ANSWER_WITHIN:
                self._transport.close()
                raise LinkLost(_("no sign of life from the host for %d s") % (now - heard_at))
        elif now - heard_at >= PING_AFTER:
            self._pinged_at = now
            message = paramiko.Message()
            message.add_byte(cMSG_GLOBAL_REQUEST)
            message.add_string("keepalive@openssh.com")
            message.add_boolean(True)
            self._send(message)

    @property
    def next_check(self) -> float:
        """When `check` has something to do again (monotonic seconds)."""
        heard_at = self._wire.heard_at
        if self._pinged_at > heard_at:
            return self._pinged_at + ANSWER_WITHIN
        return heard_at + PING_AFTER

    @property
    def takes_at_once(self) -> bool:
        """Whether a few bytes can be sent without waiting for anything."""
        return self._transport.clear_to_send.is_set() and self._wire.takes_at_once

    def require_link(self) -> None:
        """Raise LinkLost unless the connection stands."""
        # A dying connection closes its channels a moment before it says that it is dead.
        self._transport.join(0.5 if self.is_alive else 0)
        if not self.is_alive:
            raise lost(self._transport.get_exception())

    def _send(self, message: paramiko.Message) -> None:
        try:
            self._transport._send_user_message(message)  # type: ignore[attr-defined]
        except (EOFError, OSError, paramiko.SSHException) as error:
            self._transport.close()
            raise lost(error) from error


def open_forward(
    session: Session, name: str, address: str, port: int, limit: float
) -> paramiko.Channel:
    """A connection that the host makes for us. Raises ConnectFailed."""
    try:
        return _open(session, "direct-tcpip", (address, port), limit)
    except (ConnectFailed, LinkLost) as failure:
        raise ConnectFailed(
            _("jump host %(name)s cannot reach %(address)s port %(port)d: %(failure)s")
            % {"name": name, "address": address, "port": port, "failure": failure}
        ) from None


def _open(
    session: Session, kind: str, to: tuple[str, int] | None, limit: float
) -> paramiko.Channel:
    began = time.monotonic()
    try:
        raw = session._transport.open_channel(kind, to, ("127.0.0.1", 0), timeout=limit)
    except paramiko.ChannelException as error:
        raise ConnectFailed(_("the host refuses a channel: %s") % error.text) from error
    except (EOFError, OSError, paramiko.SSHException) as error:
        if session.is_alive and time.monotonic() - began >= limit:
            raise ConnectFailed(_("no channel within %g s") % limit) from error
        # The link broke, whether or not its thread has noticed by now.
        session.close()
        raise LinkLost(_("connection lost: %s") % error) from error
    for pipe in (raw.in_buffer, raw.in_stderr_buffer):
        _bound(pipe)
    return raw


def _bound(pipe: "BufferedPipe[bytes]") -> None:
    """A host may send no more than we have room for; paramiko would take whatever comes."""
    feed = pipe.feed

    def feed_if_there_is_room(data: bytes) -> None:
        if len(pipe) > WINDOW:
            raise paramiko.SSHException(_("the host sends more than it was given room for"))
        feed(data)

    pipe.feed = feed_if_there_is_room  # type: ignore[method-assign]
