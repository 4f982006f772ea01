"""In by the log-in page, and out again."""

import pytest
from django.conf import settings
from django.contrib.auth.models import User
from django.test import Client

from tests.views.pages import browser, text

pytestmark = pytest.mark.django_db


def test_a_person_logs_in_and_comes_where_they_wanted_to_go(viewer: User) -> None:
    client = Client()
    form = {"username": "vera", "password": "correct horse", "next": "/hosts/"}
    assert client.post("/login", form)["Location"] == "/hosts/"
    assert client.get("/hosts/").status_code == 200


def test_a_wrong_password_is_said_in_words(viewer: User) -> None:
    answer = Client().post("/login", {"username": "vera", "password": "wrong"})
    assert "Please enter a correct username and password" in text(answer)


def test_guessing_passwords_ends_in_a_page_that_says_so(viewer: User) -> None:
    for _ in range(settings.AXES_FAILURE_LIMIT):
        answer = Client().post("/login", {"username": "vera", "password": "wrong"})
    assert answer.status_code == 429
    assert "Too many wrong passwords." in text(answer)


def test_logging_out_is_a_post(viewer: User) -> None:
    client = browser(viewer)
    assert client.get("/logout").status_code == 405
    assert client.post("/logout").status_code == 302
    assert client.get("/").status_code == 302
