"""The audit's page and its exports."""

import csv
import io
import json
import re
from typing import Any

import pytest
from asgiref.sync import async_to_sync
from django.contrib.auth.models import User
from django.test import Client

from deploy_tasks import audit
from deploy_tasks.models import AuditEntry
from tests import factories
from tests.stories import person
from tests.views.pages import browser
from webapp.models import Role

pytestmark = pytest.mark.django_db


def body(answer: Any) -> str:
    async def read() -> bytes:
        return b"".join([piece async for piece in answer])

    return async_to_sync(read)().decode()


@pytest.fixture
def auditor() -> Client:
    mira, anna = factories.user("mira"), factories.user("anna")
    audit.record(mira, "start_job", "#1", game=factories.game("paper"), hosts=3)
    with audit.coming_from("192.0.2.7"):
        audit.record(anna, "approve_key", "eu-1", before={"key": "old"}, after={"key": "new"})
    audit.record(None, "import", "=cmd|' /C calc'!A0", note="@now")
    return browser(person("auditor", role=Role.VIEWER))


@pytest.mark.parametrize(
    ("query", "left"),
    [
        ("", ["import", "approve_key", "start_job"]),
        ("who=mir", ["start_job"]),
        ("did=key", ["approve_key"]),
        ("object=EU", ["approve_key"]),
        ("game=paper", ["start_job"]),
        ("since=2999-01-01", []),
        ("since=2020-01-01&who=anna", ["approve_key"]),
        ("since=nonsense&q=anna", ["approve_key"]),
        ("_connector=OR&actor__password__startswith=a", ["import", "approve_key", "start_job"]),
    ],
)
def test_the_audit_is_filtered(auditor: Client, query: str, left: list[str]) -> None:
    page = auditor.get(f"/audit/?{query}").content.decode()
    assert re.findall(r'<td class="nowrap">(\w+)</td>', page) == left
    lines = body(auditor.get(f"/audit/export.jsonl?{query}")).splitlines()
    assert [json.loads(line)["action"] for line in lines] == left[::-1]


def test_the_audit_shows_from_where_and_what_was_there_before(auditor: Client) -> None:
    page = auditor.get("/audit/").content.decode()
    assert "192.0.2.7" in page
    assert "key: <del>old</del> → new" in page


def test_what_is_exported_verifies_and_is_no_formula(auditor: Client) -> None:
    answer = auditor.get("/audit/export.csv")
    assert answer["Content-Disposition"] == 'attachment; filename="audit.csv"'
    rows = list(csv.DictReader(io.StringIO(body(answer))))
    assert rows[2]["object"] == "'=cmd|' /C calc'!A0"
    assert rows[2]["previous"] == rows[1]["hash"]
    assert json.loads(rows[1]["details"])["after"] == {"key": "new"}
    assert auditor.get("/audit/export.xlsx").status_code == 404


def test_an_export_takes_the_same_right(viewer: User) -> None:
    assert browser(viewer).get("/audit/export.csv").status_code == 403


def test_the_audit_knows_where_an_order_came_from(auditor: Client) -> None:
    game = factories.game()
    factories.host(game, "new-1", pinned=False).keys.create(key="ssh-ed25519 B", fingerprint="f")
    admin = browser(person("boss", role=Role.ADMINISTRATOR))
    admin.post("/hosts/new-1/approve-key", {"fingerprint": "f"}, REMOTE_ADDR="198.51.100.4")
    assert AuditEntry.objects.get(object="new-1").address == "198.51.100.4"
