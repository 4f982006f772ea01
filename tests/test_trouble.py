"""What people and programs are told when the server itself cannot do what they ask."""

import sqlite3
from typing import Any

import pytest
from django.db import OperationalError
from django.test import Client

from deploy_tasks import disk
from tests.api import caller, error
from tests.stories import person
from webapp import reports
from webapp.models import Role

pytestmark = pytest.mark.django_db


def full(*args: Any, **kwargs: Any) -> None:
    raise OperationalError("database or disk is full") from sqlite3.OperationalError()


def test_a_program_is_told_in_the_shape_of_all_refusals(monkeypatch: pytest.MonkeyPatch) -> None:
    boss = caller("boss", Role.ADMINISTRATOR)
    monkeypatch.setattr(reports, "jobs", full)
    answer = boss.get("/jobs")
    assert (answer.status_code, error(answer)["code"]) == (503, "database_away")
    assert error(answer)["message"].startswith("The database is away, or its disk is full;")


def test_a_person_gets_a_page_that_says_what_goes_on_without_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    browser = Client(raise_request_exception=False)
    browser.force_login(person("anna", role=Role.ADMINISTRATOR))
    monkeypatch.setattr(disk, "word", full)
    page = browser.get("/")
    assert page.status_code == 500
    assert "Something is wrong inside Patchwave." in page.content.decode()
    assert 'href="/readyz"' in page.content.decode()
    assert "Traceback" not in page.content.decode()
