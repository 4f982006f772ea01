"""Brings the artifact to a host: content-addressed, checked there, whole or not at all.

Nothing here can do harm by happening twice, so it runs over our connection and is simply done
again where that breaks.
"""

import io
import time
from collections.abc import Callable
from typing import BinaryIO, cast

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from deploy_tasks import artifacts, commands, ssh
from deploy_tasks.errors import HostFailed, LinkLost
from deploy_tasks.models import Release
from deploy_tasks.runner.contact import Contact

IDLE_LIMIT = 60.0

#: What the receiving program's exit status means.
REFUSALS = {
    65: gettext_lazy("the artifact arrived damaged"),
    69: gettext_lazy("the host has no sha256sum"),
    73: gettext_lazy("no space left on the host for the artifact"),
}


def bring(
    contact: Contact,
    release: Release,
    part: str,
    *,
    limit: float,
    launched: bool,
    look: Callable[[], None],
) -> str:
    """Send the artifact; gives a line for the log. ``part`` names the unfinished file.

    ``limit`` in seconds, for all tries together; ``look`` raises what should end it.
    Raises HostFailed.
    """
    deadline = time.monotonic() + limit
    while True:
        session = contact.session(launched=launched)
        try:
            with contact.cut_when_woken(session):
                return _send(session, release, part, limit=max(deadline - time.monotonic(), 1))
        except LinkLost as lost:
            look()
            contact.lost(lost)
            if time.monotonic() > deadline:
                raise HostFailed(str(lost)) from lost


def _send(session: ssh.Session, release: Release, part: str, *, limit: float) -> str:
    program = commands.receive_artifact(release.sha256, part)
    began = time.monotonic()
    try:
        with artifacts.path_of(release.sha256).open("rb") as file:
            source = cast(BinaryIO, _Joined(program.stdin, file))
            result = session.send_file(
                program.command, source, timeout=limit, idle_timeout=IDLE_LIMIT
            )
    except FileNotFoundError:
        raise HostFailed(_("the artifact is not in the store of this worker")) from None
    except TimeoutError as error:
        session.close()
        raise HostFailed(_("the upload stalled: %s") % error) from error
    if result.exit_status != 0:
        raise HostFailed(_refusal(result))
    seconds = time.monotonic() - began
    return f"{release.size} bytes sent in {seconds:.1f} s, sha256 checked\n"


def _refusal(result: ssh.Result) -> str:
    said = result.stderr.decode("utf-8", "replace").strip()[-300:]
    known = REFUSALS.get(result.exit_status or 0)
    if known:
        return f"{known}: {said}" if said else str(known)
    return _("the upload ended with exit status %(status)s: %(said)s") % {
        "status": result.exit_status,
        "said": said,
    }


class _Joined(io.RawIOBase):
    """The program, then the file, as one stream to read."""

    def __init__(self, head: bytes, file: BinaryIO) -> None:
        self._head, self._file = io.BytesIO(head), file

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        return self._head.read(size) or self._file.read(size)
