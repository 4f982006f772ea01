"""Logging in: guesses are slowed, by whom they are and not for everybody; sessions end."""

import pytest
from django.conf import settings
from django.contrib.auth.models import User
from django.test import Client

from tests.stories import person
from webapp.models import Role

pytestmark = pytest.mark.django_db


@pytest.fixture
def vera() -> User:
    return person("vera", role=Role.VIEWER)


def guess(name: str, password: str, address: str) -> int:
    form = {"username": name, "password": password}
    return Client().post("/login", form, REMOTE_ADDR=address).status_code


def test_s18_one_address_is_slowed_whatever_names_it_tries(vera: User) -> None:
    answers = [guess(f"user-{n}", "wrong", "203.0.113.9") for n in range(25)]
    assert answers == [200] * 20 + [429] * 5
    assert guess("vera", "correct horse", "203.0.113.9") == 429
    assert guess("vera", "correct horse", "203.0.113.10") == 302


def test_s18_one_name_is_slowed_wherever_the_guesses_come_from(vera: User) -> None:
    answers = [guess("vera", "wrong", f"203.0.113.{n}") for n in range(40)]
    assert answers == [200] * 30 + [429] * 10


def test_s18_ten_wrong_passwords_lock_nobody_out_elsewhere(vera: User) -> None:
    answers = [guess("vera", "wrong", "203.0.113.9") for _ in range(settings.AXES_FAILURE_LIMIT)]
    assert answers[-1] == 429
    assert guess("vera", "correct horse", "203.0.113.10") == 302


def test_s18_a_name_that_does_not_exist_is_answered_as_one_that_does(vera: User) -> None:
    def answer(name: str) -> str:
        form = {"username": name, "password": "wrong"}
        page = Client().post("/login", form).content.decode()
        return page.replace(name, "NAME").split("<form", 1)[1].split("csrfmiddlewaretoken")[0]

    assert answer("vera") == answer("nobody")


def test_s15_every_change_of_state_takes_the_pages_token(vera: User) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(vera)
    for path in ("/logout", "/jobs/new", "/jobs/new/plan", "/hosts/x/test", "/language"):
        assert client.post(path, {}).status_code == 403
    assert client.get("/logout").status_code == 405


def test_a_password_that_was_changed_ends_every_other_session(vera: User) -> None:
    here, there = Client(), Client()
    for client in (here, there):
        client.force_login(vera)
    vera.set_password("another horse")
    vera.save()
    assert there.get("/").status_code == 302


def test_who_is_no_longer_active_is_out_at_once(vera: User) -> None:
    client = Client()
    client.force_login(vera)
    assert client.get("/").status_code == 200
    User.objects.filter(pk=vera.pk).update(is_active=False)
    assert client.get("/").status_code == 302
