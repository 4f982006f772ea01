"""The small SSH server of small machines, with busybox behind it. It has no SFTP."""

import contextlib
import hashlib
import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from demo.keys import make_key
from deploy_tasks import ssh
from deploy_tasks.errors import ConnectFailed, LinkLost
from tests.dropbears import dropbears
from tests.fleet_fixtures import target_of

pytestmark = pytest.mark.ssh


@pytest.fixture
def dropbear(tmp_path: Path) -> Iterator[ssh.Target]:
    for fleet in dropbears(tmp_path / "fleet", 1):
        yield target_of(fleet, fleet.hosts[0])


def test_dropbear_is_reached_and_runs_commands(dropbear: ssh.Target) -> None:
    with contextlib.closing(ssh.connect(dropbear)) as link:
        result = link.run("cat; echo oops >&2; exit 3", stdin=b"hello", timeout=10)
        assert result == ssh.Result(3, b"hello", b"oops\n")
        assert link.run("kill -9 $$", timeout=10).exit_status is None


def test_a_file_reaches_dropbear_without_sftp(dropbear: ssh.Target) -> None:
    data = os.urandom(3_000_000)
    with contextlib.closing(ssh.connect(dropbear)) as link:
        result = link.run("sha256sum", stdin=data, timeout=30)
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
        # It may be dead before all of it is written.
        with contextlib.suppress(LinkLost):
            channel.write(b"now\n", timeout=10)
        with pytest.raises(LinkLost):
            channel.read(30)
