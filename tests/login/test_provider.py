"""Log-in by a provider: who is let in, as whom, and which ID tokens are not believed."""

import time
from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qs

import pytest
from django.contrib.auth.models import Group, User
from django.test import Client
from pytest_django import Settings

from deploy_tasks.models import AuditEntry
from tests import audits
from tests.login.conftest import Visitor
from tests.login.provider import Provider, new_key

pytestmark = pytest.mark.django_db


@pytest.fixture
def provider(settings: Settings) -> Iterator[Provider]:
    with Provider(client_id=settings.OIDC_CLIENT_ID, secret=settings.OIDC_CLIENT_SECRET) as it:
        settings.OIDC_ISSUER = it.issuer
        yield it


def come(provider: Provider, client: Client, query: str = "") -> Any:
    """By the provider's word; gives the last answer."""
    sent = client.get(f"/login/provider{query}")
    assert sent.status_code == 302, sent.content.decode()
    back = provider.says_yes(sent["Location"])
    return client.get(back.removeprefix("http://127.0.0.1:8000"))


def test_whom_the_provider_knows_is_let_in_as_a_new_user_without_rights(
    provider: Provider, visitor: Visitor
) -> None:
    answer = come(provider, visitor.client)
    assert answer["Location"] == "/"
    assert visitor.client.get("/").status_code == 200
    petra = User.objects.get(username="petra")
    assert not petra.has_usable_password()
    assert not petra.is_superuser
    told = AuditEntry.objects.order_by("number").values_list("action", "details__way")
    assert list(told) == [("add_user", None), ("log_in", "provider")]


def test_the_same_person_is_the_same_user_whatever_their_name_is_by_now(
    provider: Provider,
) -> None:
    come(provider, Client())
    provider.claims = {"preferred_username": "petra-new"}
    assert come(provider, Client()).status_code == 302
    assert User.objects.count() == 1


def test_nobody_becomes_a_local_user_by_having_the_same_name(
    provider: Provider, vera: User, visitor: Visitor
) -> None:
    for name in ("vera", "Vera"):
        provider.claims = {"preferred_username": name, "email": "vera@games.example"}
        assert come(provider, visitor.client).status_code == 403
    assert not visitor.is_in
    assert User.objects.count() == 1


@pytest.mark.parametrize("name", ["", "a b", "x" * 151, "<script>", None])
def test_a_name_that_is_none_here_is_refused(
    provider: Provider, visitor: Visitor, name: str | None
) -> None:
    provider.claims = {"preferred_username": name}
    assert come(provider, visitor.client).status_code == 403
    assert not User.objects.exists()


@pytest.mark.parametrize(
    "wrong",
    [
        {"aud": "somebody-else"},
        {"aud": ["patchwave", "other"], "azp": "other"},
        {"iss": "https://elsewhere.example"},
        {"nonce": "of another browser"},
        {"nonce": None},
        {"exp": int(time.time()) - 3600},
        {"exp": None},
        {"sub": None},
        {"iat": int(time.time()) + 3600},
    ],
    # Not their times: each process of a test run collects for itself.
    ids=lambda wrong: next(iter(wrong)),
)
def test_an_id_token_that_is_not_for_us_and_now_lets_nobody_in(
    provider: Provider, visitor: Visitor, wrong: dict[str, Any]
) -> None:
    provider.claims = wrong
    assert come(provider, visitor.client).status_code == 401
    assert not visitor.is_in
    assert not User.objects.exists()
    assert AuditEntry.objects.get().action == "log_in_failed"


def test_one_that_another_key_has_signed_lets_nobody_in(
    provider: Provider, visitor: Visitor
) -> None:
    provider.key = new_key()
    assert come(provider, visitor.client).status_code == 401
    provider.key_id = "two"
    assert come(provider, visitor.client).status_code == 401
    assert not visitor.is_in


@pytest.mark.filterwarnings("ignore::jwt.warnings.InsecureKeyLengthWarning")
@pytest.mark.parametrize(("algorithm", "key"), [("none", ""), ("HS256", "known to both")])
def test_one_without_a_signature_that_only_the_provider_can_make_lets_nobody_in(
    provider: Provider, visitor: Visitor, algorithm: str, key: str
) -> None:
    provider.algorithm, provider.key = algorithm, key
    assert come(provider, visitor.client).status_code == 401
    assert not visitor.is_in


def test_a_provider_that_calls_itself_otherwise_is_not_spoken_to(
    provider: Provider, visitor: Visitor
) -> None:
    provider.discovered = {"issuer": "https://elsewhere.example"}
    assert visitor.client.get("/login/provider").status_code == 502


def test_a_provider_that_is_away_is_no_error_of_ours(settings: Settings, visitor: Visitor) -> None:
    settings.OIDC_ISSUER = "http://127.0.0.1:1"
    assert visitor.client.get("/login/provider").status_code == 502


