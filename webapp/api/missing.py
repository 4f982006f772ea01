"""Paths that are not there are refused in the same shape as everything else."""

from django.http import Http404
from ninja import Router

from webapp.api.auth import ApiRequest

router = Router()


@router.api_operation(
    ["GET", "POST", "PUT", "PATCH", "DELETE"], "/{path:anything}", include_in_schema=False
)
def missing(request: ApiRequest, anything: str) -> None:
    raise Http404
