"""Jobs: what would happen, start one, and how it stands."""

from typing import Annotated, Any

from django.utils.translation import gettext as _
from ninja import Header, Query, Status

from deploy_tasks import orders, preflight
from deploy_tasks.errors import InvalidInput
from deploy_tasks.names import Name
from deploy_tasks.states import JobState
from webapp import access, failures, pace, reports
from webapp.access import Right, takes
from webapp.api.auth import ApiRequest
from webapp.api.bodies import REFUSALS
from webapp.api.named import visible_job
from webapp.api.routing import Router
from webapp.shapes import (
    FailureList,
    HostRunList,
    JobPage,
    JobReport,
    PaceReport,
    PreflightReport,
    Refusal,
)

router = Router(tags=["jobs"])


@router.post("", response={201: JobReport, 200: JobReport, REFUSALS: Refusal})
@takes(Right.OPERATE)
def start(
    request: ApiRequest,
    order: orders.JobOrder,
    key: Annotated[str | None, Header(alias="Idempotency-Key", max_length=200)] = None,
) -> Status[JobReport]:
    """Start a job. The same key and order again: 200 and the same job."""
    _allow_start(request, order)
    job, created = orders.start_job(order, by=request.auth, key=key)
    return Status(201 if created else 200, reports.job(job, request.auth))


@router.post("/plan", response={200: dict[str, Any], REFUSALS: Refusal})
@takes(Right.OPERATE)
def plan(request: ApiRequest, order: orders.JobOrder) -> dict[str, Any]:
    """What would happen: batches, steps, and who is left out and why. Starts nothing."""
    _allow_start(request, order)
    return orders.plan_job(order, by=request.auth).as_json()


@router.post("/preflight", response={200: PreflightReport, REFUSALS: Refusal})
@takes(Right.OPERATE)
def check(request: ApiRequest, order: orders.JobOrder, again: bool = False) -> PreflightReport:
    """Whether the hosts of an order are fit for it. Workers look at those of which nothing is
    known that is younger than 10 minutes; with ``again`` at all. Ask until ``pending`` is 0."""
    _allow_start(request, order)
    return reports.preflight(preflight.check(order, again=again))


@router.get("", response={200: JobPage, REFUSALS: Refusal}, url_name="jobs")
@takes(Right.SEE)
def list_jobs(
    request: ApiRequest,
    state: JobState | None = None,
    game: Name | None = None,
    before: int | None = None,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
) -> JobPage:
    """Newest first. ``before``: only jobs with a smaller id."""
    jobs = access.visible_jobs(request.auth).select_related("game", "release").order_by("-pk")
    if state:
        jobs = jobs.filter(state=state)
    if game:
        jobs = jobs.filter(game__name=game)
    if before is not None:
        jobs = jobs.filter(pk__lt=before)
    page = list(jobs[: limit + 1])
    more = len(page) > limit
    return {
        "jobs": reports.jobs(page[:limit], request.auth),
        "before": page[limit - 1].pk if more else None,
    }


@router.get("/{int:job_id}", response={200: JobReport, REFUSALS: Refusal})
@takes(Right.SEE)
def show(request: ApiRequest, job_id: int) -> JobReport:
    return reports.job(visible_job(request, job_id), request.auth)


@router.get("/{int:job_id}/hosts", response={200: HostRunList, REFUSALS: Refusal})
@takes(Right.SEE)
def hosts(request: ApiRequest, job_id: int) -> HostRunList:
    """Every host of the job, and the event up to which this is told."""
    return reports.hosts(visible_job(request, job_id))


@router.get("/{int:job_id}/pace", response={200: PaceReport, REFUSALS: Refusal})
@takes(Right.SEE)
def show_pace(request: ApiRequest, job_id: int) -> PaceReport:
    """How long each step takes, who is slow, and how long the job will still take."""
    return pace.pace(visible_job(request, job_id))


@router.get("/{int:job_id}/failures", response={200: FailureList, REFUSALS: Refusal})
@takes(Right.SEE)
def list_failures(request: ApiRequest, job_id: int) -> FailureList:
    """Why hosts failed: those with the same trouble in the same step, together."""
    return failures.failures(visible_job(request, job_id))


def _allow_start(request: ApiRequest, order: orders.JobOrder) -> None:
    # The same words for a game that is not there and one that is not theirs to see.
    game = access.visible_games(request.auth).filter(name=order.game).first()
    if game is None:
        raise InvalidInput(_("there is no game “%s”") % order.game, field="game")
    access.require(request.auth, Right.OPERATE, game)
