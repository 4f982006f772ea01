"""Second factors: until a code was given nobody is logged in, whichever door is tried."""

from typing import Any

import pytest
from django.conf import settings as chosen
from django.contrib.auth.models import User
from django.contrib.sessions.models import Session
from django.test import Client
from pytest_django import Settings

from deploy_tasks.models import AuditEntry
from tests.login.conftest import PASSWORD, Visitor, code_of
from tests.stories import person
from webapp import tokens
from webapp.guessing import CODES_FOR
from webapp.identity import factors
from webapp.models import Role

pytestmark = pytest.mark.django_db


def actions() -> list[str]:
    return list(AuditEntry.objects.order_by("number").values_list("action", flat=True))


def test_without_one_a_password_is_enough(vera: User, visitor: Visitor) -> None:
    assert visitor.password(to="/hosts/")["Location"] == "/hosts/"
    assert visitor.is_in


def test_with_one_a_code_is_asked_for_and_leads_to_where_one_came_for(
    secret: str, visitor: Visitor
) -> None:
    before = visitor.client.session.session_key
    assert visitor.password(to="/hosts/")["Location"] == "/login/code"
    assert visitor.code(code_of(secret))["Location"] == "/hosts/"
    assert visitor.client.get("/").status_code == 200
    assert visitor.client.session.session_key != before
    assert AuditEntry.objects.latest("number").details["way"] == "password, one-time code"


def test_a_password_alone_opens_no_door(secret: str, visitor: Visitor) -> None:
    visitor.password()
    assert not visitor.is_in
    pages = ("/", "/account/", "/account/factor", "/account/password", "/audit/")
    for page in pages:
        assert visitor.client.get(page)["Location"].startswith("/login?next="), page
    for page in ("/account/factor/remove", "/account/factor/codes", "/account/tokens/1/revoke"):
        assert visitor.client.post(page)["Location"].startswith("/login?next="), page
    assert visitor.client.get("/api/v1/jobs").status_code == 401
    assert visitor.client.post("/api/v1/jobs", {}, "application/json").status_code == 401
    assert visitor.client.get("/login/factor")["Location"] == "/login"


def test_the_admins_own_log_in_is_no_way_around(secret: str, visitor: Visitor) -> None:
    User.objects.update(is_superuser=True, is_staff=True)
    form = {"username": "vera", "password": PASSWORD, "next": "/admin/"}
    assert visitor.client.post("/admin/login/", form)["Location"].startswith("/login")
    assert not visitor.is_in
    assert visitor.client.get("/admin/", follow=True).redirect_chain[-1][0].startswith("/login?")


async def test_a_password_alone_opens_no_socket(transactional_db: None, settings: Settings) -> None:
    from tests.stories import Story
    from tests.watching import Viewer
    from webapp.rows import ask

    def half_in() -> tuple[int, list[tuple[bytes, bytes]]]:
        story, _vera = Story(), person("vera", role=Role.ADMINISTRATOR)
        elsewhere, here = Visitor(), Visitor()
        elsewhere.password()
        elsewhere.add_factor()
        here.password()
        name = settings.SESSION_COOKIE_NAME
        cookie = f"{name}={here.client.cookies[name].value}"
        headers = [(b"cookie", cookie.encode()), (b"origin", b"http://127.0.0.1:8000")]
        return story.job.pk, [*headers, (b"host", b"127.0.0.1:8000")]

    job, headers = await ask(half_in)
    async with Viewer(job, headers) as watching:
        assert await watching.code() == 4401


def test_no_code_is_good_twice(secret: str, vera: User) -> None:
    code = code_of(secret)
    one, two = Visitor(), Visitor()
    for visitor in (one, two):
        visitor.password()
        visitor.code(code)
    assert one.is_in
    assert not two.is_in


def test_the_code_that_added_it_is_not_good_again(vera: User) -> None:
    here, there = Visitor(), Visitor()
    here.password()
    secret = here.add_factor(later=0)
    there.password()
    there.code(code_of(secret))
    assert not there.is_in
    there.code(code_of(secret, later=1))
    assert there.is_in


@pytest.mark.parametrize("later", [-3, 3])
def test_a_code_of_another_time_is_not_good(secret: str, visitor: Visitor, later: int) -> None:
    visitor.password()
    assert visitor.code(code_of(secret, later=later)).status_code == 200
    assert not visitor.is_in


@pytest.mark.parametrize("code", ["", "000000", "abcdef", "١٢٣٤٥٦", "1" * 5000])
def test_what_is_no_code_is_not_good(secret: str, visitor: Visitor, code: str) -> None:
    visitor.password()
    assert visitor.code(code).status_code == 200
    assert not visitor.is_in


