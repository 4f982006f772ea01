"""Jobs: start one, follow it, and order what happens next."""

import json
from collections.abc import Iterable
from typing import Annotated, Any, Literal

from django.http import HttpResponse, StreamingHttpResponse
from django.shortcuts import get_object_or_404
from django.utils.translation import gettext as _
from ninja import Header, Query, Status
from pydantic import AwareDatetime, Field

from deploy_tasks import events, orders, preflight
from deploy_tasks.errors import InvalidInput
from deploy_tasks.models import HostRun, Job
from deploy_tasks.names import Name
from deploy_tasks.states import AttemptKind, JobState, Pause
from deploy_tasks.visible import visible
from webapp import access, failures, pace, reports
from webapp.access import Right, takes
from webapp.api.auth import ApiRequest
from webapp.api.bodies import REFUSALS, Body
from webapp.api.routing import Router
from webapp.sending import sent
from webapp.shapes import (
    AttemptList,
    EventPage,
    FailureList,
    HostRunList,
    JobPage,
    JobReport,
    OutputPage,
    PaceReport,
    PreflightReport,
    Refusal,
)

router = Router(tags=["jobs"])

PAGE_BYTES = 1024 * 1024


class Order(Body):
    """``note``: why, for those who read it later."""

    note: str = Field(default="", max_length=2000)


class RetryOrder(Order):
    """Which hosts, and from which step; by default all that can be, from where they stand."""

    hosts: list[str] | None = None
    from_step: str | None = None


class CancelOrder(Order):
    """``undo``: take back what was done. ``force``: do not wait for a step that must not stop."""

    undo: bool | None = None
    force: bool = False


class PauseOrder(Order):
    """``batch``: the next one does not open. ``host``: no other host starts. ``step``: also hosts
    that run stop after the step they are in."""

    after: Literal["batch", "host", "step"] = "host"


class PromoteOrder(Order):
    """``batch``: whose gate is meant, so that the order can be given twice."""

    batch: int | None = None


class SwitchOrder(Order):
    """``at``: not before then; left out: from now on."""

    at: AwareDatetime | None = None


class SkipOrder(Order):
    """Hosts that have not gone down: those named, or with ``rest`` all of them."""

    hosts: list[str] | None = None
    rest: bool = False


class ExcludeOrder(Order):
    """Hosts that have failed, and why they are set aside."""

    hosts: list[str]


class ChangeOrder(Order):
    """Other terms from here on; what is left out stays. See ``rollout`` of a job."""

    parallel: int | str | None = None
    stage_parallel: int | str | None = None
    stagger: str | float | None = None
    max_failed: int | str | None = None
    max_failed_in_batch: int | str | None = None
    gate: Literal["auto", "manual"] | list[Literal["auto", "manual"]] | None = None
    soak: str | float | list[str | float] | None = None


class Answer(Order):
    """What became of a step whose outcome is not known."""

    answer: Literal["it_ran", "it_did_not_run", "give_up"]


class AnswerOfSeveral(Answer):
    """The same of all these hosts, or of none."""

    hosts: list[str]


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
    return reports.job(_job(request, job_id), request.auth)


@router.get("/{int:job_id}/hosts", response={200: HostRunList, REFUSALS: Refusal})
@takes(Right.SEE)
def hosts(request: ApiRequest, job_id: int) -> HostRunList:
    """Every host of the job, and the event up to which this is told."""
    return reports.hosts(_job(request, job_id))


@router.get("/{int:job_id}/pace", response={200: PaceReport, REFUSALS: Refusal})
@takes(Right.SEE)
def show_pace(request: ApiRequest, job_id: int) -> PaceReport:
    """How long each step takes, who is slow, and how long the job will still take."""
    return pace.pace(_job(request, job_id))


@router.get("/{int:job_id}/failures", response={200: FailureList, REFUSALS: Refusal})
@takes(Right.SEE)
def list_failures(request: ApiRequest, job_id: int) -> FailureList:
    """Why hosts failed: those with the same trouble in the same step, together."""
    return failures.failures(_job(request, job_id))


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
    job = _job(request, job_id)
    page = events.read(job.pk, after=after, limit=limit, hosts=host)
    return _as_they_are(page.lines, to=page.to, last_seq=page.last_seq)


