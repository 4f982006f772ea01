"""S11, S12: a walk over every URL that names a thing, with the things of a game in which whoever
walks has no right: all is answered as for what is not there, and no row changes.

What a URL names is filled in from NAMES; one that names something else fails until it is said here
what that is.
"""

import re
from collections.abc import Iterator
from typing import Any

import pytest
from django.apps import apps
from django.contrib.auth.models import Group, User
from django.test import Client
from django.urls import get_resolver
from django.urls.resolvers import URLPattern, URLResolver

from deploy_tasks.models import HostRun, Machine
from tests.security.test_roles import World, browser, quiet  # noqa: F401 (a fixture)
from tests.stories import person
from webapp import tokens
from webapp.models import ApiToken, Role

pytestmark = pytest.mark.django_db

JSON, FORM = ("{}", "application/json"), ("post=yes", "application/x-www-form-urlencoded")
ASKED = [
    *(("GET", FORM), ("POST", JSON), ("POST", FORM)),
    *((method, JSON) for method in ("PUT", "PATCH", "DELETE")),
]
#: 302: where the admin says that there is no such row, and goes to its first page. 400, 422: what
#: was sent is no good, whatever it is about.
REFUSED = {302, 400, 403, 404, 405, 422}
#: Of nobody's game, or somebody's who is told by the address itself; each has tests of its own.
ELSEWHERE = {
    "audit/export.<slug:form>",
    "first/<uidb64>/<token>",
    "^artifacts/(?P<sha256>[0-9a-f]{64})$",
    # Of the admin as a whole: names of its parts, and a way to rows' own pages that it lacks.
    "admin/r/<path:content_type_id>/<path:object_id>/",
}


def routes(resolver: URLResolver | None = None, before: str = "") -> Iterator[str]:
    for pattern in (resolver or get_resolver()).url_patterns:
        route = f"{before}{pattern.pattern}"
        if isinstance(pattern, URLPattern):
            yield route
        else:
            yield from routes(pattern, route)


def named(route: str) -> list[str]:
    return re.findall(r"<(?:\w+:)?(\w+)>", route)


def names_a_thing(route: str) -> bool:
    """Not where the name is of a part of the site, or of anything at all."""
    return bool(named(route)) and not {"app_label", "url", "anything"} & set(named(route))


NAMING = sorted(set(filter(names_a_thing, routes())) - ELSEWHERE)
CALLS = [route for route in NAMING if route.startswith("api/")]
PAGES = [route for route in NAMING if route not in CALLS]


@pytest.fixture
def theirs() -> World:
    """With one thing of each kind that belongs to no game, too."""
    world = World("paper")
    HostRun.objects.create(job=world.job, host=world.host, name=world.host.name)
    ApiToken.objects.create(user=world.grant.user, digest="d")
    Group.objects.create(name="crew")
    Machine.objects.create(name="box")
    return world


@pytest.fixture
def anna() -> User:
    return person("anna", role=Role.ADMINISTRATOR, game=World("squid").game)


def foreign(route: str, world: World) -> dict[str, Any]:
    """What each name of the route is, of that game."""
    if model := re.match(r"admin/(\w+)/(\w+)/", route):
        return {"object_id": _row(*model.groups(), world), "id": world.grant.user.pk}
    of_pager = "calls/" in route or "pagers/" in route
    thing = f"{world.name}-desk" if of_pager else world.host.name
    return {"job_id": world.job.pk, "name": thing, "token_id": ApiToken.objects.get(digest="d").pk}


def _row(app: str, model: str, world: World) -> Any:
    kind = apps.get_model(app, model)
    if kind is User:
        return world.grant.user.pk
    return getattr(world.row(kind), "pk", None) or kind._default_manager.order_by("pk")[0].pk


def path(route: str, values: dict[str, Any]) -> str:
    found = re.sub(r"<(?:\w+:)?(\w+)>", lambda name: str(values[name[1]]), route)
    return f"/{found}"


def everything() -> dict[str, list[Any]]:
    """Every row; not what is told of each use of a log-in."""
    models = apps.get_models(include_auto_created=True)
    kept = [model for model in models if model._meta.app_label != "sessions"]
    found = {m._meta.label: list(m._default_manager.order_by("pk").values()) for m in kept}
    for row in found["webapp.ApiToken"]:
        del row["last_used_at"]
    return found


def answers(client: Client, route: str, values: dict[str, Any]) -> list[tuple[str, int]]:
    return [
        (method, client.generic(method, path(route, values), body, content_type=kind).status_code)
        for method, (body, kind) in ASKED
    ]


@pytest.mark.parametrize("routes", [PAGES, CALLS], ids=["pages", "calls"])
def test_s12_what_is_anothers_answers_as_what_is_not_there(
    routes: list[str], theirs: World, anna: User
) -> None:
    token = {"Authorization": f"Bearer {tokens.create(anna)}"}
    client = Client(headers=token) if routes is CALLS else browser(anna)
    before = everything()
    for route in routes:
        values = foreign(route, theirs)
        nobodys = {name: 999_999 if name != "name" else "none-1" for name in values}
        found = answers(client, route, values)
        assert {status for _method, status in found} <= REFUSED, (route, found)
        assert found == answers(client, route, nobodys), route
    assert everything() == before
