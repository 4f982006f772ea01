"""The door before every page: what a view declares (`access.takes`) is asked here, and a view that
declares nothing is shown to nobody."""

import logging
from collections.abc import Callable
from typing import Any

from django.contrib.auth.views import redirect_to_login
from django.core.exceptions import BadRequest, PermissionDenied
from django.http import HttpRequest, HttpResponse, QueryDict
from django.utils.translation import gettext as _

from webapp.access import Open

logger = logging.getLogger(__name__)

#: Below these names of URLs stand doors of their own: `webapp.admin.site`, `webapp.api.auth`.
GUARDED = {"admin", "api"}

View = Callable[..., HttpResponse]


class Gate:
    """Middleware; needs the user, so it stands behind the one that finds who that is."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return self.get_response(request)

    def process_view(
        self, request: HttpRequest, view: View, args: Any, kwargs: Any
    ) -> HttpResponse | None:
        match = request.resolver_match
        part = match.namespaces[0] if match and match.namespaces else ""
        # The API names the field that is wrong.
        if part != "api" and _has_nul(request.GET):
            raise BadRequest
        if part in GUARDED:
            return None
        if _has_nul(request.POST):
            raise BadRequest
        taken = getattr(view, "takes", None)
        if taken is None:
            logger.error("%s declares no access.takes: nobody gets in", request.path)
            raise PermissionDenied(_("Your role does not allow this."))
        if taken is Open.ANYBODY or request.user.is_authenticated:
            return None
        return redirect_to_login(request.get_full_path())


def _has_nul(given: QueryDict) -> bool:
    """PostgreSQL takes no text with one, not even to compare it."""
    return any("\0" in text for name, values in given.lists() for text in (name, *values))
