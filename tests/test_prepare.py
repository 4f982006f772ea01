"""What a home needs before the programs can start."""

import re
from io import StringIO

import pytest
from django.conf import settings
from django.contrib.auth import authenticate
from django.contrib.auth.models import User
from django.core.management import call_command
from django.test import RequestFactory

pytestmark = pytest.mark.django_db


def prepare(**options: bool) -> str:
    out = StringIO()
    call_command("prepare", stdout=out, **options)
    return out.getvalue().strip()


def test_the_first_time_makes_an_administrator_whose_password_works() -> None:
    told = re.search(r"Log in as (\S+) with the password (\S+) ", prepare())
    assert told is not None
    request = RequestFactory().post("/")
    user = authenticate(request, username=told[1], password=told[2])
    assert isinstance(user, User)
    assert user.is_superuser


def test_no_later_time_tells_or_changes_the_password() -> None:
    prepare()
    password = User.objects.get().password
    assert "with the password" not in prepare()
    assert User.objects.get().password == password


def test_the_password_is_another_one_on_each_instance() -> None:
    first = prepare()
    User.objects.all().delete()
    assert prepare() != first


def test_people_without_an_administrator_are_told_how_to_get_one() -> None:
    User.objects.create_user("vera")
    assert prepare().endswith("createsuperuser")
    assert User.objects.count() == 1


def test_the_pages_find_their_static_files() -> None:
    prepare()
    assert (settings.STATIC_ROOT / "admin" / "css" / "base.css").exists()


def test_a_program_that_fills_the_instance_first_leaves_the_log_in_to_the_start() -> None:
    assert prepare(state_only=True) == ""
    assert not User.objects.exists()
    assert list((settings.HOME / "keys" / "seal").glob("*.pub"))
