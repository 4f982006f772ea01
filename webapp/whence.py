"""Where a request comes from, for the audit."""

from collections.abc import Callable

from django.http import HttpRequest, HttpResponseBase

from deploy_tasks import audit


def whence(
    get_response: Callable[[HttpRequest], HttpResponseBase],
) -> Callable[[HttpRequest], HttpResponseBase]:
    """What this request does is recorded with the address of its sender."""

    def answer(request: HttpRequest) -> HttpResponseBase:
        with audit.coming_from(request.META.get("REMOTE_ADDR", "")):
            return get_response(request)

    return answer
