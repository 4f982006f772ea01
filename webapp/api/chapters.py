"""The chapters of a job's story, newest first; all of it as files; what its hosts were given."""

from typing import Annotated, Literal

from django.http import StreamingHttpResponse
from django.shortcuts import get_object_or_404
from ninja import Query

from deploy_tasks import bundle, events
from deploy_tasks.models import HostRun
from deploy_tasks.names import Name
from webapp.access import Right, takes
from webapp.api.auth import ApiRequest
from webapp.api.bodies import REFUSALS
from webapp.api.named import visible_job
from webapp.api.routing import Router
from webapp.sending import sent
from webapp.shapes import Refusal, StoryPage, VariableList
from webapp.variables import variables

router = Router(tags=["jobs"])

Kind = Literal["step", "host", "job", "batch", "link", "order", "note"]


@router.get("/{int:job_id}/story", response={200: StoryPage, REFUSALS: Refusal})
@takes(Right.SEE)
def show(
    request: ApiRequest,
    job_id: int,
    before: Annotated[int | None, Query(ge=1)] = None,
    kind: Annotated[list[Kind] | None, Query()] = None,
    host: Name | None = None,
    step: Name | None = None,
    to: Annotated[str | None, Query(pattern="^[a-z_]{1,20}$", description="a state")] = None,
    limit: Annotated[int, Query(ge=1, le=500)] = 200,
) -> StoryPage:
    """What happened, without output, newest first: events before ``before``, of some kinds, about a
    host or a step, that tell of a move ``to`` a state."""
    job = visible_job(request, job_id)
    found = events.chapters(
        job.pk, before=before, rows=limit + 1, kinds=kind or (), host=host, step=step, to=to
    )
    page = found[:limit]
    return {
        "events": [item.fields for item in page],
        "before": page[-1].seq if len(found) > limit else None,
        "last_seq": job.last_seq,
    }


@router.get("/{int:job_id}/events.jsonl", response={200: None, REFUSALS: Refusal})
@takes(Right.SEE)
def download(request: ApiRequest, job_id: int) -> StreamingHttpResponse:
    """All events with their output as a file, an item of the stream a line."""
    job = visible_job(request, job_id)
    answer = StreamingHttpResponse(
        sent(events.jsonl(job.pk)), content_type="application/x-ndjson; charset=utf-8"
    )
    answer["Content-Disposition"] = f'attachment; filename="job-{job_id}-events.jsonl"'
    return answer


@router.get("/{int:job_id}/bundle.zip", response={200: None, REFUSALS: Refusal})
@takes(Right.SEE)
def download_all(request: ApiRequest, job_id: int) -> StreamingHttpResponse:
    """The recipe, all events and every host's log as one file."""
    job = visible_job(request, job_id)
    answer = StreamingHttpResponse(sent(bundle.zipped(job)), content_type="application/zip")
    answer["Content-Disposition"] = f'attachment; filename="job-{job_id}.zip"'
    return answer


@router.get(
    "/{int:job_id}/hosts/{name:name}/variables", response={200: VariableList, REFUSALS: Refusal}
)
@takes(Right.SEE)
def list_variables(request: ApiRequest, job_id: int, name: str) -> VariableList:
    """What the scripts on this host are given, and where each value comes from."""
    job = visible_job(request, job_id)
    runs = HostRun.objects.select_related(
        "job__game", "job__release", "job__revision__recipe", "host", "undoes"
    )
    return variables(get_object_or_404(runs, job=job, name=name))