def test_a_code_with_a_nul_is_not_even_looked_at(secret: str, visitor: Visitor) -> None:
    visitor.password()
    assert visitor.code("\0").status_code == 400
    assert not visitor.is_in


def test_who_guesses_codes_is_slowed_even_with_the_right_one(secret: str, visitor: Visitor) -> None:
    visitor.password()
    answers = [visitor.code("000000").status_code for _ in range(8)]
    assert answers == [200] * 5 + [429] * 3
    assert visitor.code(code_of(secret)).status_code == 429
    assert actions()[-6:] == ["log_in_failed"] * 5 + ["lock_out"]
    CODES_FOR.forget()
    visitor.code(code_of(secret))
    assert visitor.is_in


def test_wrong_passwords_still_lock(secret: str, visitor: Visitor) -> None:
    for _ in range(chosen.AXES_FAILURE_LIMIT):
        visitor.password(password="wrong")
    assert visitor.password().status_code == 429


def test_each_recovery_code_lets_in_once(secret: str, vera: User) -> None:
    codes = factors.recovery_codes(vera)
    assert len(set(codes)) == 10
    one, two = Visitor(), Visitor()
    for visitor in (one, two):
        visitor.password()
        visitor.code(f" {codes[3][:5]}-{codes[3][5:]} ")
    assert one.is_in
    assert not two.is_in
    assert factors.recovery_codes(vera) == [*codes[:3], *codes[4:]]
    ways = AuditEntry.objects.filter(action="log_in").latest("number").details["way"]
    assert ways == "password, recovery code"


def test_recovery_codes_are_shown_once_and_renewed_by_a_code(vera: User, visitor: Visitor) -> None:
    visitor.password()
    secret = visitor.add_factor()
    shown = visitor.client.get("/account/factor/codes").content.decode()
    old = factors.recovery_codes(vera)
    assert all(code in shown for code in old)
    assert visitor.client.get("/account/factor/codes")["Location"] == "/account/factor"
    visitor.client.post("/account/factor/codes", {"code": "000000"})
    assert factors.recovery_codes(vera) == old
    visitor.client.post("/account/factor/codes", {"code": code_of(secret)})
    assert not set(old) & set(factors.recovery_codes(vera))
    assert actions() == ["log_in", "add_factor", "log_in_failed", "renew_recovery_codes"]


def test_no_secret_can_be_read_from_the_database(secret: str, vera: User) -> None:
    from allauth.mfa.models import Authenticator

    rows = str(list(Authenticator.objects.values_list("data", flat=True)))
    assert secret not in rows
    for session in Session.objects.all():
        assert secret not in str(session.get_decoded())


def test_to_add_one_takes_the_password(vera: User, visitor: Visitor) -> None:
    visitor.password()
    secret = visitor.client.get("/account/factor").context["secret"]
    form = {"password": "wrong", "code": code_of(secret)}
    assert visitor.client.post("/account/factor", form).status_code == 200
    assert not factors.has(vera)


def test_to_add_one_ends_every_other_session(vera: User, visitor: Visitor) -> None:
    other = Visitor()
    for one in (other, visitor):
        one.password()
    visitor.add_factor()
    assert visitor.client.get("/").status_code == 200
    assert other.client.get("/").status_code == 302


def test_to_remove_it_takes_a_code_and_logs_out_everywhere(secret: str, vera: User) -> None:
    here, there = Visitor(), Visitor()
    here.password()
    here.code(code_of(secret))
    there.password()
    there.code(code_of(secret, later=1))
    here.client.post("/account/factor/remove", {"code": "000000"})
    assert factors.has(vera)
    here.client.post("/account/factor/remove", {"code": factors.recovery_codes(vera)[0]})
    assert not factors.has(vera)
    assert not factors.recovery_codes(vera)
    assert "remove_factor" in actions()
    for visitor in (here, there):
        assert visitor.client.get("/").status_code == 302


def test_an_administrator_takes_away_anothers(secret: str, vera: User) -> None:
    anna = person("anna", role=Role.ADMINISTRATOR)
    boss = Client()
    boss.force_login(anna, backend=chosen.PASSWORDS)
    there = Visitor()
    there.password()
    there.code(code_of(secret))
    form = {"action": "reset_factor", "_selected_action": [vera.pk]}
    assert boss.post("/admin/auth/user/", form).status_code == 302
    assert not factors.has(vera)
    assert there.client.get("/").status_code == 302
    entry = AuditEntry.objects.latest("number")
    assert (entry.actor_name, entry.action, entry.object) == ("anna", "reset_factor", "vera")


