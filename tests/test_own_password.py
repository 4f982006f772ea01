"""The link that the first start prints: good once, and for a day."""

from datetime import datetime, timedelta

import pytest
from django.conf import settings
from django.contrib.auth.models import User
from django.contrib.auth.tokens import default_token_generator
from django.test import Client

from deploy_tasks.models import AuditEntry
from tests import audits
from tests.test_prepare import prepare
from webapp.views import own_password

pytestmark = pytest.mark.django_db

CHOSEN = {"new_password1": "a horse of my own", "new_password2": "a horse of my own"}


@pytest.fixture
def admin() -> User:
    return User.objects.create_superuser("admin", password="correct horse")


@pytest.fixture
def path(admin: User) -> str:
    return own_password.link(admin).removeprefix(settings.SITE_ORIGIN)


def choose(path: str) -> int:
    client = Client()
    page = client.get(path)
    return client.post(page["Location"] if page.status_code == 302 else path, CHOSEN).status_code


def log_in(password: str) -> int:
    form = {"username": "admin", "password": password}
    return Client().post("/login", form).status_code


def test_the_first_start_prints_one_that_works() -> None:
    told = prepare().split()[-1]
    assert told.startswith(f"{settings.SITE_ORIGIN}/first/")
    assert choose(told.removeprefix(settings.SITE_ORIGIN)) == 302
    assert log_in("a horse of my own") == 302


def test_the_printed_password_ends_with_it_and_so_does_the_link(path: str) -> None:
    assert choose(path) == 302
    assert log_in("correct horse") == 200
    assert "no longer good" in Client().get(path).content.decode()
    assert AuditEntry.objects.filter(action="change_password", actor_name="admin").count() == 1


def test_it_ends_when_its_user_has_logged_in(path: str) -> None:
    assert log_in("correct horse") == 302
    assert "no longer good" in Client().get(path).content.decode()


def test_it_ends_after_a_day(path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    later = datetime.now() + timedelta(days=1, minutes=1)
    monkeypatch.setattr(default_token_generator, "_now", lambda: later)
    assert "no longer good" in Client().get(path).content.decode()


def test_another_users_link_opens_nothing(path: str) -> None:
    User.objects.create_superuser("second", password="x")
    other = own_password.link(User.objects.get(username="second"))
    forged = path.split("/")[:-1] + other.split("/")[-1:]
    assert "no longer good" in Client().get("/".join(forged)).content.decode()


def test_no_password_is_chosen_that_is_not_written_down(path: str) -> None:
    with audits.unwritable():
        assert choose(path) == 409
    assert log_in("correct horse") == 302


def test_a_password_that_everybody_guesses_is_refused(path: str) -> None:
    client = Client()
    form = {"new_password1": "password", "new_password2": "password"}
    assert client.post(client.get(path)["Location"], form).status_code == 200
    assert log_in("password") == 200
