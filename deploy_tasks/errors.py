"""Errors that tell a person what happened. Our own mistakes are outside these families."""

import errno
from collections.abc import Mapping, Sequence
from typing import Any

#: What a system call says where this machine has no file, memory or buffer left.
NO_ROOM = (errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.ENOBUFS)


def is_out_of_room(error: Exception) -> bool:
    """Whether this machine has no thread, file or memory left: no mistake, and not for long."""
    if isinstance(error, OSError):
        return error.errno in NO_ROOM
    return isinstance(error, MemoryError) or str(error) == "can't start new thread"


class InvalidInput(Exception):
    """Something a person gave us cannot be used; says where.

    ``field`` is a path such as ``hosts[3].address``; ``line`` counts from 1 in ``file``.
    """

    def __init__(
        self,
        message: str,
        *,
        field: str | None = None,
        file: str | None = None,
        line: int | None = None,
    ) -> None:
        self.message, self.field, self.file, self.line = message, field, file, line
        super().__init__(str(self))

    def __str__(self) -> str:
        where = ":".join(str(part) for part in (self.file, self.line) if part is not None)
        named = f"{self.field}: {self.message}" if self.field else self.message
        return f"{where}: {named}" if where else named


class InvalidInputs(Exception):
    """Several findings at once: an import names everything that is wrong with a file."""

    def __init__(self, findings: Sequence[InvalidInput]) -> None:
        self.findings = list(findings)
        super().__init__("\n".join(str(finding) for finding in findings))


class OrderRefused(Exception):
    """An order cannot be carried out as things stand (HTTP 409). Nothing was changed."""

    code = "refused"

    def __init__(self, message: str, **details: Any) -> None:
        self.message = message
        self.details: Mapping[str, Any] = details
        super().__init__(message)


class HostsBusy(OrderRefused):
    """``hosts``: ``[{"host", "job", "by", "since"}]``; the whole order is refused."""

    code = "hosts_busy"


class KeyReused(Exception):
    """An idempotency key came again with another body (HTTP 422 ``key_reused``)."""


class HostFailed(Exception):
    """A host could not be updated, and we can say why."""


class ConnectFailed(HostFailed):
    """No session with the host. ``retryable`` is False where another try does harm."""

    def __init__(self, message: str, *, retryable: bool = True) -> None:
        super().__init__(message)
        self.retryable = retryable


class LoginRefused(ConnectFailed):
    """The host does not take this credential. Never tried again by itself: it would lock us out."""

    def __init__(self, message: str) -> None:
        super().__init__(message, retryable=False)


class LinkLost(Exception):
    """The connection broke. Says nothing about the step: it runs on, and is attached to again."""


class LostClaim(Exception):
    """Another worker has the host run now; whoever sees this lets go quietly."""
