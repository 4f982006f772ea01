"""Paths that are not there are refused in the same shape as everything else."""

from django.http import Http404

from webapp.access import Open, takes
from webapp.api.auth import ApiRequest
from webapp.api.routing import Router

router = Router()


@router.api_operation(
    ["GET", "POST", "PUT", "PATCH", "DELETE"], "/{path:anything}", include_in_schema=False
)
@takes(Open.LOGGED_IN)
def missing(request: ApiRequest, anything: str) -> None:
    raise Http404
