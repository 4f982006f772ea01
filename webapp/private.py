"""What somebody was shown who has logged in is kept by nobody: no proxy, and no browser that the
next person uses."""

from collections.abc import Callable

from django.http import HttpRequest, HttpResponse

KEPT_BY_NOBODY = "private, no-store"


class Private:
    """Middleware; needs the session. What says itself how it may be kept is left alone."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        if "_auth_user_id" in request.session or "Authorization" in request.headers:
            response.headers.setdefault("Cache-Control", KEPT_BY_NOBODY)
        return response
