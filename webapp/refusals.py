"""What a page answers where an order was refused on its way and nobody said so before: the sentence
that the API would give, with the same status. Nothing was changed."""

from collections.abc import Callable

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from deploy_tasks.errors import OrderRefused


class Refusals:
    """Middleware."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return self.get_response(request)

    def process_exception(self, request: HttpRequest, error: Exception) -> HttpResponse | None:
        if not isinstance(error, OrderRefused):
            return None
        return render(request, "refused.html", {"sentence": error.message}, status=409)
