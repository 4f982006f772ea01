"""Points between two side effects, at which a test can end this process as ``kill -9`` would.

``PATCHWAVE_FAILPOINT=name:kill`` ends it where it first comes to ``name``, ``name:kill:3`` at the
third time; ``stop`` freezes it instead. Off, a failpoint costs one look at an empty dictionary.
What an instance survives at each of these points it survives anywhere: tests/faults kills at all.
"""

import os
import signal
import threading
from collections.abc import Callable, Mapping

from django.conf import settings

#: Every failpoint there is: what has happened by then, and what has not.
POINTS: Mapping[str, str] = {
    "bell.before": "the rows are committed; nobody was rung for",
    "bell.rung": "rung, and nothing else yet",
    "announce.before": "events are committed; no watcher knows",
    "order.written": "an order's rows are written, and not committed",
    "conduct.decided": "the next moves of a job are written, and not committed",
    "reconcile.freed": "host runs of a dead worker are free; nobody was rung for",
    "reconcile.marked": "a host run is marked as rung for; it was not",
    "run.begun": "a bell was heard; nothing is claimed",
    "claim.told": "a claim was handed to the journal",
    "claim.committed": "claimed and connected; nothing was sent",
    "previous.asked": "the host has told its version; it is not stored",
    "plan.committed": "a plan's attempts are committed; it was not sent",
    "launch.opened": "a channel is open; the program was not sent",
    "launch.sent": "the program was sent; no answer was read",
    "upload.wanted": "the host asks for the artifact; nothing of it was sent",
    "upload.sent": "the artifact was sent; the plan begins",
    "launch.answered": "the host has answered; nothing of the log is stored",
    "log.read": "output was read, and not handed to the journal",
    "log.told": "output was handed to the journal",
    "plan.through": "a plan's last record was handed to the journal",
    "wish.sent": "the host knows of a cancel; that is not stored",
    "abandon.before": "the host has nothing of a plan; it was not told to keep it so",
    "abandon.answered": "a plan can not start any more; that is not stored",
    "unended.quiet": "what was given up has ended on the host; that is not stored",
    "undo.begun": "it was told that steps are taken back; none is",
    "version.asked": "all steps ended well, the host has told its version; it is not stored",
    "end.before": "all is done; the end is not told",
    "end.committed": "the end is committed; the job is not conducted",
    "let-go.before": "the worker stops; its lease is not freed",
    "flush.begun": "the journal has taken entries; its transaction has not begun",
    "flush.moved": "states are moved in the transaction; events are not inserted",
    "flush.written": "all is written in the transaction; it is not committed",
    "flush.committed": "committed; who waits for it does not know",
}

_SIGNALS = {"kill": signal.SIGKILL, "stop": signal.SIGSTOP}
_armed: dict[str, Callable[[], None]] = {}


def failpoint(name: str) -> None:
    if _armed and name in _armed:
        _armed[name]()


def arm(what: str) -> None:
    """``name:kill``, ``name:kill:N`` or the same with ``stop``. Raises ValueError."""
    name, _, rest = what.partition(":")
    how, _, times = rest.partition(":")
    if how not in _SIGNALS or not (times or "1").isdecimal():
        raise ValueError(f"{what}: write name:kill, name:stop or name:kill:3")
    number = _SIGNALS[how]
    at(name, lambda: os.kill(os.getpid(), number), times=int(times or 1))


def at(name: str, action: Callable[[], None], *, times: int = 1) -> None:
    """Do ``action`` once, where the process comes to ``name`` for the ``times``-th time."""
    if name not in POINTS:
        raise ValueError(f"there is no failpoint {name}")
    left = times
    lock = threading.Lock()

    def come_by() -> None:
        nonlocal left
        with lock:
            left -= 1
            due = left == 0
        if due:
            action()

    _armed[name] = come_by


def disarm() -> None:
    _armed.clear()


if settings.FAILPOINT:
    arm(settings.FAILPOINT)
