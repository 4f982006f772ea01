"""One command that runs on a host: its input, its output, its end."""

import contextlib
import time
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

import paramiko
from django.utils.translation import gettext as _

from deploy_tasks.errors import ConnectFailed, LinkLost
from deploy_tasks.ssh.silence import News, OwnThread, Patience, Silence

if TYPE_CHECKING:
    from deploy_tasks.ssh.session import Session

#: What a host may send before we have read it (bytes per channel).
WINDOW = 512 * 1024
#: `Session.run` gives up on more output than this (bytes).
OUTPUT_LIMIT = 16 * 1024 * 1024
#: Of stderr the end is kept (bytes).
STDERR_KEPT = 64 * 1024

#: A command that takes no input may be waiting for us to read: seconds between two looks.
_STALL = 0.1


@dataclass(frozen=True)
class Vigil:
    """How a silent command is asked whether all is well, without waking anybody who listens to it.

    Every ``every`` seconds the ``question`` goes to its stdin. Answers on stderr that are
    ``is_well`` are taken in silently. After ``patience`` seconds without a word it is no longer
    asked.
    """

    question: bytes
    every: float
    patience: float
    is_well: Callable[[bytes], bool]


class _Nothing(Enum):
    """Nothing came, and nothing has ended."""

    YET = "yet"