def test_nobody_sends_us_to_the_provider_without_end(visitor: Visitor, provider: Provider) -> None:
    answers = [visitor.client.get("/login/provider").status_code for _ in range(52)]
    assert answers == [302] * 50 + [429] * 2


def test_an_answer_that_nobody_asked_for_lets_nobody_in(
    provider: Provider, visitor: Visitor
) -> None:
    sent = Client().get("/login/provider")
    back = provider.says_yes(sent["Location"]).removeprefix("http://127.0.0.1:8000")
    assert visitor.client.get(back).status_code == 401
    assert visitor.client.get("/login/provider/done?error=access_denied").status_code == 401
    assert not visitor.is_in


def test_what_was_answered_once_is_not_answered_again(provider: Provider, visitor: Visitor) -> None:
    sent = visitor.client.get("/login/provider")
    back = provider.says_yes(sent["Location"]).removeprefix("http://127.0.0.1:8000")
    assert visitor.client.get(back).status_code == 302
    visitor.client.post("/logout")
    assert visitor.client.get(back).status_code == 401
    assert not visitor.is_in


@pytest.mark.parametrize("to", ["https://evil.example/", "//evil.example", "javascript:alert(1)"])
def test_nobody_is_sent_on_to_another_site(provider: Provider, visitor: Visitor, to: str) -> None:
    assert come(provider, visitor.client, f"?next={to}")["Location"] == "/"


def test_who_came_for_a_page_gets_there(provider: Provider, visitor: Visitor) -> None:
    assert come(provider, visitor.client, "?next=/hosts/")["Location"] == "/hosts/"


@pytest.mark.parametrize("more", ["&process=connect", "&scope=admin", "&auth_params=prompt=none"])
def test_who_makes_the_link_does_not_choose_what_is_asked(
    provider: Provider, visitor: Visitor, more: str
) -> None:
    sent = visitor.client.get(f"/login/provider?next=/{more}")["Location"]
    assert set(parse_qs(sent)["scope"][0].split()) == {"openid", "profile"}
    assert "prompt" not in sent
    back = provider.says_yes(sent).removeprefix("http://127.0.0.1:8000")
    assert visitor.client.get(back).status_code == 302


def test_mapped_groups_follow_the_claim_and_others_are_left_alone(provider: Provider) -> None:
    def names() -> set[str]:
        return {group.name for group in User.objects.get().groups.all()}

    provider.claims = {"groups": ["fleet-admins", "cooks"]}
    come(provider, Client())
    assert names() == {"administrators"}
    User.objects.get().groups.add(Group.objects.create(name="night"))
    provider.claims = {"groups": ["sre"]}
    come(provider, Client())
    assert names() == {"operators", "night"}
    provider.claims = {"groups": [{"not": "a name"}]}
    come(provider, Client())
    assert names() == {"night"}
    changes = AuditEntry.objects.filter(action="change_user")
    assert [entry.details["after"]["groups"] for entry in changes.order_by("number")] == [
        ["administrators"],
        ["operators"],
        [],
    ]


def test_rights_that_cannot_be_written_down_are_not_given(
    provider: Provider, visitor: Visitor
) -> None:
    provider.claims = {"groups": ["fleet-admins"]}
    with audits.unwritable():
        assert come(provider, visitor.client).status_code == 409
    assert not visitor.is_in
    assert not User.objects.exists()
    assert come(provider, visitor.client).status_code == 302


def test_who_is_not_active_is_not_let_in(provider: Provider, visitor: Visitor) -> None:
    come(provider, Client())
    User.objects.update(is_active=False)
    assert come(provider, visitor.client).status_code == 403
    assert not visitor.is_in


def test_passwords_may_be_for_few(
    settings: Settings, vera: User, visitor: Visitor, provider: Provider
) -> None:
    settings.PASSWORDS_FOR = ["glass"]
    User.objects.create_user("glass", password="correct horse")
    assert visitor.password("vera").status_code == 200
    assert not visitor.is_in
    assert visitor.password("glass").status_code == 302
    assert visitor.is_in


def test_the_way_to_the_provider_is_on_the_page(visitor: Visitor, provider: Provider) -> None:
    page = visitor.client.get("/login?next=/hosts/").content.decode()
    assert 'href="/login/provider?next=/hosts/"' in page
    assert "single sign-on" in page


def test_who_comes_by_the_provider_needs_no_factor_of_ours(
    settings: Settings, provider: Provider, visitor: Visitor
) -> None:
    settings.SECOND_FACTOR = "everybody"
    come(provider, visitor.client)
    assert visitor.client.get("/").status_code == 200


def test_where_there_is_no_provider_any_more_its_sessions_end(
    settings: Settings, provider: Provider, visitor: Visitor
) -> None:
    come(provider, visitor.client)
    settings.OIDC_ISSUER = ""
    assert visitor.client.get("/")["Location"].startswith("/login")