def test_a_secret_that_was_shown_to_one_is_not_given_to_the_next_at_the_same_browser(
    settings: Settings, vera: User, visitor: Visitor
) -> None:
    settings.SECOND_FACTOR = "everybody"
    person("anna", role=Role.VIEWER)
    visitor.password("anna")
    shown = visitor.client.get("/login/factor").context["secret"]
    assert visitor.client.get("/login/factor").context["secret"] == shown
    visitor.password("vera")
    assert visitor.client.post("/login/factor", {"code": code_of(shown)}).status_code == 200
    assert visitor.client.get("/login/factor").context["secret"] != shown
    assert not factors.has(vera)


class TestRequired:
    @pytest.fixture(autouse=True)
    def _everybody(self, settings: Settings) -> None:
        settings.SECOND_FACTOR = "everybody"

    def test_who_has_none_adds_one_before_they_are_in(self, vera: User, visitor: Visitor) -> None:
        assert visitor.password(to="/hosts/")["Location"] == "/login/factor"
        for page in ("/", "/account/factor"):
            assert visitor.client.get(page)["Location"].startswith("/login?next="), page
        assert visitor.client.get("/login/code")["Location"] == "/login"
        secret = visitor.client.get("/login/factor").context["secret"]
        assert visitor.client.post("/login/factor", {"code": "000000"}).status_code == 200
        assert not visitor.is_in
        answer = visitor.client.post("/login/factor", {"code": code_of(secret)})
        assert answer["Location"] == "/account/factor/codes"
        assert "shown this once" in visitor.client.get("/account/factor/codes").content.decode()
        assert visitor.client.get("/").status_code == 200
        assert actions() == ["log_in_failed", "add_factor", "log_in"][1:]

    def test_who_is_in_without_one_is_out(
        self, vera: User, visitor: Visitor, settings: Settings
    ) -> None:
        settings.SECOND_FACTOR = "offered"
        visitor.password()
        assert visitor.client.get("/").status_code == 200
        settings.SECOND_FACTOR = "everybody"
        assert visitor.client.get("/")["Location"].startswith("/login")
        assert visitor.client.get("/api/v1/jobs").status_code == 401

    def test_a_session_from_before_is_none(self, vera: User, visitor: Visitor) -> None:
        visitor.client.force_login(vera, backend="django.contrib.auth.backends.ModelBackend")
        assert visitor.client.get("/")["Location"].startswith("/login")

    def test_programs_go_on(self, vera: User) -> None:
        token = tokens.create(vera)
        answer: Any = Client().get("/api/v1/jobs", headers={"Authorization": f"Bearer {token}"})
        assert answer.status_code == 200

    def test_of_maintainers_alone(self, vera: User, settings: Settings) -> None:
        settings.SECOND_FACTOR = "maintainers"
        person("anna", role=Role.MAINTAINER)
        assert Visitor().password("vera")["Location"] == "/"
        assert Visitor().password("anna")["Location"] == "/login/factor"

    def test_who_is_made_a_maintainer_adds_one_next(
        self, vera: User, visitor: Visitor, settings: Settings
    ) -> None:
        settings.SECOND_FACTOR = "maintainers"
        visitor.password()
        assert visitor.client.get("/").status_code == 200
        vera.grants.update(role=Role.MAINTAINER)
        assert visitor.client.get("/")["Location"].startswith("/login")


def test_a_password_that_was_changed_meanwhile_ends_the_way_in(
    secret: str, vera: User, visitor: Visitor
) -> None:
    visitor.password()
    vera.set_password("another horse")
    vera.save()
    visitor.code(code_of(secret))
    assert not visitor.is_in


def test_who_was_made_inactive_meanwhile_is_not_let_in(
    secret: str, vera: User, visitor: Visitor
) -> None:
    visitor.password()
    User.objects.update(is_active=False)
    assert visitor.code(code_of(secret)).status_code in (302, 403)
    assert not visitor.is_in


@pytest.mark.parametrize("page", ["/login/code", "/account/factor", "/account/factor/codes"])
def test_pages_forbid_what_they_do_not_bring(
    page: str, secret: str, vera: User, visitor: Visitor
) -> None:
    visitor.password()
    if page != "/login/code":
        visitor.code(code_of(secret))
    answer = visitor.client.get(page, follow=True)
    assert answer.status_code == 200
    assert "unsafe" not in answer["Content-Security-Policy"]
    assert "no-store" in answer["Cache-Control"]
