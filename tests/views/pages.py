"""Pages as a person gets them, and hosts that stand on them."""

import re
from typing import Any

from django.contrib.auth.models import User
from django.db import connection
from django.http import HttpResponse
from django.test import Client
from django.test.utils import CaptureQueriesContext

from deploy_tasks.models import Game, HostRun
from deploy_tasks.states import HostRunState
from tests import factories


def browser(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


def text(answer: Any) -> str:
    """What a person reads: without marks, white space as one space."""
    without = re.sub(r"<script.*?</script>|<[^>]+>", " ", answer.content.decode(), flags=re.DOTALL)
    return re.sub(r"\s+", " ", without)


def order(client: Client, **given: Any) -> HttpResponse:
    form = {"key": "k-1", "game": "squid", "version": "2.0", "which": "all", "rollout": "standard"}
    return client.post("/jobs/new", form | given)  # type: ignore[return-value]


def run(game: Game, name: str, state: HostRunState, **more: Any) -> HostRun:
    return HostRun.objects.create(
        job=factories.job(game),
        host=game.hosts.get(name=name),
        name=name,
        state=state,
        holds_host=False,
        **more,
    )


def queries(client: Client, page: str) -> int:
    client.get(page)
    with CaptureQueriesContext(connection) as captured:
        assert client.get(page).status_code == 200
    return len(captured)
