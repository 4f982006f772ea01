"""Whether the disk below this machine's home is nearly full, and that people are told in time."""

import shutil
import socket

from django.conf import settings

from deploy_tasks import calls

#: Free space, in bytes and as a share of the disk; the smaller of both counts.
LOW = (5 << 30, 0.05)
FULL = (200 << 20, 0.01)


def word() -> str:
    """``ok``; "low" while there is time to act, "full" when work would fail."""
    total, _used, left = shutil.disk_usage(settings.HOME)
    for word, (size, share) in (("full", FULL), ("low", LOW)):
        if left < min(size, total * share):
            return word
    return "ok"


def free() -> int:
    """Bytes."""
    return shutil.disk_usage(settings.HOME)[2]


def look() -> None:
    """Have people called, where it is needed. Anybody may, at any time."""
    if word() != "ok":
        calls.note_disk(machine=socket.gethostname(), free=free())
