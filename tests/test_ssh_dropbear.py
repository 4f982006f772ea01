"""The small SSH server of small machines, with busybox behind it. It has no SFTP."""

import contextlib
import hashlib
import io
import os
import pwd
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from demo.keys import make_key, public_of
from deploy_tasks import ssh
from deploy_tasks.errors import ConnectFailed, LinkLost
from tests.instances import free_port
from tests.waiting import until

pytestmark = pytest.mark.ssh

DROPBEAR = shutil.which("dropbear", path=f"{os.environ.get('PATH', '')}:/usr/sbin")

# dropbear reads the keys of the account's own home; in here, that is another directory.
INSIDE = 'mount --bind "$1" "$2" && shift 2 && exec "$@"'


@pytest.fixture
def dropbear(tmp_path: Path) -> Iterator[ssh.Target]:
    account = pwd.getpwuid(os.getuid())
    if DROPBEAR is None:
        pytest.skip("dropbear is not installed (Debian package dropbear-bin)")
    if subprocess.run(["unshare", "-m", "true"], capture_output=True, check=False).returncode:
        pytest.skip("needs a mount namespace of its own (root)")
    key, home, port = make_key(tmp_path / "key"), tmp_path / "home", free_port()
    (home / ".ssh").mkdir(parents=True, mode=0o700)
    (home / ".ssh" / "authorized_keys").write_text(public_of(key))
    host_key = subprocess.run(
        ["dropbearkey", "-t", "ed25519", "-f", str(tmp_path / "host_key")],
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    (public,) = (line for line in host_key.splitlines() if line.startswith("ssh-ed25519"))
    words = [DROPBEAR, "-F", "-E", "-s", "-r", str(tmp_path / "host_key"), "-P", ""]
    inside = ["unshare", "-m", "sh", "-c", INSIDE, "sh"]
    with (tmp_path / "log").open("wb") as log:
        process = subprocess.Popen(
            [*inside, str(home), account.pw_dir, *words, "-p", f"127.0.0.1:{port}"],
            stdout=log,
            stderr=log,
        )
    until(lambda: "Not backgrounding" in (tmp_path / "log").read_text(), "dropbear listens")
    try:
        yield ssh.Target("small", "127.0.0.1", port, account.pw_name, (public,), key.read_text())
    finally:
        process.kill()
        process.wait(10)


def test_dropbear_is_reached_and_runs_commands(dropbear: ssh.Target) -> None:
    with contextlib.closing(ssh.connect(dropbear)) as link:
        result = link.run("cat; echo oops >&2; exit 3", stdin=b"hello", timeout=10)
        assert result == ssh.Result(3, b"hello", b"oops\n")
        assert link.run("kill -9 $$", timeout=10).exit_status is None


def test_a_file_reaches_dropbear_without_sftp(dropbear: ssh.Target) -> None:
    data = os.urandom(3_000_000)
    with contextlib.closing(ssh.connect(dropbear)) as link:
        result = link.send_file("sha256sum", io.BytesIO(data), timeout=30)
    assert result.stdout.split()[0].decode() == hashlib.sha256(data).hexdigest()


def test_the_keys_of_dropbear_are_read(dropbear: ssh.Target) -> None:
    place = dropbear
    (offered,) = ssh.offered_keys(place.address, place.port)
    assert ssh.fingerprint(offered) == ssh.fingerprint(place.host_keys[0])


def test_a_refused_key_is_named_by_dropbear_too(dropbear: ssh.Target, tmp_path: Path) -> None:
    other = make_key(tmp_path / "other").read_text()
    with pytest.raises(ConnectFailed, match="authentication refused") as refused:
        ssh.connect(replace(dropbear, private_key=other))
    assert not refused.value.retryable


def test_dropbear_that_dies_is_noticed_at_once(dropbear: ssh.Target) -> None:
    with contextlib.closing(ssh.connect(dropbear)) as link:
        channel = link.open("echo here; read line; kill -9 $PPID")
        assert channel.read(10) == b"here\n"
        channel.write(b"now\n", timeout=10)
        with pytest.raises(LinkLost):
            channel.read(30)
