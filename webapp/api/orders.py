"""Orders to a job that there is, and what its hosts are answered."""

from typing import Literal

from ninja import Status
from pydantic import Field

from deploy_tasks import orders
from deploy_tasks.states import Pause
from deploy_tasks.times import Moment
from webapp import failures, reports
from webapp.access import Right, takes
from webapp.api.auth import ApiRequest
from webapp.api.bodies import REFUSALS, Body
from webapp.api.named import host_run, job_to_operate
from webapp.api.routing import Router
from webapp.shapes import JobReport, Refusal

router = Router(tags=["jobs"])


class Order(Body):
    """``note``: why, for those who read it later."""

    note: str = Field(default="", max_length=2000)


class RetryOrder(Order):
    """Which hosts, and from which step; by default all that can be, from where they stand.
    ``back``: those whose cause stands in an earlier step go back there."""

    hosts: list[str] | None = None
    from_step: str | None = None
    back: bool = False


class CancelOrder(Order):
    """``undo``: take back what was done. ``force``: do not wait for a step that must not stop."""

    undo: bool | None = None
    force: bool = False


class PauseOrder(Order):
    """``batch``: the next one does not open. ``host``: no other host starts. ``step``: also hosts
    that run stop after the step they are in."""

    after: Literal["batch", "host", "step"] = "host"


class PromoteOrder(Order):
    """``batch``: whose gate is meant, so that the order can be given twice; ``rest``: and no later
    gate waits for a person."""

    batch: int | None = None
    rest: bool = False


class SwitchOrder(Order):
    """``at``: not before then; left out: from now on."""

    at: Moment | None = None


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


@router.post("/{int:job_id}/retry", response={200: JobReport, REFUSALS: Refusal})
@takes(Right.OPERATE)
def retry(request: ApiRequest, job_id: int, order: RetryOrder | None = None) -> JobReport:
    """Go on with the hosts that failed, each at the first step whose work is not standing."""
    job, wanted = job_to_operate(request, job_id), order or RetryOrder()
    back = failures.ways_back(job, wanted.hosts) if wanted.back else {}
    given = wanted.model_dump(exclude={"back"})
    job = orders.retry(job, by=request.auth, **given, back=back)
    return reports.job(job, request.auth)


@router.post("/{int:job_id}/cancel", response={200: JobReport, REFUSALS: Refusal})
@takes(Right.OPERATE)
def cancel(request: ApiRequest, job_id: int, order: CancelOrder | None = None) -> JobReport:
    """Start nothing more, and end what can be ended."""
    job, wanted = job_to_operate(request, job_id), order or CancelOrder()
    job = orders.cancel(job, by=request.auth, **wanted.model_dump())
    return reports.job(job, request.auth)


@router.post("/{int:job_id}/pause", response={200: JobReport, REFUSALS: Refusal})
@takes(Right.OPERATE)
def pause(request: ApiRequest, job_id: int, order: PauseOrder | None = None) -> JobReport:
    """Start nothing more until it is resumed."""
    job, wanted = job_to_operate(request, job_id), order or PauseOrder()
    job = orders.pause(job, by=request.auth, after=Pause(wanted.after), note=wanted.note)
    return reports.job(job, request.auth)


@router.post("/{int:job_id}/resume", response={200: JobReport, REFUSALS: Refusal})
@takes(Right.OPERATE)
def resume(request: ApiRequest, job_id: int, order: Order | None = None) -> JobReport:
    """Take a pause back."""
    job, wanted = job_to_operate(request, job_id), order or Order()
    return reports.job(orders.resume(job, by=request.auth, note=wanted.note), request.auth)


@router.post("/{int:job_id}/promote", response={200: JobReport, REFUSALS: Refusal})
@takes(Right.OPERATE)
def promote(request: ApiRequest, job_id: int, order: PromoteOrder | None = None) -> JobReport:
    """Open the gate after a batch that is done: soak no longer, wait no longer."""
    job, wanted = job_to_operate(request, job_id), order or PromoteOrder()
    job = orders.promote(job, by=request.auth, **wanted.model_dump())
    return reports.job(job, request.auth)


