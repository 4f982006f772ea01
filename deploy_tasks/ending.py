"""The end of a process that was told to end, whatever its threads wait for.

One may hang in a database or a broker that is away. What it would have done is left as a kill -9
leaves it: rows and hosts know how to go on from there.
"""

import logging
import os
import threading

log = logging.getLogger(__name__)

#: Seconds. Whoever told it to end kills it soon after.
END_WITHIN = 8.0
TELL_WITHIN = 0.5


def end_anyway(within: float = END_WITHIN) -> None:
    """Call it once, when the process is told to end: it does, also if its threads do not."""

    def end() -> None:
        left = [one.name for one in threading.enumerate() if not one.daemon]
        said = "ended with threads that did not: %s", ", ".join(left)
        # One that hangs may have the log, or nobody reads that any more.
        telling = threading.Thread(target=log.warning, args=said, daemon=True)
        try:
            telling.start()
            telling.join(TELL_WITHIN)
        finally:
            os._exit(0)

    timer = threading.Timer(within, end)
    timer.daemon = True
    timer.start()
