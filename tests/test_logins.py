"""Who got in, who went out and who tried in vain is in the audit, which is in nobody's way."""

import pytest
from django.conf import settings
from django.contrib.auth.models import User
from django.test import Client

from deploy_tasks.models import AuditEntry, LateAudit
from tests import audits
from tests.stories import person
from webapp import logins
from webapp.guessing import STRANGERS
from webapp.models import Role

pytestmark = pytest.mark.django_db

ADDRESS = "203.0.113.9"


@pytest.fixture
def vera() -> User:
    return person("vera", role=Role.VIEWER)


def log_in(client: Client, name: str = "vera", password: str = "correct horse") -> int:
    form = {"username": name, "password": password}
    return client.post("/login", form, REMOTE_ADDR=ADDRESS).status_code


def told() -> list[tuple[str, str]]:
    return list(AuditEntry.objects.order_by("number").values_list("actor_name", "action"))


def test_who_logs_in_and_out_is_written_down_with_the_address(vera: User, client: Client) -> None:
    assert log_in(client) == 302
    assert client.post("/logout", REMOTE_ADDR=ADDRESS).status_code == 302
    assert told() == [("vera", "log_in"), ("vera", "log_out")]
    assert set(AuditEntry.objects.values_list("address", "actor")) == {(ADDRESS, vera.pk)}


def test_who_leaves_by_way_of_the_admin_is_written_down_as_well(client: Client) -> None:
    client.force_login(person("anna", role=Role.ADMINISTRATOR))
    client.post("/admin/logout/")
    assert told() == [("anna", "log_out")]
    assert client.get("/").status_code == 302


def test_whoever_is_not_logged_in_does_not_log_out(client: Client) -> None:
    client.post("/logout")
    assert told() == []


def test_a_failure_is_written_down_by_its_name_and_proves_no_user(
    vera: User, client: Client
) -> None:
    log_in(client, password="wrong")
    entry = AuditEntry.objects.get()
    assert (entry.actor_name, entry.action, entry.actor) == ("vera", "log_in_failed", None)
    assert entry.address == ADDRESS


def test_what_nobody_is_called_may_be_a_password_and_is_not_kept(client: Client) -> None:
    log_in(client, name="hunter2", password="hunter2")
    assert told() == [(logins.NOBODY, "log_in_failed")]
    assert "hunter2" not in str(AuditEntry.objects.values())


def test_what_is_locked_is_told_once(vera: User, client: Client) -> None:
    for _ in range(settings.AXES_FAILURE_LIMIT + 5):
        log_in(client, password="wrong")
    failures = settings.AXES_FAILURE_LIMIT - 1
    assert told() == [("vera", "log_in_failed")] * failures + [("vera", "lock_out")]


def test_guessing_does_not_fill_the_audit(vera: User, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(STRANGERS._spent, "_burst", 3)
    for _ in range(10):
        logins.failed("vera")
    assert len(told()) == 3
    STRANGERS._spent.forget()
    logins.failed("vera")
    assert AuditEntry.objects.latest("number").details["left_out"] == 7


def test_people_get_in_and_out_while_the_audit_cannot_be_written(
    vera: User, client: Client
) -> None:
    with audits.unwritable():
        assert log_in(client, password="wrong") == 200
        assert log_in(client) == 302
        assert client.get("/").status_code == 200
        assert client.post("/logout").status_code == 302
    kept = [late.entry["action"] for late in LateAudit.objects.order_by("pk")]
    assert kept == ["log_in_failed", "log_in", "log_out"]


def test_the_page_shows_log_ins_alone_or_all_but_them(client: Client) -> None:
    anna = person("anna", role=Role.ADMINISTRATOR)
    log_in(client, "anna")
    client.post("/account/", {"name": "ci", "scope": "read", "days": "30"})
    assert anna.api_tokens.exists()

    def actions(query: str) -> list[str]:
        return [entry.action for entry in client.get(f"/audit/{query}").context["page"]]

    assert actions("") == ["add_token", "log_in"]
    assert actions("?kind=logins") == ["log_in"]
    assert actions("?kind=rest") == ["add_token"]
