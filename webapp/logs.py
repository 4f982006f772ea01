"""What of a library's log an operator reads."""

import logging
import time

#: Seconds in which the same trouble is told once.
EVERY = 60.0


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
