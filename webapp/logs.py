"""What an operator reads of our log, and of a library's."""

import logging
import time
from typing import Any

from deploy_tasks.visible import spelled

#: Seconds in which the same trouble is told once.
EVERY = 60.0


class Spelled(logging.Formatter):
    """A record is one line, and no terminal obeys it: hosts and strangers have words in it."""

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802
        line = super().formatMessage(record)
        return spelled(line).replace("\r", r"\r").replace("\n", r"\n")

    def formatException(self, ei: Any) -> str:  # noqa: N802
        return spelled(super().formatException(ei))


class Seldom(logging.Filter):
    """Lets a trouble through once a minute, in one line: while Valkey is away its receiver would
    print a traceback every second."""

    def __init__(self) -> None:
        super().__init__()
        self._told = float("-inf")

    def filter(self, record: logging.LogRecord) -> bool:
        if time.monotonic() - self._told < EVERY:
            return False
        self._told = time.monotonic()
        if record.exc_info and record.exc_info[1]:
            record.msg, record.args = f"{record.getMessage()}: {record.exc_info[1]}", ()
            record.exc_info = record.exc_text = None
        return True