@router.get(
    "/{int:job_id}/hosts/{name:name}/attempts", response={200: AttemptList, REFUSALS: Refusal}
)
@takes(Right.SEE)
def attempts(request: ApiRequest, job_id: int, name: str) -> AttemptList:
    """What was launched on the host, and how it ended."""
    job = _job(request, job_id)
    return reports.attempts(job, _host_run(job, name).name)


@router.get("/{int:job_id}/hosts/{name:name}/output", response={200: OutputPage, REFUSALS: Refusal})
@takes(Right.SEE)
def output(
    request: ApiRequest,
    job_id: int,
    name: str,
    step: Name | None = None,
    attempt: int = 1,
    kind: AttemptKind = AttemptKind.DO,
    before: Annotated[int | None, Query(ge=0, description="a byte of the attempt's output")] = None,
    limit: Annotated[int, Query(ge=1, le=PAGE_BYTES, description="bytes")] = PAGE_BYTES,
) -> HttpResponse:
    """The end of what an attempt printed, or what comes before a byte of it, as stream items;
    without ``step``, of the newest one that printed anything."""
    job = _job(request, job_id)
    found = reports.attempt(_host_run(job, name), step=step, number=attempt, kind=kind)
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
    job = _job(request, job_id)
    _host_run(job, name)
    pieces = events.log_bytes(job, name, step=step, attempt=attempt)
    if safe:
        pieces = (text.encode() for text in visible(pieces))
    answer = StreamingHttpResponse(sent(pieces), content_type="text/plain; charset=utf-8")
    answer["Content-Disposition"] = f'attachment; filename="job-{job_id}-{name}.log"'
    return answer


@router.post("/{int:job_id}/retry", response={200: JobReport, REFUSALS: Refusal})
@takes(Right.OPERATE)
def retry(request: ApiRequest, job_id: int, order: RetryOrder | None = None) -> JobReport:
    """Go on with the hosts that failed, each at the first step whose work is not standing."""
    job, wanted = _job_to_operate(request, job_id), order or RetryOrder()
    job = orders.retry(job, by=request.auth, **wanted.model_dump())
    return reports.job(job, request.auth)


@router.post("/{int:job_id}/cancel", response={200: JobReport, REFUSALS: Refusal})
@takes(Right.OPERATE)
def cancel(request: ApiRequest, job_id: int, order: CancelOrder | None = None) -> JobReport:
    """Start nothing more, and end what can be ended."""
    job, wanted = _job_to_operate(request, job_id), order or CancelOrder()
    job = orders.cancel(job, by=request.auth, **wanted.model_dump())
    return reports.job(job, request.auth)


@router.post("/{int:job_id}/pause", response={200: JobReport, REFUSALS: Refusal})
@takes(Right.OPERATE)
def pause(request: ApiRequest, job_id: int, order: PauseOrder | None = None) -> JobReport:
    """Start nothing more until it is resumed."""
    job, wanted = _job_to_operate(request, job_id), order or PauseOrder()
    job = orders.pause(job, by=request.auth, after=Pause(wanted.after), note=wanted.note)
    return reports.job(job, request.auth)


@router.post("/{int:job_id}/resume", response={200: JobReport, REFUSALS: Refusal})
@takes(Right.OPERATE)
def resume(request: ApiRequest, job_id: int, order: Order | None = None) -> JobReport:
    """Take a pause back."""
    job, wanted = _job_to_operate(request, job_id), order or Order()
    return reports.job(orders.resume(job, by=request.auth, note=wanted.note), request.auth)


@router.post("/{int:job_id}/promote", response={200: JobReport, REFUSALS: Refusal})
@takes(Right.OPERATE)
def promote(request: ApiRequest, job_id: int, order: PromoteOrder | None = None) -> JobReport:
    """Open the gate after a batch that is done: soak no longer, wait no longer."""
    job, wanted = _job_to_operate(request, job_id), order or PromoteOrder()
    job = orders.promote(job, by=request.auth, **wanted.model_dump())
    return reports.job(job, request.auth)


@router.post("/{int:job_id}/switch", response={200: JobReport, REFUSALS: Refusal})
@takes(Right.OPERATE)
def switch(request: ApiRequest, job_id: int, order: SwitchOrder | None = None) -> JobReport:
    """Let hosts that are staged go down, batch after batch, now or not before a time."""
    job, wanted = _job_to_operate(request, job_id), order or SwitchOrder()
    job = orders.switch(job, by=request.auth, **wanted.model_dump())
    return reports.job(job, request.auth)


