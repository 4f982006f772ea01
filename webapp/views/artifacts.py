"""Gives an artifact to a worker on another machine, by a link that the worker has signed."""

import re
from collections.abc import Iterator
from typing import BinaryIO

from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase, StreamingHttpResponse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET

from deploy_tasks import artifact_links, artifacts
from webapp.access import Open, takes
from webapp.sending import sent

CHUNK = 256 * 1024


@takes(Open.ANYBODY)
@require_GET
def artifact(request: HttpRequest, sha256: str) -> HttpResponseBase:
    """The whole, or with ``Range: bytes=N-`` what comes after N bytes. 403 without a good link."""
    given = request.GET
    if not artifact_links.is_good(sha256, given.get("until", ""), given.get("sign", "")):
        return HttpResponse(_("This link is not good, or not any more."), status=403)
    try:
        file = artifacts.path_of(sha256).open("rb")
    except FileNotFoundError:
        raise Http404 from None
    size = file.seek(0, 2)
    asked = re.fullmatch(r"bytes=(\d{1,18})-", request.headers.get("Range", ""))
    begin = int(asked[1]) if asked else 0
    if asked and begin >= size:
        file.close()
        return HttpResponse(status=416, headers={"Content-Range": f"bytes */{size}"})
    file.seek(begin)
    answer = StreamingHttpResponse(sent(_pieces(file)), content_type="application/octet-stream")
    answer["Content-Length"] = str(size - begin)
    answer["Accept-Ranges"] = "bytes"
    answer["Cache-Control"] = "no-store"
    if asked:
        answer.status_code = 206
        answer["Content-Range"] = f"bytes {begin}-{size - 1}/{size}"
    return answer


def _pieces(file: BinaryIO) -> Iterator[bytes]:
    with file:
        while piece := file.read(CHUNK):
            yield piece
