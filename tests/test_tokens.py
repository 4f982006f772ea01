import json
from datetime import timedelta
from io import StringIO

import pytest
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from django.utils import timezone

from webapp import tokens
from webapp.models import ApiToken

pytestmark = pytest.mark.django_db


def test_a_token_logs_its_user_in(mira: User) -> None:
    token = tokens.create(mira)
    assert token.startswith("pw_")
    assert tokens.authenticate(f"Bearer {token}") == mira
    assert tokens.authenticate(f"bearer  {token} ") == mira


def test_the_token_itself_is_not_stored(mira: User) -> None:
    token = tokens.create(mira)
    assert token.removeprefix("pw_") not in str(ApiToken.objects.values_list())


@pytest.mark.parametrize("header", ["", "Bearer", "Bearer ", "Bearer pw_", "Bearer pw_nonsense"])
def test_a_token_that_we_did_not_give_is_refused(mira: User, header: str) -> None:
    tokens.create(mira)
    assert tokens.authenticate(header) is None


def test_a_token_counts_only_as_a_bearers(mira: User) -> None:
    token = tokens.create(mira)
    assert tokens.authenticate(token) is None
    assert tokens.authenticate(f"Basic {token}") is None


def test_the_stored_digest_is_no_token(mira: User) -> None:
    tokens.create(mira)
    assert tokens.authenticate(f"Bearer {ApiToken.objects.get().digest}") is None
    assert tokens.authenticate(f"Bearer pw_{ApiToken.objects.get().digest}") is None


def test_a_token_of_a_user_who_was_switched_off_is_refused(mira: User) -> None:
    token = tokens.create(mira)
    mira.is_active = False
    mira.save()
    assert tokens.authenticate(f"Bearer {token}") is None


def test_its_last_use_is_written_at_most_once_a_minute(mira: User) -> None:
    header = f"Bearer {tokens.create(mira)}"
    tokens.authenticate(header)
    first = ApiToken.objects.get().last_used_at
    assert first is not None

    tokens.authenticate(header)
    assert ApiToken.objects.get().last_used_at == first

    ApiToken.objects.update(last_used_at=timezone.now() - timedelta(seconds=61))
    tokens.authenticate(header)
    assert ApiToken.objects.get().last_used_at > first - timedelta(seconds=1)


def test_the_command_makes_an_administrator_where_there_is_nobody_by_that_name() -> None:
    token = run("anna")
    anna = User.objects.get(username="anna")
    assert anna.is_superuser
    assert anna.is_staff
    assert not anna.has_usable_password()
    assert tokens.authenticate(f"Bearer {token}") == anna


def test_the_command_leaves_a_known_user_as_he_is(mira: User) -> None:
    token = run("mira")
    assert tokens.authenticate(f"Bearer {token}") == mira
    assert not User.objects.get().is_superuser


def test_each_token_stays_good_beside_the_next(mira: User) -> None:
    first, second = run("mira"), run("mira")
    assert tokens.authenticate(f"Bearer {first}") == mira
    assert tokens.authenticate(f"Bearer {second}") == mira


def test_the_command_speaks_json() -> None:
    answer = json.loads(run("anna", "--json"))
    assert set(answer) == {"token"}
    assert tokens.authenticate(f"Bearer {answer['token']}")


@pytest.mark.parametrize("name", ["", "a b", "x" * 200])
def test_the_command_refuses_a_name_that_is_none(name: str) -> None:
    with pytest.raises(CommandError):
        run(name)
    assert not User.objects.exists()


def test_the_command_gives_no_token_to_a_user_who_was_switched_off(mira: User) -> None:
    mira.is_active = False
    mira.save()
    with pytest.raises(CommandError, match="not active"):
        run("mira")


def run(*arguments: str) -> str:
    out = StringIO()
    call_command("token", *arguments, stdout=out)
    return out.getvalue().strip()


@pytest.mark.parametrize("days", [0, 10**10])
def test_a_token_is_good_for_no_more_days_than_a_calendar_has(days: int) -> None:
    with pytest.raises(CommandError, match="--days"):
        call_command("token", "ci", f"--days={days}", stdout=StringIO())
    assert not User.objects.exists()