class Channel:
    """One command on a host. To be used by one thread at a time."""

    def __init__(self, session: "Session", raw: paramiko.Channel) -> None:
        self._session, self._raw = session, raw
        self._early = bytearray()
        self._stderr = bytearray()
        self._woken = False
        self._patience = Patience()
        #: When the host's command last said anything (monotonic seconds).
        self.heard_at = time.monotonic()
        # Rings for both streams, so that a full stderr cannot hold up a reader of stdout.
        self._news = News()
        raw.in_buffer.set_event(self._news)  # type: ignore[arg-type]
        raw.in_stderr_buffer.set_event(self._news)  # type: ignore[arg-type]

    def read(self, timeout: float, *, or_stderr: bool = False) -> bytes | None:
        """Output as it comes; ``b""`` at its end, None if nothing came within ``timeout`` seconds.

        With ``or_stderr`` it also ends, with None, as soon as there is something on stderr.
        Raises LinkLost as soon as the connection is known to be dead.
        """
        deadline = time.monotonic() + timeout
        while (found := self._found(or_stderr=or_stderr)) is _Nothing.YET:
            now = time.monotonic()
            if now >= deadline:
                return None
            self._news.wait(min(deadline, self._session.next_check) - now)
            self._session.check()
        return found

    async def listen(self, within: float, vigil: Vigil | None = None) -> bytes | None:
        """`read` with ``or_stderr`` and a time limit of ``within`` seconds, which keeps its thread
        only while the host talks.

        With a ``vigil`` the host is asked at that time, if it can be without a thread, and
        waited for until it gives another answer than that all is well.
        """
        began = time.monotonic()
        deadline, lingers_until = began + within, began + self._patience.seconds
        while (found := self._found(or_stderr=True)) is _Nothing.YET:
            now = time.monotonic()
            if now >= deadline:
                return None
            if now < lingers_until:
                until = min(deadline, self._session.next_check)
                self._news.wait(min(until, lingers_until) - now)
            else:
                deadline = await self._hush(deadline, vigil)
            self._session.check()
        self._patience.heard()
        return found

    async def _hush(self, deadline: float, vigil: Vigil | None) -> float:
        """Wait until there is something to do, or for the ``deadline``, which each answer puts off;
        gives the deadline as it is then. Run by the watch's thread: nothing here may block."""
        try:
            while True:
                await Silence(self._news, min(deadline, self._session.next_check))
                if not (vigil and self._session.takes_at_once and self._all_is_well(vigil)):
                    return deadline
                now = time.monotonic()
                if now >= deadline:
                    if now - self.heard_at > vigil.patience or not self._asked(vigil.question):
                        return deadline
                    deadline = now + vigil.every
                elif now >= self._session.next_check:
                    return deadline
        finally:
            await OwnThread()

    def _all_is_well(self, vigil: Vigil) -> bool:
        """Whether nothing came but signs of life, if anything."""
        self._news.clear()
        self._drain_stderr()
        if self._stderr and vigil.is_well(bytes(self._stderr)):
            self._stderr.clear()
            self.heard_at = time.monotonic()
        is_over = self._raw.eof_received or self._raw.closed
        return not (is_over or self._woken or self._stderr or self._raw.recv_ready())

    def _asked(self, question: bytes) -> bool:
        """Whether all of it could be sent at once."""
        self._raw.settimeout(0.0)
        try:
            return self._raw.send(question) == len(question)
        except (EOFError, OSError, paramiko.SSHException):
            # Whoever tries again learns why.
            return False

    def _found(self, *, or_stderr: bool) -> bytes | _Nothing | None:
        """What `read` ends with, as far as there is something now."""
        if self._early:
            early, self._early = bytes(self._early), bytearray()
            return early
        self._news.clear()
        self._drain_stderr()
        over = self._raw.eof_received or self._raw.closed  # before we look for a rest
        if self._stderr or self._raw.recv_ready():
            self.heard_at = time.monotonic()
        if self._raw.recv_ready():
            return self._taken(self._raw.recv)
        if over:
            if not self._raw.eof_received:
                self._session.require_link()
            return b""
        if self._woken or (or_stderr and self._stderr):
            self._woken = False
            return None
        return _Nothing.YET

    def wake(self) -> None:
        """End a `read` that waits, from another thread; the next one, if none waits now."""
        self._woken = True
        self._news.set()

    def read_stderr(self) -> bytes:
        """What has come on stderr (the last 64 KiB of it). Never waits."""
        self._drain_stderr()
        data, self._stderr = bytes(self._stderr), bytearray()
        return data

    def write(self, data: bytes, *, timeout: float) -> None:
        """Send to the command's stdin. Raises LinkLost, TimeoutError.

        A command that has ended takes no more, and the rest is dropped: its exit status tells why.
        """
        deadline = time.monotonic() + timeout
        rest = memoryview(data)
        self._raw.settimeout(_STALL)
        while rest and not self.ended:
            try:
                sent = self._raw.send(rest)  # type: ignore[arg-type]
            except TimeoutError:
                if time.monotonic() >= deadline:
                    raise TimeoutError(_("the command took no input for %g s") % timeout) from None
                self._session.check()
                # It may wait for us to read.
                self._drain_stderr()
                if self._raw.recv_ready() and len(self._early) < OUTPUT_LIMIT:
                    self._early += self._taken(self._raw.recv)
            except (EOFError, paramiko.SSHException) as error:
                self._session.close()
                raise lost(error) from error
            except OSError:
                break
            else:
                rest = rest[sent:]
                if not sent:  # its input is closed
                    break
        if self.ended and not self._raw.eof_received:
            self._session.require_link()

    def close_stdin(self) -> None:
        with contextlib.suppress(OSError, EOFError, paramiko.SSHException):
            self._raw.shutdown_write()

    @property
    def ended(self) -> bool:
        """The command is over, or the link is: nothing can be sent any more."""
        return self._raw.closed

    def exit_status(self, timeout: float) -> int | None:
        """Wait for the end; what was not read is dropped. None: a signal ended the command.

        Raises LinkLost, TimeoutError, ConnectFailed where the host would not run a command.
        """
        deadline = time.monotonic() + timeout
        while (data := self.read(deadline - time.monotonic())) != b"":
            if data is None:
                raise TimeoutError(_("the command did not end within %g s") % timeout)
        # A command may have closed its output and hang, and its link die meanwhile.
        while not self._raw.status_event.wait(
            max(0.0, min(deadline, self._session.next_check) - time.monotonic())
        ):
            if time.monotonic() >= deadline:
                raise TimeoutError(_("the command did not end within %g s") % timeout)
            self._session.check()
        if self._raw.exit_status >= 0:
            return self._raw.exit_status
        self._session.require_link()
        if not self._raw.event_ready:
            raise ConnectFailed(_("the host refuses to run a command"))
        return None

    def close(self) -> None:
        with contextlib.suppress(OSError, EOFError, paramiko.SSHException):
            self._raw.close()

    def _drain_stderr(self) -> None:
        while self._raw.recv_stderr_ready():
            self._stderr += self._taken(self._raw.recv_stderr)
            del self._stderr[:-STDERR_KEPT]

    def _taken(self, receive: Callable[[int], bytes]) -> bytes:
        try:
            return receive(WINDOW)
        except (EOFError, OSError, paramiko.SSHException) as error:
            # It wanted to tell the host that there is room again.
            self._session.close()
            raise lost(error) from error


def lost(error: Exception | None) -> LinkLost:
    """In the operator's words."""
    reason = (error.strerror if isinstance(error, OSError) else None) or str(error or "")
    return LinkLost(_("connection lost: %s") % (reason or _("it was closed")))
