"""Sealing keys are rotated while everything runs, and a rotation may be cut off anywhere."""

import os
import time
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from pytest_django import Settings

from deploy_tasks import credentials, rotation, sealed, vault
from deploy_tasks.errors import OrderRefused
from deploy_tasks.models import AuditEntry, Credential, Pager
from tests.ssh_keys import private_key

pytestmark = pytest.mark.django_db

SECRETS = {"rcon": "swordfish", "backup": "hunter22", "empty-ish": "x" * 60}


@pytest.fixture(autouse=True)
def keys(settings: Settings, tmp_path: Path) -> Path:
    settings.HOME = tmp_path
    settings.PRIVATE_KEYS = tmp_path / "keys" / "seal"
    vault.ensure_keys()
    return tmp_path / "keys" / "seal"


@pytest.fixture
def rows(keys: Path) -> None:
    for name, secret in SECRETS.items():
        keep(name, secret)
    key_id, box = vault.seal(b"url", identity=vault.identity_of_pager("night"))
    Pager.objects.create(name="night", kind="webhook", sealed=box, key_id=key_id, shown="x")


def keep(name: str, secret: str) -> Credential:
    row = Credential(name=name, kind="secret")
    credentials.keep(row, credentials.read(name, Credential.Kind.SECRET, secret))
    return row


def opened() -> dict[str, str]:
    return {
        row.name: vault.open_sealed(
            row.key_id, bytes(row.sealed), identity=vault.identity_of_credential(row.name)
        ).decode()
        for row in Credential.objects.all()
    }


def age(keys: Path, seconds: float = 3600) -> None:
    """As if the newest key had been active for so long."""
    then = time.time() - seconds
    os.utime(keys / f"{vault.newest()}.pub", (then, then))


def test_all_is_sealed_with_a_new_key_and_still_opens(keys: Path, rows: None) -> None:
    old = vault.newest()
    done = rotation.rotate()
    assert done.key_id == vault.newest() != old
    assert {one.key_id for one in sealed.every()} == {done.key_id}
    assert opened() == SECRETS
    assert (done.resealed, done.kept) == (4, [old])
    assert AuditEntry.objects.get().action == "rotate_keys"


def test_an_old_key_goes_when_everybody_has_had_the_time_to_use_it(keys: Path, rows: None) -> None:
    old = vault.newest()
    rotation.rotate()
    again = rotation.rotate()
    assert (again.resealed, again.kept, again.removed) == (0, [old], [])
    age(keys)
    last = rotation.rotate()
    assert last.removed == [old]
    assert {path.stem for path in keys.glob("*.*")} == {vault.newest()}
    assert opened() == SECRETS


def test_a_start_removes_what_a_rotation_left(keys: Path, rows: None) -> None:
    old = vault.newest()
    rotation.rotate()
    age(keys)
    rotation.remove_old_keys()
    assert not vault.knows(str(old))


def test_a_key_that_a_row_names_is_never_removed(keys: Path, rows: None) -> None:
    rotation.rotate()
    old = vault.key_ids()[0]
    Credential.objects.filter(name="rcon").update(key_id=old)
    age(keys)
    rotation.remove_old_keys()
    assert vault.opens(old)


def test_what_is_sealed_with_the_old_key_meanwhile_is_sealed_anew_next_time(
    keys: Path, rows: None
) -> None:
    old = vault.newest()
    rotation.rotate()
    identity = vault.identity_of_credential("late")
    (keys / f"{vault.newest()}.pub").rename(keys / "aside")
    key_id, box = vault.seal(b"late secret", identity=identity)
    (keys / "aside").rename(keys / f"{vault.key_ids()[-1]}.pub")
    Credential.objects.create(name="late", kind="secret", sealed=box, key_id=key_id, digest="")
    assert key_id == old
    assert rotation.rotate().resealed == 1
    assert opened()["late"] == "late secret"


def test_a_secret_that_is_changed_meanwhile_is_not_overwritten(keys: Path, rows: None) -> None:
    vault.activate(vault.make_key())
    before = next(one for one in sealed.every() if one.identity == "credential:rcon")
    keep_again = Credential.objects.get(name="rcon")
    read = credentials.read("rcon", Credential.Kind.SECRET, "newer secret")
    credentials.keep(keep_again, read)
    assert not before.seal_anew()
    assert opened()["rcon"] == "newer secret"


class Killed(BaseException):
    pass


