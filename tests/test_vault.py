import errno
from datetime import UTC, datetime
from pathlib import Path

import pytest
from nacl.encoding import HexEncoder
from nacl.public import PrivateKey
from pytest_django.fixtures import Settings

from deploy_tasks import vault


@pytest.fixture
def keys(settings: Settings, tmp_path: Path) -> Path:
    settings.HOME = tmp_path
    settings.PRIVATE_KEYS = tmp_path / "keys" / "seal"
    vault.ensure_keys()
    return tmp_path / "keys" / "seal"


def key_pair() -> dict[str, bytes]:
    key = PrivateKey.generate()
    return {"key": key.encode(HexEncoder), "pub": key.public_key.encode(HexEncoder)}


def test_what_was_sealed_opens_again(keys: Path) -> None:
    key_id, box = vault.seal(b"hunter2", identity="credential:rcon")
    assert vault.open_sealed(key_id, box, identity="credential:rcon") == b"hunter2"
    assert b"hunter2" not in box


def test_the_web_process_seals_with_public_keys_alone(keys: Path) -> None:
    for private in keys.glob("*.key"):
        private.unlink()
    key_id, box = vault.seal(b"hunter2", identity="credential:rcon")
    with pytest.raises(vault.SecretLocked, match=f"{key_id} .* is not on this worker"):
        vault.open_sealed(key_id, box, identity="credential:rcon")


def test_a_key_for_which_no_file_can_be_opened_is_not_called_missing(
    keys: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> bytes:
        raise OSError(errno.EMFILE, "Too many open files")

    key_id, box = vault.seal(b"hunter2", identity="credential:rcon")
    monkeypatch.setattr(vault, "_read", full)
    with pytest.raises(OSError, match="Too many open files"):
        vault.open_sealed(key_id, box, identity="credential:rcon")


def test_a_box_moved_to_another_row_does_not_open(keys: Path) -> None:
    key_id, box = vault.seal(b"hunter2", identity="credential:rcon")
    with pytest.raises(vault.SecretLocked, match="sealed for another"):
        vault.open_sealed(key_id, box, identity="credential:rcon2")


def test_an_identity_that_begins_like_another_is_another(keys: Path) -> None:
    key_id, box = vault.seal(b"hunter2", identity="credential:rcon2")
    with pytest.raises(vault.SecretLocked):
        vault.open_sealed(key_id, box, identity="credential:rcon")


def test_a_changed_box_is_called_damaged(keys: Path) -> None:
    key_id, box = vault.seal(b"hunter2", identity="credential:rcon")
    with pytest.raises(vault.SecretLocked, match="damaged"):
        vault.open_sealed(key_id, box[:-1] + b"\0", identity="credential:rcon")


def test_two_keys_of_one_second_have_two_ids(keys: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = iter(["aa" * 8, "aa" * 8, "bb" * 8])
    moment = datetime(2030, 1, 1, tzinfo=UTC)
    monkeypatch.setattr(vault, "datetime", type("", (), {"now": lambda _zone: moment}))
    monkeypatch.setattr("secrets.token_hex", lambda size=8: next(made) if size == 8 else "x")
    monkeypatch.setattr(vault, "key_ids", lambda: [])
    first = vault.make_key()
    content = (keys / f"{first}.key").read_bytes()
    second = vault.make_key()
    assert (first, second) == ("20300101000000" + "aa" * 8, "20300101000000" + "bb" * 8)
    assert (keys / f"{first}.key").read_bytes() == content


def test_private_keys_are_for_their_owner_alone(keys: Path) -> None:
    assert keys.stat().st_mode & 0o777 == 0o700
    assert {path.stat().st_mode & 0o777 for path in keys.iterdir()} == {0o600}


def test_a_second_start_keeps_the_keys(keys: Path) -> None:
    before = {path.name: path.read_bytes() for path in keys.iterdir()}
    vault.ensure_keys()
    assert {path.name: path.read_bytes() for path in keys.iterdir()} == before
    assert {Path(name).suffix for name in before} == {"", ".key", ".pub"}


def test_the_newest_key_seals_and_the_older_ones_still_open(keys: Path) -> None:
    (first,) = (path.stem for path in keys.glob("*.pub"))
    for suffix in ("pub", "key"):
        (keys / f"{first}.{suffix}").rename(keys / f"2020010100000000.{suffix}")
    old_id, box = vault.seal(b"old", identity="credential:rcon")
    for suffix, content in key_pair().items():
        (keys / f"2099010100000000.{suffix}").write_bytes(content)
    assert vault.seal(b"new", identity="credential:rcon")[0] == "2099010100000000"
    assert vault.open_sealed(old_id, box, identity="credential:rcon") == b"old"


def test_an_instance_that_was_never_started_says_so(settings: Settings, tmp_path: Path) -> None:
    settings.HOME = tmp_path
    with pytest.raises(vault.NoSealingKey):
        vault.seal(b"hunter2", identity="credential:rcon")


def test_a_digest_tells_one_secret_from_another(keys: Path) -> None:
    digest = vault.digest(b"hunter2", identity="credential:rcon")
    assert digest == vault.digest(b"hunter2", identity="credential:rcon")
    assert len(digest) == 64
    assert digest != vault.digest(b"hunter3", identity="credential:rcon")
    assert digest != vault.digest(b"hunter2", identity="credential:other")


def test_a_digest_says_nothing_outside_this_instance(
    keys: Path, settings: Settings, tmp_path: Path
) -> None:
    here = vault.digest(b"hunter2", identity="credential:rcon")
    settings.HOME = tmp_path / "elsewhere"
    vault.ensure_keys()
    assert vault.digest(b"hunter2", identity="credential:rcon") != here
