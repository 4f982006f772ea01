"""Every way in declares what it takes, and each way in that exists is tried in this folder."""

from collections.abc import Iterator
from typing import Any

import pytest
from channels.routing import URLRouter
from django.contrib.auth.models import User
from django.core.exceptions import ImproperlyConfigured, PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.test import RequestFactory
from django.urls import get_resolver
from django.urls.resolvers import URLPattern, URLResolver
from ninja.constants import NOT_SET
from ninja.operation import Operation, PathView

from webapp import access, admin
from webapp.access import Open, Right
from webapp.api import api
from webapp.api.routing import Router
from webapp.gate import GUARDED, Gate
from webapp.routing import websockets


def pages(resolver: URLResolver | None = None, below: str = "/") -> Iterator[tuple[str, Any]]:
    """Every URL and its view, but for those behind doors of their own."""
    for pattern in (resolver or get_resolver()).url_patterns:
        route = f"{below}{pattern.pattern}"
        if isinstance(pattern, URLPattern):
            yield route, pattern.callback
        elif pattern.namespace not in GUARDED:
            yield from pages(pattern, route)


def operations() -> Iterator[tuple[str, Operation]]:
    for prefix, router in api._routers:
        for route, view in router.path_operations.items():
            assert isinstance(view, PathView)
            for operation in view.operations:
                yield f"{'/'.join(operation.methods)} {prefix}{route}", operation


def sockets(router: URLRouter) -> Iterator[tuple[str, Any]]:
    for route in router.routes:
        yield str(route.pattern), route.callback.consumer_class


@pytest.mark.parametrize(("route", "view"), [*pages()])
def test_s11_every_page_declares_what_it_takes(route: str, view: Any) -> None:
    declared = getattr(view, "takes", None)
    assert isinstance(declared, Right | Open), f"{route}: put @access.takes(...) on its view"


@pytest.mark.parametrize(("call", "operation"), [*operations()])
def test_s11_every_call_of_the_api_declares_what_it_takes(call: str, operation: Operation) -> None:
    assert isinstance(operation.view_func.takes, Right | Open)  # type: ignore[attr-defined]
    assert operation.auth_param is NOT_SET, f"{call} asks for a log-in of its own"
    assert api.auth


@pytest.mark.parametrize(("route", "consumer"), [*sockets(websockets.application)])
def test_s11_every_socket_declares_what_it_takes(route: str, consumer: Any) -> None:
    assert isinstance(consumer.takes, Right | Open)


@pytest.mark.parametrize("model", [*admin.site._registry])
def test_s11_every_screen_of_the_admin_has_a_rule(model: Any) -> None:
    assert model in access.RULES, "say in access.RULES who may change it"


def undeclared(request: HttpRequest) -> HttpResponse:
    return HttpResponse("shown")


def test_s14_a_page_that_declares_nothing_is_shown_to_nobody() -> None:
    request = RequestFactory().get("/undeclared")
    request.user = User(username="boss", is_superuser=True)
    with pytest.raises(PermissionDenied):
        Gate(undeclared).process_view(request, undeclared, (), {})


def test_s14_a_call_that_declares_nothing_cannot_be_added() -> None:
    router = Router()
    with pytest.raises(ImproperlyConfigured, match="declares no"):

        @router.get("/x")
        def call(request: HttpRequest) -> None: ...
