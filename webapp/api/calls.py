"""Pagers and the night calls to them. An address is taken and never given back."""

from django.conf import settings
from django.shortcuts import get_object_or_404
from ninja import Status
from pydantic import Field

from deploy_tasks.models import MOMENTS, Pager
from deploy_tasks.names import Name
from webapp.access import Right, takes
from webapp.api.auth import ApiRequest
from webapp.api.bodies import REFUSALS, Body
from webapp.api.inventory import game_to
from webapp.api.routing import Router
from webapp.calls import pagers as kept
from webapp.calls import reports
from webapp.shapes import CallList, PagerList, PagerReport, Refusal

router = Router(tags=["night calls"])

#: Of one answer.
MOST = 200


class PagerBody(Body):
    """``game`` null: of all games. ``mine``: told to nobody else, of what the caller may see.
    ``secret`` signs what a webhook is sent."""

    name: Name
    url: str
    secret: str = ""
    game: str | None = None
    mine: bool = False
    moments: list[str] = Field(default_factory=lambda: [moment.value for moment in MOMENTS])
    language: str = settings.LANGUAGE_CODE


@router.get("/pagers", response={200: PagerList, REFUSALS: Refusal})
@takes(Right.SEE)
def list_pagers(request: ApiRequest) -> PagerList:
    """One's own, and everybody's of the games that one sees."""
    return {"pagers": reports.pagers(request.auth)}


@router.post("/pagers", response={201: PagerReport, REFUSALS: Refusal})
@takes(Right.MAINTAIN)
def add(request: ApiRequest, wanted: PagerBody) -> Status[PagerReport]:
    game = None
    if wanted.game is not None:
        right = Right.SEE if wanted.mine else Right.MAINTAIN
        game = game_to(right, request, wanted.game)
    given = wanted.model_dump() | {"game": game}
    pager = kept.add(kept.Wanted(**given), by=request.auth)
    return Status(201, reports.pager(pager))


@router.delete("/pagers/{name:name}", response={204: None, REFUSALS: Refusal})
@takes(Right.MAINTAIN)
def remove(request: ApiRequest, name: str) -> Status[None]:
    kept.remove(_pager(request, name), by=request.auth)
    return Status(204, None)


@router.post("/pagers/{name:name}/test", response={202: PagerReport, REFUSALS: Refusal})
@takes(Right.OPERATE)
def test(request: ApiRequest, name: str) -> Status[PagerReport]:
    """Ask a worker to call it. How that went is in ``last`` of its report a moment later."""
    pager = _pager(request, name)
    kept.test(pager, by=request.auth)
    return Status(202, reports.pager(pager))


@router.get("/calls", response={200: CallList, REFUSALS: Refusal})
@takes(Right.SEE)
def list_calls(request: ApiRequest, job: int | None = None) -> CallList:
    found = reports.visible_calls(request.auth)
    if job is not None:
        found = found.filter(job__pk=job)
    return {"calls": [reports.call(one) for one in found[:MOST]]}


def _pager(request: ApiRequest, name: str) -> Pager:
    return get_object_or_404(kept.visible(request.auth), name=name)
