"""The page of a host: its key, its test, its past."""

from typing import Any

import pytest
from django.contrib.auth.models import User
from django.utils import timezone

from deploy_tasks.models import AuditEntry, Game, HostCheck, HostKey
from deploy_tasks.states import HostRunState
from tests import factories
from tests.stories import person
from tests.views.pages import browser, run, text
from webapp.models import Role

pytestmark = pytest.mark.django_db


def test_a_host_that_failed_is_retried_by_whoever_may(
    squid: Game, viewer: User, operator: User
) -> None:
    failed = run(squid, "eu-1", HostRunState.FAILED)
    order = f'data-order="/api/v1/jobs/{failed.job_id}/retry"'
    assert order in browser(operator).get("/hosts/eu-1/").content.decode()
    assert order not in browser(viewer).get("/hosts/eu-1/").content.decode()


def test_the_past_of_a_host_goes_on_on_the_next_page(squid: Game, viewer: User) -> None:
    runs = [run(squid, "eu-1", HostRunState.SUCCEEDED, version=f"1.{n}") for n in range(35)]
    first = browser(viewer).get("/hosts/eu-1/").content.decode()
    assert f"before={runs[5].job_id}" in first
    older = text(browser(viewer).get(f"/hosts/eu-1/?before={runs[5].job_id}"))
    assert f"#{runs[4].job_id} " in older
    assert f" #{runs[6].job_id} 2" not in older
    assert "On disk 1.34" in older


@pytest.fixture
def offered(squid: Game) -> HostKey:
    host = factories.host(squid, "new-1", pinned=False)
    return HostKey.objects.create(host=host, key="ssh-ed25519 BBBB", fingerprint="SHA256:seen")


def test_an_administrator_approves_a_fingerprint(squid: Game, offered: HostKey) -> None:
    admin = person("ada", game=squid, role=Role.ADMINISTRATOR)
    client = browser(admin)
    assert "SHA256:seen" in text(client.get("/hosts/new-1/"))
    client.post("/hosts/new-1/approve-key", {"fingerprint": "SHA256:seen"})
    offered.refresh_from_db()
    assert offered.approved_by == admin
    assert AuditEntry.objects.filter(action="approve_key", object="new-1").exists()


def test_an_operator_sees_the_fingerprint_and_cannot_approve_it(
    operator: User, offered: HostKey
) -> None:
    client = browser(operator)
    page = client.get("/hosts/new-1/").content.decode()
    assert "SHA256:seen" in page
    assert "approve-key" not in page
    answer = client.post("/hosts/new-1/approve-key", {"fingerprint": "SHA256:seen"})
    assert answer.status_code == 403
    offered.refresh_from_db()
    assert offered.approved_at is None


def test_another_key_than_the_pinned_one_is_approved_only_on_purpose(squid: Game) -> None:
    client = browser(person("ada", game=squid, role=Role.ADMINISTRATOR))
    host = squid.hosts.get(name="eu-1")
    HostKey.objects.create(host=host, key="ssh-ed25519 BBBB", fingerprint="SHA256:other")
    form = {"fingerprint": "SHA256:other"}
    refused = client.post("/hosts/eu-1/approve-key", form, follow=True)
    assert "has another pinned key of this type" in text(refused)
    client.post("/hosts/eu-1/approve-key", form | {"replace": "on"})
    assert list(host.keys.values_list("fingerprint", flat=True)) == ["SHA256:other"]


def test_testing_a_host_asks_a_worker_to_look(
    bells: list[tuple[str, int]],
    squid: Game,
    operator: User,
    django_capture_on_commit_callbacks: Any,
) -> None:
    host, client = squid.hosts.get(name="eu-1"), browser(operator)
    with django_capture_on_commit_callbacks(execute=True):
        page = client.post("/hosts/eu-1/test", follow=True)
    assert "Connection waits for a worker" in text(page)
    assert bells == [("look_at_host", host.pk)]


def test_a_host_says_what_the_last_look_found(squid: Game, viewer: User) -> None:
    host, at = squid.hosts.get(name="eu-1"), timezone.now()
    items = [
        {"part": "reachable", "result": "ok", "says": "SSH answers"},
        {"part": "key", "result": "problem", "says": "none is approved yet"},
        {"part": "login", "result": "skipped", "says": ""},
    ]
    HostCheck.objects.create(host=host, asked_at=at, ended_at=at, items=items)
    told = text(browser(viewer).get("/hosts/eu-1/"))
    assert "Reachable SSH answers Host key none is approved yet Log-in not tried" in told
    assert "none is approved yet" in text(browser(viewer).get("/hosts/"))


def test_a_viewer_may_not_have_a_host_tested(squid: Game, viewer: User) -> None:
    assert browser(viewer).post("/hosts/eu-1/test").status_code == 403
