"""What happened in a job: its events, what was launched on a host, what that printed."""

import json
from collections.abc import Iterable
from typing import Annotated, Literal

from django.http import HttpResponse, StreamingHttpResponse
from ninja import Query

from deploy_tasks import events
from deploy_tasks.names import Name
from deploy_tasks.visible import visible
from webapp import reports
from webapp.access import Right, takes
from webapp.api.auth import ApiRequest
from webapp.api.bodies import REFUSALS
from webapp.api.named import WhichAttempt, attempt, host_run, visible_job
from webapp.api.routing import Router
from webapp.sending import sent
from webapp.shapes import AttemptList, EventPage, OutputPage, Refusal

router = Router(tags=["jobs"])

PAGE_BYTES = 1024 * 1024


@router.get("/{int:job_id}/events", response={200: EventPage, REFUSALS: Refusal})
@takes(Right.SEE)
def list_events(
    request: ApiRequest,
    job_id: int,
    after: Annotated[int, Query(ge=0)] = 0,
    limit: Annotated[int, Query(ge=1, le=PAGE_BYTES, description="bytes")] = PAGE_BYTES,
    host: Annotated[list[Name | Literal[""]] | None, Query()] = None,
) -> HttpResponse:
    """The job's story after ``after``. ``host``: output of these hosts only; empty: of none."""
    job = visible_job(request, job_id)
    page = events.read(job.pk, after=after, limit=limit, hosts=host)
    return _as_they_are(page.lines, to=page.to, last_seq=page.last_seq)


@router.get(
    "/{int:job_id}/hosts/{name:name}/attempts", response={200: AttemptList, REFUSALS: Refusal}
)
@takes(Right.SEE)
def attempts(request: ApiRequest, job_id: int, name: str) -> AttemptList:
    """What was launched on the host, and how it ended."""
    job = visible_job(request, job_id)
    return reports.attempts(job, host_run(job, name).name)


@router.get("/{int:job_id}/hosts/{name:name}/output", response={200: OutputPage, REFUSALS: Refusal})
@takes(Right.SEE)
def output(
    request: ApiRequest,
    job_id: int,
    name: str,
    which: Query[WhichAttempt],
    before: Annotated[int | None, Query(ge=0, description="a byte of the attempt's output")] = None,
    limit: Annotated[int, Query(ge=1, le=PAGE_BYTES, description="bytes")] = PAGE_BYTES,
) -> HttpResponse:
    """The end of what an attempt printed, or what comes before a byte of it, as stream items;
    without ``step``, of the newest one that printed anything."""
    job = visible_job(request, job_id)
    found = attempt(host_run(job, name), which)
    told = events.output(found, before=before, limit=limit) if found else []
    start = told[0].fields["o"] if told else 0
    return _as_they_are(told, start=start, as_of_seq=job.last_seq)


@router.get("/{int:job_id}/hosts/{name:name}/log", response={200: None, REFUSALS: Refusal})
@takes(Right.SEE)
def log(
    request: ApiRequest,
    job_id: int,
    name: str,
    step: Name | None = None,
    attempt: int | None = None,
    safe: bool = False,
) -> StreamingHttpResponse:
    """The host's output, masked, byte for byte; ``safe``: control characters made visible."""
    job = visible_job(request, job_id)
    host_run(job, name)
    pieces = events.log_bytes(job, name, step=step, attempt=attempt)
    if safe:
        pieces = (text.encode() for text in visible(pieces))
    answer = StreamingHttpResponse(sent(pieces), content_type="text/plain; charset=utf-8")
    answer["Content-Disposition"] = f'attachment; filename="job-{job_id}-{name}.log"'
    return answer


def _as_they_are(items: Iterable[events.Item], **beside: int) -> HttpResponse:
    """Events are JSON already: a page of a megabyte is not read and written once more."""
    text = f'{{"events":[{",".join(item.text for item in items)}],{json.dumps(beside)[1:]}'
    return HttpResponse(text, content_type="application/json; charset=utf-8")
