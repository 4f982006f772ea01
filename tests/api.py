"""A caller of the API in tests: logs in by token, sends and reads JSON."""

import json
from typing import Any

from django.contrib.auth.models import User
from django.http import HttpResponse
from django.test import Client

from deploy_tasks.models import Game
from tests import factories
from webapp import tokens
from webapp.models import Grant, Role

ROOT = "/api/v1"


class Caller:
    """``user`` is who calls; None: nobody."""

    def __init__(self, user: User | None) -> None:
        self.user = user
        self.client = Client()
        if user:
            self.client.defaults["HTTP_AUTHORIZATION"] = f"Bearer {tokens.create(user)}"

    def get(self, path: str, **query: Any) -> HttpResponse:
        return self.client.get(ROOT + path, query)

    def post(self, path: str, body: Any = None, **headers: str) -> HttpResponse:
        return self.send("post", path, body, **headers)

    def send(self, method: str, path: str, body: Any = None, **headers: str) -> HttpResponse:
        return self.client.generic(
            method.upper(),
            ROOT + path,
            "" if body is None else json.dumps(body),
            content_type="application/json",
            headers=headers,
        )


def caller(name: str, role: Role | None = None, game: Game | None = None) -> Caller:
    """Somebody with this role in this game, or in all games."""
    user = factories.user(name)
    if role:
        Grant.objects.create(user=user, role=role, game=game)
    return Caller(user)


def error(answer: HttpResponse) -> dict[str, Any]:
    return answer.json()["error"]  # type: ignore[no-any-return]
