"""What docs/SECURITY.md gives a host's account is enough, and no more: with the real programs."""

import contextlib
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from demo.fleet import Fleet
from deploy_tasks import ssh, sudoers
from deploy_tasks.errors import ConnectFailed, LoginRefused
from deploy_tasks.models import Host
from tests import factories
from tests.fleet_fixtures import target_of
from webapp.env import BASE

VISUDO = shutil.which("visudo", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")

needs_visudo = pytest.mark.skipif(VISUDO is None, reason="visudo is not installed (package sudo)")


def checked(path: Path) -> str:
    """What visudo has against a file; empty for nothing."""
    assert VISUDO
    done = subprocess.run([VISUDO, "-cf", str(path)], capture_output=True, text=True, check=False)
    return "" if done.returncode == 0 else done.stdout + done.stderr


@needs_visudo
@pytest.mark.django_db
@pytest.mark.parametrize(
    "unit",
    [
        "game@eu-1.service",
        "a,b=c*:d e",
        r"back\slash",
        'a "quoted" one',
        "#1 of all",
        "!no",
        "[abc]?",
        "(x) & y | z; w",
        "%wheel",
        "+net",
        "größe",
        "~root",
        "^a.*b",
    ],
)
def test_visudo_takes_the_lines_that_we_show(tmp_path: Path, unit: str) -> None:
    head = "vars:\n  unit: {type: string, default: 'x'}\n"
    head += 'sudo:\n  - systemctl stop "$unit"\n  - systemctl start "$unit"\n  - reboot\n'
    game = factories.game(text=factories.RECIPE.replace("current:", f"{head}current:"))
    host: Host = factories.host(game, "eu-1", vars={"unit": unit})
    (path := tmp_path / "sudoers").write_text(sudoers.lines(host))
    path.chmod(0o440)
    assert checked(path) == ""


@needs_visudo
def test_visudo_takes_the_lines_of_the_documentation(tmp_path: Path) -> None:
    text = (BASE / "docs" / "SECURITY.md").read_text()
    found = re.search(r"^    # /etc/sudoers\.d/patchwave on .*\n(?:    .*\n)+", text, re.M)
    assert found
    (path := tmp_path / "sudoers").write_text(re.sub("^    ", "", found[0], flags=re.M))
    path.chmod(0o440)
    assert checked(path) == ""


@pytest.mark.ssh
class TestAuthorizedKeys:
    @pytest.fixture
    def hosts(self, own_fleet: Fleet) -> Fleet:
        self.plain = (own_fleet.directory / "client_key.pub").read_text()
        return own_fleet

    def allow(self, fleet: Fleet, options: str) -> None:
        (fleet.directory / "client_key.pub").write_text(f"{options} {self.plain}")

    def test_an_account_that_may_do_nothing_else_is_enough(self, hosts: Fleet) -> None:
        """No step needs a terminal, forwarding or ~/.ssh/rc."""
        host, behind = hosts.hosts
        self.allow(hosts, 'restrict,from="127.0.0.0/8"')
        with contextlib.closing(ssh.connect(target_of(hosts, host))) as session:
            assert session.run("cat", stdin=b"hi", timeout=10).stdout == b"hi"
        with pytest.raises(ConnectFailed, match="cannot reach"):
            ssh.connect(target_of(hosts, behind, via=target_of(hosts, host)))

    def test_from_another_address_the_key_is_worth_nothing(self, hosts: Fleet) -> None:
        self.allow(hosts, 'restrict,from="203.0.113.10"')
        with pytest.raises(LoginRefused):
            ssh.connect(target_of(hosts, hosts.hosts[0]))

    def test_a_way_through_leads_to_the_hosts_that_are_named_alone(self, hosts: Fleet) -> None:
        gate, host = hosts.hosts
        way = f'restrict,port-forwarding,permitopen="{host.address}:{host.port}"'
        self.allow(hosts, way)
        via = target_of(hosts, gate)
        with contextlib.closing(ssh.connect(target_of(hosts, host, via=via))) as session:
            assert session.run("echo hi", timeout=10).stdout == b"hi\n"
        with pytest.raises(ConnectFailed, match="cannot reach"):
            ssh.connect(target_of(hosts, gate, via=via))

    def test_a_way_through_needs_no_shell(self, tmp_path: Path) -> None:
        with (
            Fleet(tmp_path / "gate", 1, config="ForceCommand /usr/bin/false\n") as gates,
            Fleet(tmp_path / "hosts", 1) as hosts,
        ):
            via = target_of(gates, gates.hosts[0])
            with contextlib.closing(ssh.connect(via)) as session:
                assert session.run("echo hi", timeout=10).stdout == b""
            target = target_of(hosts, hosts.hosts[0], via=via)
            with contextlib.closing(ssh.connect(target)) as session:
                assert session.run("echo hi", timeout=10).stdout == b"hi\n"
