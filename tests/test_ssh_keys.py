"""Keys as text, held against what ssh-keygen says of them."""

import subprocess
from pathlib import Path

import pytest

from deploy_tasks import ssh
from deploy_tasks.errors import InvalidInput
from tests.ssh_keys import make_key, public_of

pytestmark = pytest.mark.ssh


@pytest.mark.parametrize("kind", ["ed25519", "ecdsa", "rsa"])
def test_the_public_half_and_its_fingerprint_are_those_of_ssh_keygen(
    tmp_path: Path, kind: str
) -> None:
    key = make_key(tmp_path / "key", kind)
    assert ssh.public_half(key.read_text()) == public_of(key)
    assert ssh.fingerprint(public_of(key)) in _ssh_keygen("-l", "-f", str(key))


def test_a_key_in_the_older_pem_form_is_read(tmp_path: Path) -> None:
    key = make_key(tmp_path / "key", "rsa")
    _ssh_keygen("-p", "-m", "PEM", "-N", "", "-P", "", "-f", str(key))
    assert "BEGIN RSA PRIVATE KEY" in key.read_text()
    assert ssh.public_half(key.read_text()) == public_of(key)


def test_line_ends_of_other_systems_do_no_harm(tmp_path: Path) -> None:
    key = make_key(tmp_path / "key")
    assert ssh.public_half(key.read_text().replace("\n", "\r\n")) == public_of(key)


@pytest.mark.parametrize("form", ["RFC4716", "PEM"])
def test_a_key_with_a_passphrase_opens_with_it_alone(tmp_path: Path, form: str) -> None:
    key = make_key(tmp_path / "key", "rsa", passphrase="hunter22")
    _ssh_keygen("-p", "-m", form, "-N", "hunter22", "-P", "hunter22", "-f", str(key))
    assert ssh.public_half(key.read_text(), "hunter22") == public_of(key)
    with pytest.raises(InvalidInput, match="has a passphrase; give it as well"):
        ssh.public_half(key.read_text())
    with pytest.raises(InvalidInput, match="is the passphrase right"):
        ssh.public_half(key.read_text(), "swordfish")


def test_a_passphrase_that_nothing_is_locked_with_is_refused(tmp_path: Path) -> None:
    key = make_key(tmp_path / "key", "rsa")
    _ssh_keygen("-p", "-m", "PEM", "-N", "", "-P", "", "-f", str(key))
    with pytest.raises(InvalidInput, match="has no passphrase; leave it out"):
        ssh.public_half(key.read_text(), "hunter22")


def test_a_public_key_is_not_taken_for_a_private_one(tmp_path: Path) -> None:
    key = make_key(tmp_path / "key")
    with pytest.raises(InvalidInput, match="not a private key"):
        ssh.public_half(public_of(key))


def test_a_putty_key_is_refused_with_a_remedy() -> None:
    with pytest.raises(InvalidInput, match="puttygen"):
        ssh.public_half("PuTTY-User-Key-File-3: ssh-ed25519\nEncryption: none\n")


@pytest.mark.parametrize("kept", [40, 200])
def test_a_key_that_was_cut_off_is_refused(tmp_path: Path, kept: int) -> None:
    key = make_key(tmp_path / "key")
    with pytest.raises(InvalidInput, match="is the file complete"):
        ssh.public_half(key.read_text()[:kept])


@pytest.mark.parametrize(
    "garbage",
    ["", "ssh-ed25519", "ssh-ed25519 ???", "ssh-ed25519 AAAA", "ssh-dss AAAAB3NzaC1kc3M="],
)
def test_what_is_no_public_key_has_no_fingerprint(garbage: str) -> None:
    with pytest.raises(InvalidInput):
        ssh.fingerprint(garbage)


def test_a_target_does_not_show_its_key(tmp_path: Path) -> None:
    text = make_key(tmp_path / "key").read_text()
    target = ssh.Target("eu-1", "127.0.0.1", 22, "game", (), text)
    assert "PRIVATE KEY" not in repr(target)


def _ssh_keygen(*words: str) -> str:
    return subprocess.run(["ssh-keygen", *words], check=True, capture_output=True, text=True).stdout
