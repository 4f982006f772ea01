"""The audit: a chain that tells what was changed, and a database that refuses to change it."""

import gzip
import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from django.db import DatabaseError, transaction
from pytest_django import Settings

from deploy_tasks import audit, clock
from deploy_tasks.audit import book, chain, guard, signing
from deploy_tasks.audit.chain import Broken, Link
from deploy_tasks.errors import InvalidInput
from deploy_tasks.models import AuditEntry, AuditHead, LateAudit
from tests import audits, factories

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def home(tmp_path: Path, settings: Settings) -> Path:
    settings.HOME = tmp_path
    return tmp_path


@pytest.fixture
def entries(mira: User) -> list[AuditEntry]:
    for number in range(1, 6):
        audit.record(mira, "start_job", f"#{number}", hosts=number, share=0.25, note="naïve \0")
    return list(AuditEntry.objects.order_by("number"))


def broken_at(**given: Any) -> int:
    with pytest.raises(Broken) as broken:
        book.verify(**given)
    return broken.value.number


def change(entry: AuditEntry, **columns: Any) -> None:
    assert AuditEntry.objects.filter(pk=entry.pk).update(**columns)


class TestChain:
    def test_what_was_written_holds(self, entries: list[AuditEntry]) -> None:
        assert book.verify() == book.Verified(5, Link(5, entries[-1].hash), 0)
        assert [entry.previous for entry in entries[1:]] == [entry.hash for entry in entries[:-1]]

    def test_who_where_and_about_which_game_is_in_it(self, mira: User) -> None:
        with audit.coming_from("192.0.2.7"):
            audit.record(mira, "test", "eu-1", game=factories.game())
        audit.record("mallory", "log_in_failed", "")
        audit.record(None, "import", "inventory.yml")
        first, second, third = AuditEntry.objects.order_by("number")
        assert (first.actor, first.address, first.game) == (mira, "192.0.2.7", "squid")
        assert (second.actor, second.actor_name, second.address) == (None, "mallory", "")
        assert third.actor_name == "command line"

    @pytest.mark.parametrize(
        "columns",
        [
            {"actor_name": "nobody"},
            {"actor": None},
            {"address": "192.0.2.9"},
            {"action": "cancel_job"},
            {"object": "#9"},
            {"game": "other"},
            {"details": {"hosts": 500}},
            {"at": "2020-01-01T00:00Z"},
        ],
        ids=lambda columns: next(iter(columns)),
    )
    def test_a_changed_entry_is_named(
        self, entries: list[AuditEntry], columns: dict[str, Any]
    ) -> None:
        change(entries[2], **columns)
        assert broken_at() == 3

    def test_an_entry_whose_hash_was_made_anew_gives_away_the_next(
        self, entries: list[AuditEntry]
    ) -> None:
        entry = AuditEntry.objects.filter(pk=entries[1].pk).values(*chain.PARTS, "at").get()
        change(entries[1], object="#9", hash=chain.digest(entry | {"object": "#9"}))
        assert broken_at() == 3

    def test_a_removed_entry_is_named(self, entries: list[AuditEntry]) -> None:
        entries[2].delete()
        assert broken_at() == 3

    def test_two_that_were_swapped_are_named(self, entries: list[AuditEntry]) -> None:
        change(entries[1], number=99)
        change(entries[2], number=2)
        change(entries[1], number=3)
        assert broken_at() == 2

    def test_an_end_that_was_cut_off_is_seen(self, entries: list[AuditEntry]) -> None:
        entries[4].delete()
        assert broken_at() == 5

    def test_a_removed_user_changes_nothing(self, entries: list[AuditEntry], mira: User) -> None:
        mira.delete()
        assert book.verify().entries == 5

    def test_what_was_written_before_there_was_a_chain_is_its_beginning(
        self, entries: list[AuditEntry]
    ) -> None:
        from importlib import import_module

        from django.apps import apps

        migration = import_module("deploy_tasks.migrations.0006_audit_chain")
        AuditEntry.objects.filter(number=3).update(hash="", previous="")
        AuditHead.objects.all().delete()
        migration.link(apps, None)
        assert book.verify().entries == 5


class TestGuard:
    @pytest.fixture(autouse=True)
    def guarded(self) -> None:
        guard.guard()
        guard.guard()

    def test_the_database_refuses_to_change_or_remove_an_entry(
        self, entries: list[AuditEntry]
    ) -> None:
        found = AuditEntry.objects.filter(number=1)
        for act in (lambda: found.update(object="x"), found.delete):
            with pytest.raises(DatabaseError, match=guard.REFUSAL), transaction.atomic():
                act()
        assert book.verify().entries == 5

    def test_entries_can_still_be_appended(self, mira: User) -> None:
        audit.record(mira, "start_job", "#1")
        assert book.verify().entries == 1


class TestUnwritable:
    def test_it_is_said(self, mira: User) -> None:
        with audits.unwritable(), pytest.raises(audit.AuditUnwritable):
            audit.record(mira, "start_job", "#1")

    def test_what_must_be_possible_is_kept_aside_and_entered_later(self, mira: User) -> None:
        audit.record(mira, "start_job", "#1")
        with audits.unwritable(), audit.coming_from("192.0.2.7"):
            audit.record_anyway(mira, "cancel_job", "#1", force=True)
            assert book.verify().late == 1
        audit.record(mira, "start_job", "#2")
        first, late, second = AuditEntry.objects.order_by("number")
        assert (first.object, late.object, second.object) == ("#1", "#1", "#2")
        assert (late.action, late.actor, late.address) == ("cancel_job", mira, "192.0.2.7")
        assert late.details == {"force": True, "entered_late": True}
        assert not LateAudit.objects.exists()
        assert book.verify().entries == 3

    def test_a_head_that_is_gone_is_not_made_up(
        self, entries: list[AuditEntry], mira: User
    ) -> None:
        AuditHead.objects.all().delete()
        with pytest.raises(audit.AuditUnwritable):
            audit.record(mira, "start_job", "#6")