@router.post("/{int:job_id}/switch", response={200: JobReport, REFUSALS: Refusal})
@takes(Right.OPERATE)
def switch(request: ApiRequest, job_id: int, order: SwitchOrder | None = None) -> JobReport:
    """Let hosts that are staged go down, batch after batch, now or not before a time."""
    job, wanted = job_to_operate(request, job_id), order or SwitchOrder()
    job = orders.switch(job, by=request.auth, **wanted.model_dump())
    return reports.job(job, request.auth)


@router.post("/{int:job_id}/check", response={200: JobReport, REFUSALS: Refusal})
@takes(Right.OPERATE)
def check_again(request: ApiRequest, job_id: int, order: Order | None = None) -> JobReport:
    """Look at the hosts again, before the first batch of a job that waits for that."""
    job, wanted = job_to_operate(request, job_id), order or Order()
    return reports.job(orders.check(job, by=request.auth, note=wanted.note), request.auth)


@router.post("/{int:job_id}/skip", response={200: JobReport, REFUSALS: Refusal})
@takes(Right.OPERATE)
def skip(request: ApiRequest, job_id: int, order: SkipOrder) -> JobReport:
    """Leave out hosts that have not gone down."""
    job = job_to_operate(request, job_id)
    job = orders.skip(job, by=request.auth, **order.model_dump())
    return reports.job(job, request.auth)


@router.post("/{int:job_id}/exclude", response={200: JobReport, REFUSALS: Refusal})
@takes(Right.OPERATE)
def exclude(request: ApiRequest, job_id: int, order: ExcludeOrder) -> JobReport:
    """Set hosts aside that have failed: they count in no budget, and no retry of all takes them."""
    job = job_to_operate(request, job_id)
    job = orders.exclude(job, by=request.auth, **order.model_dump())
    return reports.job(job, request.auth)


@router.post("/{int:job_id}/change", response={200: JobReport, REFUSALS: Refusal})
@takes(Right.OPERATE)
def change(request: ApiRequest, job_id: int, order: ChangeOrder) -> JobReport:
    """Go on with another width, budget, gate or soak; a larger budget ends a halt."""
    job = job_to_operate(request, job_id)
    job = orders.change(job, by=request.auth, **order.model_dump(exclude_unset=True))
    return reports.job(job, request.auth)


@router.post("/{int:job_id}/rollback", response={201: JobReport, 200: JobReport, REFUSALS: Refusal})
@takes(Right.OPERATE)
def rollback(request: ApiRequest, job_id: int, order: Order | None = None) -> Status[JobReport]:
    """Start a job that undoes on every host what this one did; again: 200 and the same job."""
    job, wanted = job_to_operate(request, job_id), order or Order()
    job, created = orders.rollback(job, by=request.auth, note=wanted.note)
    return Status(201 if created else 200, reports.job(job, request.auth))


@router.post("/{int:job_id}/hosts/{name:name}/answer", response={200: JobReport, REFUSALS: Refusal})
@takes(Right.OPERATE)
def answer(request: ApiRequest, job_id: int, name: str, said: Answer) -> JobReport:
    """Say what became of a step: go on with the next one, attempt it again, or give up."""
    job = job_to_operate(request, job_id)
    run = host_run(job, name)
    job = orders.answer(job, by=request.auth, hosts=[run.name], **said.model_dump())
    return reports.job(job, request.auth)


@router.post("/{int:job_id}/answer", response={200: JobReport, REFUSALS: Refusal})
@takes(Right.OPERATE)
def answer_of_several(request: ApiRequest, job_id: int, said: AnswerOfSeveral) -> JobReport:
    """Say the same of a step on several hosts."""
    job = job_to_operate(request, job_id)
    job = orders.answer(job, by=request.auth, **said.model_dump())
    return reports.job(job, request.auth)
