"""What the hosts of a job printed: line by line, and where a text stands in it."""

from typing import Annotated

from django.utils.translation import gettext as _
from ninja import Query
from pydantic import StringConstraints

from deploy_tasks import lines, searching
from deploy_tasks.errors import InvalidInput
from deploy_tasks.names import Name
from deploy_tasks.times import iso
from webapp.access import Right, takes
from webapp.api.auth import ApiRequest
from webapp.api.bodies import REFUSALS
from webapp.api.named import WhichAttempt, attempt, host_run, visible_job
from webapp.api.routing import Router
from webapp.shapes import LinePage, Refusal, SearchPage

router = Router(tags=["output"])

Wanted = Annotated[str, StringConstraints(min_length=1, max_length=200)]


@router.get("/{int:job_id}/hosts/{name:name}/lines", response={200: LinePage, REFUSALS: Refusal})
@takes(Right.SEE)
def list_lines(
    request: ApiRequest,
    job_id: int,
    name: str,
    which: Query[WhichAttempt],
    first: Annotated[int, Query(ge=1)] = 1,
    count: Annotated[int, Query(ge=0, le=lines.AT_ONCE)] = lines.AT_ONCE,
    offset: Annotated[int | None, Query(ge=0, description="a byte of its output")] = None,
) -> LinePage:
    """Lines of an attempt's output from number ``first`` on; without ``step``, of the newest one
    that printed anything. ``offset`` asks for the number of the line at that byte."""
    run = host_run(visible_job(request, job_id), name)
    found = attempt(run, which)
    told, colours = lines.read(found, first, count) if found and count else ([], "")
    return {
        "first": first,
        "total": lines.total(found) if found else 0,
        "number": lines.number_at(found, offset) if found and offset is not None else None,
        "colours": colours,
        "lines": [{"at": iso(at), "text": text, "cut": cut} for at, text, cut in told],
    }


@router.get("/{int:job_id}/search", response={200: SearchPage, REFUSALS: Refusal})
@takes(Right.SEE)
def search(
    request: ApiRequest,
    job_id: int,
    text: Wanted,
    host: Name | None = None,
    after: str = "",
    limit: Annotated[int, Query(ge=1, le=500)] = 200,
) -> SearchPage:
    """Lines that hold ``text``, whatever its case; go on with ``after`` until it is null."""
    job = visible_job(request, job_id)
    try:
        place = searching.Place.parse(after)
    except (ValueError, TypeError):
        raise InvalidInput(_("goes on nowhere: give what the last answer gave"), field="after")
    look = searching.search(job, text, host=host, after=place, limit=limit)
    return {
        "hits": [
            {
                "host": hit.host,
                "step": hit.step,
                "n": hit.number,
                "kind": hit.kind,
                "line": hit.line,
                "at": iso(hit.at),
                "text": hit.text,
            }
            for hit in look.hits
        ],
        "after": str(look.after) if look.after else None,
        "searched": look.searched,
        "of": look.of,
    }
