"""Where a request comes from, for the audit."""

from collections.abc import Awaitable, Callable
from typing import Any

from asgiref.sync import iscoroutinefunction
from django.http import HttpRequest
from django.utils.decorators import sync_and_async_middleware

from deploy_tasks import audit


@sync_and_async_middleware
def whence(get_response: Callable[[HttpRequest], Any]) -> Callable[[HttpRequest], Any]:
    """What this request does is recorded with the address of its sender."""
    if iscoroutinefunction(get_response):

        async def answer_soon(request: HttpRequest) -> Any:
            with audit.coming_from(request.META.get("REMOTE_ADDR", "")):
                response: Awaitable[Any] = get_response(request)
                return await response

        return answer_soon

    def answer(request: HttpRequest) -> Any:
        with audit.coming_from(request.META.get("REMOTE_ADDR", "")):
            return get_response(request)

    return answer