@router.post("/{int:job_id}/check", response={200: JobReport, REFUSALS: Refusal})
@takes(Right.OPERATE)
def check_again(request: ApiRequest, job_id: int, order: Order | None = None) -> JobReport:
    """Look at the hosts again, before the first batch of a job that waits for that."""
    job, wanted = _job_to_operate(request, job_id), order or Order()
    return reports.job(orders.check(job, by=request.auth, note=wanted.note), request.auth)


@router.post("/{int:job_id}/skip", response={200: JobReport, REFUSALS: Refusal})
@takes(Right.OPERATE)
def skip(request: ApiRequest, job_id: int, order: SkipOrder) -> JobReport:
    """Leave out hosts that have not gone down."""
    job = _job_to_operate(request, job_id)
    job = orders.skip(job, by=request.auth, **order.model_dump())
    return reports.job(job, request.auth)


@router.post("/{int:job_id}/exclude", response={200: JobReport, REFUSALS: Refusal})
@takes(Right.OPERATE)
def exclude(request: ApiRequest, job_id: int, order: ExcludeOrder) -> JobReport:
    """Set hosts aside that have failed: they count in no budget, and no retry of all takes them."""
    job = _job_to_operate(request, job_id)
    job = orders.exclude(job, by=request.auth, **order.model_dump())
    return reports.job(job, request.auth)


@router.post("/{int:job_id}/change", response={200: JobReport, REFUSALS: Refusal})
@takes(Right.OPERATE)
def change(request: ApiRequest, job_id: int, order: ChangeOrder) -> JobReport:
    """Go on with another width, budget, gate or soak; a larger budget ends a halt."""
    job = _job_to_operate(request, job_id)
    job = orders.change(job, by=request.auth, **order.model_dump(exclude_unset=True))
    return reports.job(job, request.auth)


@router.post("/{int:job_id}/rollback", response={201: JobReport, 200: JobReport, REFUSALS: Refusal})
@takes(Right.OPERATE)
def rollback(request: ApiRequest, job_id: int, order: Order | None = None) -> Status[JobReport]:
    """Start a job that undoes on every host what this one did; again: 200 and the same job."""
    job, wanted = _job_to_operate(request, job_id), order or Order()
    job, created = orders.rollback(job, by=request.auth, note=wanted.note)
    return Status(201 if created else 200, reports.job(job, request.auth))


@router.post("/{int:job_id}/hosts/{name:name}/answer", response={200: JobReport, REFUSALS: Refusal})
@takes(Right.OPERATE)
def answer(request: ApiRequest, job_id: int, name: str, said: Answer) -> JobReport:
    """Say what became of a step: go on with the next one, attempt it again, or give up."""
    job = _job_to_operate(request, job_id)
    run = _host_run(job, name)
    job = orders.answer(job, by=request.auth, hosts=[run.name], **said.model_dump())
    return reports.job(job, request.auth)


@router.post("/{int:job_id}/answer", response={200: JobReport, REFUSALS: Refusal})
@takes(Right.OPERATE)
def answer_of_several(request: ApiRequest, job_id: int, said: AnswerOfSeveral) -> JobReport:
    """Say the same of a step on several hosts."""
    job = _job_to_operate(request, job_id)
    job = orders.answer(job, by=request.auth, **said.model_dump())
    return reports.job(job, request.auth)


def _allow_start(request: ApiRequest, order: orders.JobOrder) -> None:
    # The same words for a game that is not there and one that is not theirs to see.
    game = access.visible_games(request.auth).filter(name=order.game).first()
    if game is None:
        raise InvalidInput(_("there is no game “%s”") % order.game, field="game")
    access.require(request.auth, Right.OPERATE, game)


def _job(request: ApiRequest, job_id: int) -> Job:
    jobs = access.visible_jobs(request.auth).select_related("game", "release", "revision")
    return get_object_or_404(jobs, pk=job_id)


def _job_to_operate(request: ApiRequest, job_id: int) -> Job:
    job = _job(request, job_id)
    access.require(request.auth, Right.OPERATE, job.game)
    return job


def _host_run(job: Job, name: str) -> HostRun:
    return get_object_or_404(HostRun, job=job, name=name)


def _as_they_are(items: Iterable[events.Item], **beside: int) -> HttpResponse:
    """Events are JSON already: a page of a megabyte is not read and written once more."""
    text = f'{{"events":[{",".join(item.text for item in items)}],{json.dumps(beside)[1:]}'
    return HttpResponse(text, content_type="application/json; charset=utf-8")
