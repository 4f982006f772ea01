"""Brings an artifact from the web process into the store of a worker on another machine.

A broken transfer goes on where it broke. Nothing is in the store before its SHA-256 is right.
"""

import fcntl
import hashlib
import os
import time
from collections.abc import Callable
from io import BufferedRandom
from pathlib import Path

from django.conf import settings
from django.utils.translation import gettext as _

from deploy_tasks import artifacts
from deploy_tasks.errors import HostFailed

#: Seconds between two tries, and between two looks at whether somebody else is through.
PAUSE = 1.0


def fetch(sha256: str, *, limit: float, goes_on: Callable[[], bool]) -> bool:
    """Have the artifact in the store, if another machine has it. ``limit`` in seconds. False
    where ``goes_on`` said no. Raises HostFailed.

    Of many that need the same artifact one fetches it, and the others wait.
    """
    path = artifacts.path_of(sha256)
    if not settings.ARTIFACTS_FROM or path.exists():
        return True
    deadline = time.monotonic() + limit

    def may_go_on() -> bool:
        if time.monotonic() > deadline:
            raise HostFailed(_("the artifact did not come from the web process in time"))
        return goes_on()

    settings.ARTIFACTS.mkdir(parents=True, exist_ok=True)
    while may_go_on():
        with path.with_name(f".fetch-{sha256}").open("ab+") as part:
            if _is_ours_alone(part) and _is_there(path, sha256, part, may_go_on):
                return True
        time.sleep(PAUSE)
    return False


def _is_ours_alone(part: BufferedRandom) -> bool:
    """A lock that ends with the process that holds it."""
    try:
        fcntl.flock(part, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _is_there(path: Path, sha256: str, part: BufferedRandom, goes_on: Callable[[], bool]) -> bool:
    """One try. False where the transfer broke: the next one goes on after what is there."""
    if path.exists():  # somebody else was first
        Path(part.name).unlink(missing_ok=True)
        return True
    # Where the web process shares its store nobody ever gets here, and the client is not loaded.
    from deploy_tasks.transferring import transfer

    if not transfer(sha256, part, goes_on):
        return False
    part.seek(0)
    if hashlib.file_digest(part, "sha256").hexdigest() != sha256:
        part.truncate(0)
        raise HostFailed(_("the web process sent another artifact than the one of the release"))
    os.fchmod(part.fileno(), 0o640)
    os.fsync(part.fileno())
    Path(part.name).replace(path)
    return True
