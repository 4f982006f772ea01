"""The hosts of the demo where no sshd is installed, as the product meets them."""

from collections.abc import Iterator
from io import BytesIO, StringIO
from pathlib import Path

import paramiko
import pytest

from demo.fleet import Fleet
from deploy_tasks import ssh
from tests.fleet_fixtures import target_of

pytestmark = pytest.mark.ssh


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    with Fleet(tmp_path_factory.mktemp("a fleet"), 2, with_openssh=False) as fleet:
        yield fleet


@pytest.fixture
def session(small: Fleet) -> Iterator[ssh.Session]:
    session = ssh.connect(target_of(small, small.hosts[1]))
    yield session
    session.close()


def test_each_host_has_a_directory_of_its_own(small: Fleet, session: ssh.Session) -> None:
    home = session.run("pwd; echo $HOME", timeout=10).stdout.decode().split("\n")
    assert home == [str(small.hosts[1].home)] * 2 + [""]


def test_exit_status_and_both_streams_come_back(session: ssh.Session) -> None:
    told = session.run("echo out; echo err >&2; exit 7", timeout=10)
    assert (told.exit_status, told.stdout, told.stderr) == (7, b"out\n", b"err\n")


def test_output_is_whole_before_the_end_is_told(session: ssh.Session) -> None:
    told = session.run("head -c 3000000 /dev/zero", timeout=20)
    assert (told.exit_status, len(told.stdout)) == (0, 3_000_000)


def test_a_file_arrives_whole(session: ssh.Session, tmp_path: Path) -> None:
    told = session.run("cat >file; wc -c <file", stdin=b"x" * 2_000_000, timeout=20)
    assert told.stdout.strip() == b"2000000"


def test_what_a_command_leaves_behind_goes_on_without_the_connection(
    small: Fleet, session: ssh.Session
) -> None:
    session.run(
        "rm -f go went; mkfifo go; setsid sh -c 'read x <go; >went' >/dev/null 2>&1 &", timeout=10
    )
    session.close()
    with_new = ssh.connect(target_of(small, small.hosts[1]))
    told = with_new.run("echo >go; until [ -e went ]; do sleep 0.05; done", timeout=10)
    assert told.exit_status == 0
    with_new.close()


def test_files_brought_by_sftp_stay_in_the_home_of_their_host(small: Fleet) -> None:
    host = small.hosts[1]
    key = paramiko.Ed25519Key.from_private_key(StringIO(small.private_key))
    with paramiko.Transport((host.address, host.port)) as transport:
        transport.connect(username=small.user, pkey=key)
        with paramiko.SFTPClient.from_transport(transport) or pytest.fail("no SFTP") as sftp:
            sftp.putfo(BytesIO(b"brought"), "new")
            sftp.putfo(BytesIO(b"brought"), "/../../newer")
    assert (host.home / "new").read_bytes() == b"brought"
    assert (host.home / "newer").read_bytes() == b"brought"
