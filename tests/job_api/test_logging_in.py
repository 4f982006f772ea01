"""Who asks: by session or by token."""

from typing import Any

import pytest
from django.http import HttpResponse
from django.test import Client

from deploy_tasks.models import Game, Job
from tests import factories
from tests.api import ROOT, Caller, error
from webapp import tokens

pytestmark = pytest.mark.django_db


class TestLogIn:
    @pytest.fixture
    def session(self, operator: Caller) -> Client:
        client = Client(enforce_csrf_checks=True)
        assert operator.user
        client.force_login(operator.user)
        return client

    @pytest.fixture
    def order(self, squid: Game) -> dict[str, Any]:
        factories.host(squid, "eu-1")
        return {"game": "squid", "version": "2.0", "all": True}

    def test_a_session_may_read(self, session: Client) -> None:
        assert session.get(f"{ROOT}/jobs").status_code == 200

    def test_a_session_without_the_csrf_token_may_change_nothing(
        self, session: Client, order: dict[str, Any]
    ) -> None:
        answer = post(session, order)
        assert (answer.status_code, error(answer)["code"]) == (403, "csrf_missing")
        assert not Job.objects.exists()

    def test_a_session_with_the_csrf_token_may(
        self, session: Client, order: dict[str, Any]
    ) -> None:
        session.get("/jobs/")
        token = next(cookie for name, cookie in session.cookies.items() if "csrf" in name).value
        assert post(session, order, **{"X-CSRFToken": token}).status_code == 201

    def test_a_bad_token_beside_a_good_session_is_refused(self, session: Client) -> None:
        answer = session.get(f"{ROOT}/jobs", headers={"Authorization": "Bearer pw_nonsense"})
        assert answer.status_code == 401

    def test_a_token_needs_no_csrf_token(self, operator: Caller, order: dict[str, Any]) -> None:
        strict = Client(enforce_csrf_checks=True)
        assert operator.user
        bearer = f"Bearer {tokens.create(operator.user)}"
        assert post(strict, order, Authorization=bearer).status_code == 201

    def test_nobody_is_asked_to_log_in(self) -> None:
        answer = Caller(None).get("/jobs")
        assert (answer.status_code, error(answer)["code"]) == (401, "not_logged_in")
        assert answer["WWW-Authenticate"] == "Bearer"


def post(client: Client, order: dict[str, Any], **headers: str) -> HttpResponse:
    return client.post(f"{ROOT}/jobs", order, content_type="application/json", headers=headers)
