"""Tokens: hashed, scoped, ending, and slow to guess (S18, S19)."""

import json
import re
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone

from deploy_tasks.models import AuditEntry, Game, Pager
from tests import factories
from tests.api import ROOT, error
from tests.stories import person
from webapp import access, doorman, tokens
from webapp.access import LEFT_BY, Right
from webapp.guessing import TOKENS_FROM
from webapp.models import ApiToken, Role, Scope
from webapp.protocol import Close

pytestmark = pytest.mark.django_db


@pytest.fixture
def anna(squid: Game) -> User:
    return person("anna", role=Role.ADMINISTRATOR)


def ask(token: str, method: str, path: str, **more: Any) -> Any:
    headers = {"Authorization": f"Bearer {token}"}
    return Client().generic(
        method, ROOT + path, headers=headers, content_type="application/json", **more
    )


def acting(user: User, **limits: Any) -> User:
    found = tokens.authenticate(f"Bearer {tokens.create(user, **limits)}")
    assert found
    return found


@pytest.mark.parametrize("scope", Scope)
@pytest.mark.parametrize("superuser", [False, True])
def test_a_token_leaves_no_more_than_its_scope(
    anna: User, squid: Game, scope: Scope, superuser: bool
) -> None:
    anna.is_superuser = superuser
    anna.save()
    program = acting(anna, scope=scope)
    for right in Right:
        allowed = right <= LEFT_BY[scope]
        assert access.may(program, right, squid) == allowed
        assert access.may(program, right, None) == allowed
        assert access.games(program, right).exists() == allowed
    assert access.may(anna, Right.ADMINISTER, None)


@pytest.mark.parametrize("superuser", [False, True])
def test_a_token_of_one_game_is_good_there_alone(anna: User, squid: Game, superuser: bool) -> None:
    anna.is_superuser = superuser
    anna.save()
    paper = factories.game("paper")
    program = acting(anna, game=squid)
    assert access.may(program, Right.ADMINISTER, squid)
    assert not access.may(program, Right.SEE, paper)
    assert not access.may(program, Right.SEE, None)
    assert list(access.visible_games(program)) == [squid]
    job = factories.job(paper)
    login = doorman.Login(bearer=f"Bearer {tokens.create(anna, game=squid)}")
    assert doorman.admit(login, job.pk, "en") is Close.NO_SUCH_JOB


def test_a_scope_gives_no_right_that_its_user_lacks(squid: Game) -> None:
    vera = person("vera", role=Role.VIEWER)
    assert not access.may(acting(vera, scope=Scope.ADMINISTER), Right.OPERATE, squid)


def test_a_token_that_reads_orders_nothing_over_the_api(anna: User, squid: Game) -> None:
    job = factories.job(squid, hosts=1)
    token = tokens.create(anna, scope=Scope.READ)
    assert ask(token, "get", f"/jobs/{job.pk}").json()["can"] == []
    for path in (f"/jobs/{job.pk}/cancel", f"/hosts/{job.host_runs.get().name}/test"):
        answer = ask(token, "post", path)
        assert (answer.status_code, error(answer)["code"]) == (403, "not_allowed")
    mine = {"name": "mine", "url": "https://x.example/", "secret": "s" * 16, "mine": True}
    assert ask(token, "post", "/pagers", data=json.dumps(mine)).status_code == 403
    assert not Pager.objects.exists()


def test_a_token_ends_when_its_time_is_over(anna: User) -> None:
    token = tokens.create(anna, expires_at=timezone.now() + timedelta(hours=1))
    header = f"Bearer {token}"
    assert tokens.authenticate(header) == anna
    assert tokens.good([header]) == {header}
    ApiToken.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
    assert tokens.authenticate(header) is None
    assert tokens.good([header]) == set()


def test_s19_tokens_are_kept_as_hashes(anna: User) -> None:
    token = tokens.create(anna, name="ci")
    kept = str(ApiToken.objects.values_list())
    assert token not in kept
    assert token.removeprefix(tokens.PREFIX) not in kept


def test_s18_wrong_tokens_slow_down_where_they_come_from(anna: User) -> None:
    good = tokens.create(anna)
    answers = [ask(f"pw_wrong{n}", "get", "/jobs", REMOTE_ADDR="203.0.113.9") for n in range(25)]
    statuses = [answer.status_code for answer in answers]
    assert statuses[:20] == [401] * 20
    assert statuses[-1] == 429
    assert error(answers[-1])["code"] == "slow_down"
    assert ask(good, "get", "/jobs", REMOTE_ADDR="203.0.113.10").status_code == 200
    login = doorman.Login(bearer=f"Bearer {good}", address="203.0.113.9")
    assert doorman.admit(login, 1, "en") is Close.TOO_MANY


def test_s18_whoever_shows_no_token_guesses_nothing(anna: User) -> None:
    for _ in range(50):
        assert Client().get(f"{ROOT}/jobs").status_code == 401
    assert not TOKENS_FROM.too_many("127.0.0.1")


class TestPage:
    @pytest.fixture
    def client(self, anna: User) -> Client:
        client = Client()
        client.force_login(anna)
        return client

    def test_a_person_makes_a_token_and_sees_it_once(
        self, client: Client, anna: User, squid: Game
    ) -> None:
        form = {"name": "ci", "scope": "operate", "game": "squid", "days": "30"}
        answer = client.post("/account/", form)
        (token,) = re.findall(r"pw_[\w-]{43}", answer.content.decode())
        assert "no-store" in answer["Cache-Control"]
        assert tokens.authenticate(f"Bearer {token}") == anna
        made = ApiToken.objects.get()
        assert (made.name, made.scope, made.game) == ("ci", "operate", squid)
        assert made.expires_at
        assert timedelta(days=29) < made.expires_at - timezone.now() < timedelta(days=31)
        assert token not in client.get("/account/").content.decode()
        entry = AuditEntry.objects.get(action="add_token")
        assert (entry.actor_name, entry.details["scope"]) == ("anna", "operate")
        assert token not in str(entry.details)

    def test_only_a_game_that_one_sees_can_be_chosen(self, client: Client, anna: User) -> None:
        factories.game("paper")
        anna.grants.all().delete()
        answer = client.post("/account/", {"name": "x", "scope": "read", "game": "paper"})
        assert b"paper" not in answer.content.split(b"<main", 1)[1].replace(b'value="paper"', b"")
        assert not ApiToken.objects.exists()

    def test_one_revokes_ones_own(self, client: Client, anna: User) -> None:
        tokens.create(anna, name="ci")
        client.post(f"/account/tokens/{ApiToken.objects.get().pk}/revoke")
        assert not ApiToken.objects.exists()
        assert AuditEntry.objects.get().action == "remove_token"

    def test_s12_another_persons_token_is_not_there(self, client: Client) -> None:
        tokens.create(factories.user("vera"), name="hers")
        theirs = ApiToken.objects.get()
        assert client.post(f"/account/tokens/{theirs.pk}/revoke").status_code == 404
        assert b"hers" not in client.get("/account/").content
        assert ApiToken.objects.exists()

    def test_another_password_ends_the_other_log_ins(self, client: Client, anna: User) -> None:
        elsewhere = Client()
        elsewhere.force_login(anna)
        given = {"old_password": "correct horse"}
        for wrong in ({"old_password": "no"}, {}):
            new = {"new_password1": "battery staple", "new_password2": "battery staple"}
            answer = client.post("/account/password", given | new | wrong)
        assert answer.status_code == 302
        assert client.get("/").status_code == 200
        assert elsewhere.get("/").status_code == 302
        assert AuditEntry.objects.get().action == "change_password"
