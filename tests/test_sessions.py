"""How long a log-in lasts."""

from datetime import timedelta

import pytest
from django.conf import settings
from django.contrib.auth.models import User
from django.contrib.sessions.models import Session
from django.test import Client
from django.utils import timezone

from webapp import live

pytestmark = pytest.mark.django_db

NOW = timezone.now()


@pytest.fixture
def client(mira: User, at: list[timedelta]) -> Client:
    client = Client()
    client.post("/login", {"username": "mira", "password": "correct horse"})
    return client


@pytest.fixture
def at(monkeypatch: pytest.MonkeyPatch) -> list[timedelta]:
    """How much later it is; the last counts."""
    later = [timedelta()]
    monkeypatch.setattr(timezone, "now", lambda: NOW + later[-1])
    return later


def is_in(client: Client) -> bool:
    return client.get("/").status_code == 200


def test_it_ends_when_nothing_was_done_for_long(client: Client, at: list[timedelta]) -> None:
    at.append(settings.SESSION_IDLE - timedelta(minutes=1))
    assert is_in(client)
    at.append(at[-1] + settings.SESSION_IDLE - timedelta(minutes=1))
    assert is_in(client)
    at.append(at[-1] + settings.SESSION_IDLE + timedelta(minutes=1))
    assert not is_in(client)


def test_it_ends_at_its_age_whatever_is_done(
    client: Client, at: list[timedelta], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(settings, "SESSION_AGE", 4 * settings.SESSION_IDLE)
    step = settings.SESSION_IDLE / 2
    while at[-1] + step < settings.SESSION_AGE:
        at.append(at[-1] + step)
        assert is_in(client)
    at.append(settings.SESSION_AGE + timedelta(minutes=1))
    assert not is_in(client)


def test_a_page_that_asks_by_itself_keeps_nobody_logged_in(
    client: Client, at: list[timedelta]
) -> None:
    for _ in range(5):
        at.append(at[-1] + settings.SESSION_IDLE / 4)
        client.get("/", headers={live.HEADER: "1"})
        client.get("/api/v1/jobs")
    assert not is_in(client)


def test_its_end_is_not_written_with_every_request(
    client: Client, at: list[timedelta], django_assert_num_queries: object
) -> None:
    ends = set()
    for _ in range(10):
        at.append(at[-1] + timedelta(minutes=1))
        assert is_in(client)
        ends.add(Session.objects.get().expire_date)
    assert len(ends) == 1


def test_logging_in_gives_another_session_and_begins_its_age_anew(
    mira: User, at: list[timedelta]
) -> None:
    client = Client()
    form = {"username": "mira", "password": "correct horse"}
    client.post("/login", form)
    first = Session.objects.get()
    at.append(settings.SESSION_IDLE / 2)
    client.post("/login", form)
    second = Session.objects.get()
    assert second.session_key != first.session_key
    assert second.get_decoded()["began"] != first.get_decoded()["began"]


def test_whoever_logs_in_takes_away_what_has_ended(
    client: Client, mira: User, at: list[timedelta]
) -> None:
    ended = client.session.session_key
    at.append(settings.SESSION_IDLE + timedelta(minutes=1))
    Client().post("/login", {"username": "mira", "password": "correct horse"})
    assert Session.objects.exclude(pk=ended).count() == 1
    assert not Session.objects.filter(pk=ended).exists()
