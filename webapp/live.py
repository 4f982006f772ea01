"""Pages that stay up to date: an open page asks again, every few seconds, for what it shows.

The answer is its main part alone, made once for everybody who may see the same and asks at about
the same time; "not modified" where it is what the page has already. The script is ``live.js``.
"""

import hashlib
from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar, cast

from django import shortcuts
from django.http import HttpRequest, HttpResponse
from django.utils.cache import get_conditional_response
from django.utils.translation import get_language

from webapp import access
from webapp.recent import Recent

#: The header by which a page asks again, and what it says after an order that was given there: an
#: answer that is older would seem to take it back.
HEADER, NOW = "Patchwave-Live", "now"

View = TypeVar("View", bound=Callable[..., HttpResponse])


def live(view: View) -> View:
    """For a view that ends in `render`, and whose page is told by its address and the reader's
    rights and language alone."""

    @wraps(view)
    def answered(request: HttpRequest, **place: Any) -> HttpResponse:
        if HEADER not in request.headers:
            return view(request, **place)
        about = (request.get_full_path(), get_language(), access.audience(request.user))
        anew = request.headers[HEADER] == NOW
        body = _answers.get(about, lambda: view(request, **place).content, anew=anew)
        etag = f'"{hashlib.sha256(body).hexdigest()[:32]}"'
        answer = HttpResponse(body, headers={"ETag": etag, "Cache-Control": "private, no-cache"})
        return get_conditional_response(request, etag=etag, response=answer) or answer

    return cast(View, answered)


def render(request: HttpRequest, template: str, context: dict[str, Any]) -> HttpResponse:
    """The page; its main part where it asks again. The template extends ``layout``."""
    if HEADER in request.headers:
        # The token of whoever came first is nobody else's: the page puts in its own.
        context = context | {"layout": "live.html", "csrf_token": "NOTPROVIDED"}
    return shortcuts.render(request, template, context)


_answers: Recent[bytes] = Recent()
