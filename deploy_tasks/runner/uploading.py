"""Brings the artifact to a host that asks for it, before any step of a plan starts there.

Content-addressed, checked there, whole or not at all: nothing in it can do harm by happening
twice, so it is simply done again where a connection breaks.
"""

import time
from collections.abc import Callable
from typing import BinaryIO

from django.utils.translation import gettext as _

from deploy_tasks import artifacts, fetching, ssh
from deploy_tasks.commands import Artifact
from deploy_tasks.errors import HostFailed
from deploy_tasks.failpoints import failpoint
from deploy_tasks.models import Attempt

#: Seconds in which a host has to take something.
IDLE_LIMIT = 60.0
#: Read and sent at a time (bytes).
BLOCK = 128 * 1024


class Upload:
    """For the first step of a plan that brings the artifact, which is ``attempt``.

    ``limit`` is in seconds, for however many connections it takes. ``left`` counts the bytes that
    the host has certainly not got over the last of them.
    """

    def __init__(self, artifact: Artifact, attempt: Attempt, *, limit: float) -> None:
        self.artifact, self.attempt = artifact, attempt
        self.left = artifact.size
        self._limit = limit
        self._deadline: float | None = None

    def send(self, channel: ssh.Channel, *, goes_on: Callable[[], bool]) -> bool:
        """False where ``goes_on`` said no: the host then has less than it waits for.

        Raises HostFailed, LinkLost.
        """
        self._deadline = self._deadline or time.monotonic() + self._limit
        self.left, wait = self.artifact.size, self._deadline - time.monotonic()
        if not fetching.fetch(self.artifact.sha256, limit=wait, goes_on=goes_on):
            return False
        with _opened(self.artifact) as file:
            failpoint("upload.wanted")
            while self.left and not channel.ended:
                block = file.read(min(BLOCK, self.left))
                if not block:
                    raise HostFailed(_("the artifact in the store of this worker is cut off"))
                if not goes_on():
                    return False
                # First: a link that breaks now may have brought it all the same.
                self.left -= len(block)
                self._write(channel, block)
        failpoint("upload.sent")
        return True

    @property
    def time_left(self) -> float:
        """Seconds of its step's time limit, once it has begun."""
        assert self._deadline is not None
        return max(0.0, self._deadline - time.monotonic())

    def _write(self, channel: ssh.Channel, block: bytes) -> None:
        assert self._deadline is not None
        try:
            channel.write(block, timeout=min(IDLE_LIMIT, self._deadline - time.monotonic()))
        except TimeoutError as error:
            raise HostFailed(_("the upload stalled: %s") % error) from error


def _opened(artifact: Artifact) -> BinaryIO:
    try:
        return artifacts.path_of(artifact.sha256).open("rb")
    except FileNotFoundError:
        raise HostFailed(_("the artifact is not in the store of this worker")) from None