class TestHead:
    def test_a_kept_head_is_part_of_a_chain_that_grew(
        self, entries: list[AuditEntry], mira: User
    ) -> None:
        kept = signing.read(json.dumps(signing.sign(book.head())))
        audit.record(mira, "cancel_job", "#5")
        assert book.verify(kept=kept).entries == 6

    def test_an_end_cut_off_with_its_head_is_given_away_by_a_kept_one(
        self, entries: list[AuditEntry]
    ) -> None:
        kept = book.head()
        entries[4].delete()
        AuditHead.objects.update(number=4, hash=entries[3].hash)
        book.verify()
        assert broken_at(kept=kept) == 5

    def test_a_chain_that_was_written_anew_is_given_away_by_a_kept_one(
        self, entries: list[AuditEntry], mira: User
    ) -> None:
        kept = book.head()
        AuditEntry.objects.all().delete()
        AuditHead.objects.update(number=0, hash=AuditHead().hash)
        for number in range(5):
            audit.record(mira, "start_job", f"#{number}")
        assert broken_at(kept=kept) == 5

    @pytest.mark.parametrize("part", ["number", "hash", "at", "signature"])
    def test_a_head_that_was_changed_is_refused(self, entries: list[AuditEntry], part: str) -> None:
        head = signing.sign(book.head())
        head[part] = {"number": 4, "signature": head["signature"][::-1]}.get(part, "x")
        with pytest.raises(InvalidInput):
            signing.read(json.dumps(head))

    def test_a_head_of_another_instance_is_refused(
        self, entries: list[AuditEntry], home: Path
    ) -> None:
        head = json.dumps(signing.sign(book.head()))
        (home / "keys" / "audit").unlink()
        with pytest.raises(InvalidInput, match="another instance"):
            signing.read(head)

    def test_its_key_is_for_its_owner_alone(self, home: Path) -> None:
        signing.ensure_key()
        assert (home / "keys" / "audit").stat().st_mode & 0o777 == 0o600


class TestArchive:
    @pytest.fixture
    def old(self, mira: User, monkeypatch: pytest.MonkeyPatch) -> None:
        """Three entries of last year."""
        then = clock.now() - timedelta(days=365)
        with monkeypatch.context() as patched:
            patched.setattr(clock, "now", lambda: then)
            for number in range(3):
                audit.record(mira, "start_job", f"#{number}")

    def test_the_chain_goes_on_from_where_an_archive_ends(
        self, old: None, entries: list[AuditEntry], tmp_path: Path
    ) -> None:
        kept = Link(2, AuditEntry.objects.get(number=2).hash)
        guard.guard()
        file = tmp_path / "2025.jsonl.gz"
        assert book.archive(clock.now() - timedelta(days=30), file) == 3
        assert AuditEntry.objects.order_by("number").first() == entries[3]
        assert book.verify().entries == 6  # five, and the one that tells of the archive
        assert book.verify(archives=[file], kept=kept).last.number == 9
        assert file.stat().st_mode & 0o777 == 0o600
        with pytest.raises(DatabaseError), transaction.atomic():
            AuditEntry.objects.all().delete()

    def test_an_archive_that_was_changed_is_found_out(
        self, old: None, entries: list[AuditEntry], tmp_path: Path
    ) -> None:
        file = tmp_path / "2025.jsonl.gz"
        book.archive(clock.now() - timedelta(days=30), file)
        text = gzip.decompress(file.read_bytes()).replace(b'"#1"', b'"#7"')
        file.write_bytes(gzip.compress(text))
        assert broken_at(archives=[file]) == 2

    def test_a_beginning_that_was_cut_off_is_no_archive(self, entries: list[AuditEntry]) -> None:
        AuditEntry.objects.filter(number__lte=2).delete()
        AuditHead.objects.update(archived=2, archived_hash=entries[1].hash)
        assert broken_at() == 3

    def test_a_file_that_is_there_is_left_alone(
        self, old: None, entries: list[AuditEntry], tmp_path: Path
    ) -> None:
        (file := tmp_path / "2025.jsonl.gz").write_text("mine")
        with pytest.raises(FileExistsError):
            book.archive(clock.now(), file)
        assert file.read_text() == "mine"
        assert AuditEntry.objects.count() == 8

    def test_where_nothing_is_that_old_no_file_is_left(
        self, entries: list[AuditEntry], tmp_path: Path
    ) -> None:
        with pytest.raises(CommandError, match="no entry is that old"):
            call_command("audit_archive", str(tmp_path / "x"), "--before", "2020-01-01")
        assert not (tmp_path / "x").exists()


class TestCommands:
    def test_verify_says_that_it_holds(
        self, entries: list[AuditEntry], capsys: pytest.CaptureFixture[str], tmp_path: Path
    ) -> None:
        call_command("audit_head")
        (kept := tmp_path / "head").write_text(capsys.readouterr().out)
        call_command("audit_verify", "--head", str(kept))
        assert capsys.readouterr().out == "The audit holds: 5 entries, the last is 5.\n"
        call_command("audit_verify", "--json")
        told = json.loads(capsys.readouterr().out)
        assert told == {"entries": 5, "number": 5, "hash": entries[4].hash, "late": 0}

    def test_verify_names_the_first_broken_entry(self, entries: list[AuditEntry]) -> None:
        change(entries[3], object="x")
        with pytest.raises(CommandError, match=r"entry 4: was changed") as refusal:
            call_command("audit_verify")
        assert refusal.value.returncode == 3