@pytest.mark.parametrize(
    "where",
    [
        (vault, "activate", 1),
        (sealed.Sealed, "seal_anew", 1),
        (sealed.Sealed, "seal_anew", 3),
        (rotation, "_remove_old", 1),
    ],
    ids=lambda where: f"{where[1]}-{where[2]}",
)
def test_a_rotation_that_was_killed_goes_on_when_it_is_called_again(
    keys: Path, rows: None, where: tuple[Any, str, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    owner, name, turn = where
    real, calls = getattr(owner, name), []

    def killing(*args: Any) -> Any:
        calls.append(args)
        if len(calls) == turn:
            raise Killed
        return real(*args)

    with monkeypatch.context() as patched:
        patched.setattr(owner, name, killing)
        with pytest.raises(Killed):
            rotation.rotate()
    assert opened() == SECRETS
    begun = max(path.stem for path in keys.glob("*.key"))
    assert rotation.rotate().key_id == begun
    assert {one.key_id for one in sealed.every()} == {begun}
    assert opened() == SECRETS


def test_a_box_that_cannot_be_opened_is_named_and_keeps_its_key(keys: Path, rows: None) -> None:
    old = str(vault.newest())
    Credential.objects.filter(name="rcon").update(sealed=b"\xff" * 80)
    with pytest.raises(CommandError, match="credential:rcon is damaged"):
        call_command("rotate_keys")
    age(keys)
    with pytest.raises(CommandError):
        call_command("rotate_keys")
    assert vault.opens(old)
    assert {row.key_id for row in Credential.objects.exclude(name="rcon")} == {vault.newest()}


def test_where_only_public_keys_are_it_says_so(keys: Path) -> None:
    for path in keys.glob("*.key"):
        path.unlink()
    with pytest.raises(OrderRefused, match="on a machine with workers"):
        rotation.rotate()


def test_a_key_that_other_machines_need_first_waits_for_the_second_call(
    keys: Path, rows: None, settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    settings.PROGRAMS = ["worker"]
    old = vault.newest()
    call_command("rotate_keys")
    assert "Copy it to every other machine with workers" in capsys.readouterr().out
    assert vault.newest() == old
    call_command("rotate_keys")
    assert "4 secrets were sealed anew" in capsys.readouterr().out
    assert vault.newest() != old
    assert opened() == SECRETS


def test_one_secret_is_told_as_one(
    keys: Path, rows: None, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rotation, "rotate", lambda: rotation.Rotation("k1", resealed=1))
    call_command("rotate_keys")
    assert "The key k1 seals; 1 secret was sealed anew with it." in capsys.readouterr().out


class TestFaults:
    def test_what_is_sealed_as_it_should_be_has_none(self, keys: Path, rows: None) -> None:
        assert sealed.faults() == []

    @pytest.mark.parametrize(
        ("columns", "said"),
        [
            ({"sealed": b"swordfish"}, "credential:rcon is not sealed at all"),
            ({"sealed": b""}, "is not sealed at all"),
            ({"sealed": private_key().encode()}, "is not sealed at all"),
            ({"key_id": "20200101000000aa"}, "the key 20200101000000aa that opens"),
            ({"sealed": b"\xff" * 80}, "is damaged"),
        ],
        ids=["plain", "empty", "plain key", "no key", "damaged"],
    )
    def test_a_secret_that_is_not_as_it_should_be_is_named(
        self, rows: None, columns: dict[str, Any], said: str
    ) -> None:
        Credential.objects.filter(name="rcon").update(**columns)
        assert said in "; ".join(sealed.faults())

    def test_a_box_of_another_row_is_named(self, rows: None) -> None:
        other = Credential.objects.get(name="backup")
        Credential.objects.filter(name="rcon").update(sealed=other.sealed)
        assert "was sealed for another" in "; ".join(sealed.faults())

    def test_a_private_key_that_is_lost_is_named(self, keys: Path) -> None:
        (keys / f"{vault.newest()}.key").unlink()
        assert "nobody could open" in "; ".join(sealed.faults())

    def test_the_web_machine_needs_public_keys_alone(
        self, keys: Path, rows: None, settings: Settings
    ) -> None:
        settings.PROGRAMS = ["web", "beat"]
        for path in keys.glob("*.key"):
            path.unlink()
        assert sealed.faults() == []

    def test_a_key_in_an_agent_is_not_ours_to_seal(self) -> None:
        row = Credential(name="fleet", kind="ssh_key")
        credentials.keep(row, credentials.in_agent("fleet", "SHA256:" + "a" * 43))
        assert sealed.faults() == []

    def test_the_start_is_refused(self, rows: None) -> None:
        Credential.objects.filter(name="rcon").update(sealed=b"swordfish")
        with pytest.raises(CommandError, match="credential:rcon is not sealed at all") as refusal:
            call_command("prepare")
        assert "swordfish" not in str(refusal.value)
