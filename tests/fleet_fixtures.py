"""Fixtures with real OpenSSH hosts. A plugin of conftest.py."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from demo import openssh
from demo.fleet import Fleet, FleetHost
from deploy_tasks import ssh


@pytest.fixture(scope="session")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    """Four hosts that all tests of a run share; who stops or cuts them takes `own_fleet`."""
    with of_openssh(tmp_path_factory.mktemp("fleet"), 4) as fleet:
        yield fleet


@pytest.fixture(scope="module")
def littered_fleet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    """Four hosts for the tests of one file, which leaves commands running on them."""
    with of_openssh(tmp_path_factory.mktemp("fleet"), 4) as fleet:
        yield fleet


@pytest.fixture
def own_fleet(tmp_path: Path) -> Iterator[Fleet]:
    """Two hosts, each with its own sshd and host key, for one test alone."""
    with of_openssh(tmp_path / "fleet", 2, own_host_keys=True) as fleet:
        yield fleet


def of_openssh(directory: Path, hosts: int, *, own_host_keys: bool = False) -> Fleet:
    """To be entered; without OpenSSH's server the test is skipped."""
    if not openssh.usable():
        pytest.skip("sshd is not installed (Debian package openssh-server)")
    return Fleet(directory, hosts, own_host_keys=own_host_keys)


def target_of(fleet: Fleet, host: FleetHost, **changes: object) -> ssh.Target:
    values = {
        "name": host.name,
        "address": host.address,
        "port": host.port,
        "user": fleet.user,
        "host_keys": (host.host_key,),
        "private_key": fleet.private_key,
    }
    return ssh.Target(**{**values, **changes})  # type: ignore[arg-type]
