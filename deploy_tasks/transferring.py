"""An artifact over HTTP, from the byte on that is here already.

Loaded by workers on other machines alone: its client takes 5 MB.
"""

import os
from collections.abc import Callable
from io import BufferedRandom

import httpx
from django.conf import settings
from django.utils.translation import gettext as _

from deploy_tasks import artifact_links
from deploy_tasks.errors import HostFailed

#: Seconds: to connect, and without a byte.
CONNECT, SILENCE = 10, 30


def transfer(sha256: str, part: BufferedRandom, goes_on: Callable[[], bool]) -> bool:
    """All of it is in ``part``; False where it broke or ``goes_on`` said no. Raises HostFailed."""
    try:
        return _transfer(sha256, part, goes_on)
    except httpx.TransportError:
        return False


def _transfer(sha256: str, part: BufferedRandom, goes_on: Callable[[], bool]) -> bool:
    have = part.seek(0, os.SEEK_END)
    timeout = httpx.Timeout(SILENCE, connect=CONNECT)
    url = settings.ARTIFACTS_FROM + artifact_links.link(sha256)
    with httpx.stream("GET", url, headers={"Range": f"bytes={have}-"}, timeout=timeout) as answer:
        if answer.status_code == httpx.codes.REQUESTED_RANGE_NOT_SATISFIABLE:
            return True  # all of it is there
        if answer.status_code >= httpx.codes.INTERNAL_SERVER_ERROR:
            return False
        if answer.status_code not in (httpx.codes.OK, httpx.codes.PARTIAL_CONTENT):
            raise HostFailed(
                _("the web process does not give the artifact: HTTP %s") % answer.status_code
            )
        if answer.status_code == httpx.codes.OK:
            part.truncate(0)
        for piece in answer.iter_raw():
            part.write(piece)
            if not goes_on():
                return False
    return True
