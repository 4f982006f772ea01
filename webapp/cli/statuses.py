"""How a command ends: its exit status, and the two ways in which it cannot do its work."""

from enum import IntEnum


class Status(IntEnum):
    WELL = 0
    #: A job that was followed ended otherwise than well, or halted.
    NOT_WELL = 1
    USAGE = 2
    REFUSED = 3
    NOT_REACHABLE = 4
    INTERRUPTED = 130


class Refused(Exception):
    """The other side understood and said no. ``answer`` is what it sent, as it came."""

    def __init__(self, message: str, answer: str = "") -> None:
        super().__init__(message)
        self.answer = answer


class NotReachable(Exception):
    """There is no answer to be had, and trying again later may help."""
