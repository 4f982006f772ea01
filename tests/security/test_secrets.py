"""S36, S38, S40, S43, S44: what is sealed, pinned and written down, and who may get round it."""

import logging
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command
from pytest_django import Settings

from deploy_tasks import audit, credentials, orders, sealed, vault
from deploy_tasks.audit import book
from deploy_tasks.errors import InvalidInput, OrderRefused
from deploy_tasks.models import AuditEntry, AuditHead, Credential, Job
from deploy_tasks.orders import JobOrder
from tests import audits, factories
from tests.api import Caller
from tests.ssh_keys import private_key
from tests.stories import person
from webapp.env import BASE
from webapp.models import Role

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def home(settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    settings.HOME = tmp_path
    settings.PRIVATE_KEYS = tmp_path / "keys" / "seal"
    vault.ensure_keys()
    monkeypatch.setattr("deploy_tasks.bells._ring", lambda task, rows: None)
    return tmp_path


def keep(name: str, kind: Credential.Kind, text: str, **more: str) -> Credential:
    row = Credential(name=name, kind=kind)
    credentials.keep(row, credentials.read(name, kind, text, **more))
    return row


def test_s36_every_sealed_column_is_ciphertext_under_a_known_key() -> None:
    keep("rcon", Credential.Kind.SECRET, "swordfish")
    keep("fleet", Credential.Kind.SSH_KEY, private_key("x"), passphrase="x")
    for one in sealed.every():
        assert vault.knows(one.key_id)
        assert not vault.looks_plain(one.box)
        assert b"swordfish" not in one.box
        assert b"PRIVATE KEY" not in one.box


@pytest.mark.parametrize("column", [{"sealed": b"swordfish"}, {"key_id": "20200101000000aa"}])
def test_s36_the_start_is_refused_where_one_is_plain_or_its_key_is_gone(
    column: dict[str, object],
) -> None:
    keep("rcon", Credential.Kind.SECRET, "swordfish")
    Credential.objects.update(**column)
    with pytest.raises(CommandError, match="credential:rcon"):
        call_command("prepare")


def sources() -> Iterator[tuple[str, str]]:
    for folder in ("deploy_tasks", "webapp", "demo"):
        for path in (BASE / folder).rglob("*.py"):
            yield str(path.relative_to(BASE)), path.read_text()


def test_s38_nothing_knows_a_way_round_the_host_key_check() -> None:
    wrong = re.compile(r"AutoAddPolicy|WarningPolicy|StrictHostKeyChecking|known_hosts=None")
    assert [name for name, text in sources() if wrong.search(text)] == []


def test_s40_what_cannot_be_read_is_refused_without_a_word_of_it(
    caplog: pytest.LogCaptureFixture,
) -> None:
    text = private_key("hunter22-passphrase")
    with caplog.at_level(logging.DEBUG), pytest.raises(InvalidInput) as refusal:
        credentials.read("fleet", Credential.Kind.SSH_KEY, text, passphrase="wrong-passphrase")
    said = f"{refusal.value!r} {refusal.value.__cause__!r} {caplog.text}"
    assert "wrong-passphrase" not in said
    assert text.splitlines()[2] not in said


def test_s40_values_that_hold_secrets_do_not_show_them_when_they_are_printed() -> None:
    secret = credentials.read("rcon", Credential.Kind.SECRET, "swordfish")
    assert "swordfish" not in repr(secret)


def test_s43_the_first_broken_entry_is_named_and_a_cut_end_by_a_kept_head() -> None:
    for number in range(4):
        audit.record(None, "start_job", f"#{number}")
    kept = book.head()
    last = AuditEntry.objects.get(number=4)
    AuditHead.objects.update(number=3, hash=last.previous)
    last.delete()
    book.verify()
    with pytest.raises(book.Broken) as cut:
        book.verify(kept=kept)
    assert cut.value.number == 4
    AuditEntry.objects.filter(number=2).update(object="#9")
    with pytest.raises(book.Broken) as changed:
        book.verify()
    assert changed.value.number == 2


def test_s44_nothing_starts_that_cannot_be_written_down_and_a_cancel_always_works() -> None:
    game = factories.game()
    factories.release(game)
    factories.host(game, "eu-1")
    olga = person("olga", game=game, role=Role.OPERATOR)
    order = JobOrder(game="squid", version="2.0", all=True)
    with audits.unwritable():
        with pytest.raises(OrderRefused, match="the audit cannot be written"):
            orders.start_job(order, by=olga)
        assert not Job.objects.exists()
    job, _new = orders.start_job(order, by=olga)
    with audits.unwritable():
        assert Caller(olga).post(f"/jobs/{job.pk}/cancel").status_code == 200
    job.refresh_from_db()
    assert job.cancelled
