"""What we log in with: keys with a passphrase, in an agent, with a certificate. All real."""

import contextlib
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from demo.fleet import Fleet
from deploy_tasks import ssh
from deploy_tasks.errors import ConnectFailed, InvalidInput
from tests.fleet_fixtures import target_of
from tests.ssh_keys import make_key, public_of
from tests.strangers import Stranger
from tests.waiting import until

pytestmark = pytest.mark.ssh

PASSPHRASE = "correct horse"


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """``ca``, and keys ``plain`` and ``locked`` with certificates that it has signed."""
    folder = tmp_path_factory.mktemp("keys")
    make_key(folder / "ca")
    make_key(folder / "plain")
    make_key(folder / "locked", passphrase=PASSPHRASE)
    return folder


@pytest.fixture(scope="module")
def host(keys: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ssh.Target]:
    """A host that trusts the CA, and no key of its own accord."""
    config = f"TrustedUserCAKeys {keys / 'ca.pub'}\n"
    with Fleet(tmp_path_factory.mktemp("fleet"), 1, config=config) as fleet:
        yield target_of(fleet, fleet.hosts[0], private_key="")


@pytest.fixture
def agent(tmp_path: Path) -> Iterator[str]:
    """The socket of a real SSH agent."""
    path = tmp_path / "agent"
    with subprocess.Popen(["ssh-agent", "-D", "-a", str(path)], stdout=subprocess.DEVNULL) as run:
        until(path.is_socket, "the agent listens")
        yield str(path)
        run.terminate()


def add(agent: str, key: Path) -> str:
    """Give the agent a key; gives its fingerprint."""
    subprocess.run(
        ["ssh-add", "-q", str(key)], env={"SSH_AUTH_SOCK": agent, "PATH": "/usr/bin"}, check=True
    )
    return ssh.fingerprint(public_of(key))


def certificate(keys: Path, key: str, user: str, *more: str) -> str:
    words = ["-q", "-s", str(keys / "ca"), "-I", "us", "-n", user, *more]
    subprocess.run(["ssh-keygen", *words, str(keys / f"{key}.pub")], check=True)
    return (keys / f"{key}-cert.pub").read_text()


def says_hi(target: ssh.Target) -> bool:
    with contextlib.closing(ssh.connect(target)) as link:
        return link.run("echo hi", timeout=10).stdout == b"hi\n"


def refusal(target: ssh.Target) -> ConnectFailed:
    with pytest.raises(ConnectFailed) as failure:
        ssh.connect(target)
    return failure.value


def test_a_certificate_opens_what_its_key_alone_does_not(keys: Path, host: ssh.Target) -> None:
    bare = replace(host, private_key=(keys / "plain").read_text())
    assert "authentication refused" in str(refusal(bare))
    assert says_hi(replace(bare, certificate=certificate(keys, "plain", host.user)))


def test_a_key_with_a_passphrase_and_a_certificate(keys: Path, host: ssh.Target) -> None:
    locked = replace(host, private_key=(keys / "locked").read_text(), passphrase=PASSPHRASE)
    assert says_hi(replace(locked, certificate=certificate(keys, "locked", host.user)))
    assert PASSPHRASE not in repr(locked)


def test_a_certificate_that_has_ended_is_not_shown_to_the_host(
    keys: Path, host: ssh.Target
) -> None:
    ended = certificate(keys, "plain", host.user, "-V", "20200101:20200102")
    with Stranger(lambda link: None) as stranger:
        target = replace(host, port=stranger.port, address="127.0.0.1", certificate=ended)
        failure = refusal(replace(target, private_key=(keys / "plain").read_text()))
    assert "has ended: 2020-01-02" in str(failure)
    assert (failure.retryable, stranger.met) == (False, 0)


def test_a_certificate_of_another_key_is_refused(keys: Path) -> None:
    given = certificate(keys, "plain", "game")
    with pytest.raises(InvalidInput, match="for another key"):
        ssh.read_certificate(given, of=public_of(keys / "locked"))


def test_a_certificate_of_a_host_is_none_of_a_user(keys: Path) -> None:
    with pytest.raises(InvalidInput, match="no certificate of a user"):
        ssh.read_certificate(certificate(keys, "plain", "eu-1", "-h"))
    with pytest.raises(InvalidInput, match="not an OpenSSH certificate"):
        ssh.read_certificate("hello")


class TestAgent:
    def test_the_agent_signs_with_the_key_of_the_fingerprint(
        self, fleet: Fleet, agent: str, keys: Path
    ) -> None:
        add(agent, keys / "plain")
        login = ssh.AgentLogin(add(agent, fleet.directory / "client_key"), agent)
        assert says_hi(target_of(fleet, fleet.hosts[0], private_key="", agent=login))

    def test_a_certificate_for_a_key_in_the_agent(
        self, host: ssh.Target, agent: str, keys: Path
    ) -> None:
        login = ssh.AgentLogin(add(agent, keys / "plain"), agent)
        given = certificate(keys, "plain", host.user)
        assert says_hi(replace(host, agent=login, certificate=given))

    def test_a_key_that_is_not_there_is_named(self, host: ssh.Target, agent: str) -> None:
        login = ssh.AgentLogin("SHA256:" + "a" * 43, agent)
        assert "has no key SHA256:aaa" in str(refusal(replace(host, agent=login)))

    def test_no_agent_is_said(self, host: ssh.Target, tmp_path: Path) -> None:
        for socket, said in (("", "SSH_AUTH_SOCK is not set"), (str(tmp_path), "does not answer")):
            login = ssh.AgentLogin("SHA256:" + "a" * 43, socket)
            assert said in str(refusal(replace(host, agent=login)))

    def test_an_agent_that_refuses_to_sign_is_said(
        self, host: ssh.Target, agent: str, keys: Path
    ) -> None:
        # It asks a person to confirm, and there is none.
        environment = {"SSH_AUTH_SOCK": agent, "PATH": "/usr/bin", "SSH_ASKPASS": "/bin/false"}
        subprocess.run(["ssh-add", "-q", "-c", str(keys / "plain")], env=environment, check=True)
        login = ssh.AgentLogin(ssh.fingerprint(public_of(keys / "plain")), agent)
        assert "does not sign" in str(refusal(replace(host, agent=login)))


def test_a_restricted_account_is_enough_and_so_is_a_way_that_only_forwards(tmp_path: Path) -> None:
    """As docs/SECURITY.md has them: no terminal, nothing forwarded but to that one host."""
    with Fleet(tmp_path / "fleet", 2) as fleet:
        way, behind = fleet.hosts
        allowed = fleet.directory / "client_key.pub"
        key = allowed.read_text()
        allowed.write_text(f'restrict,from="127.0.0.0/8" {key}')
        assert says_hi(target_of(fleet, behind))
        through = target_of(fleet, behind, via=target_of(fleet, way))
        assert not _opens(through)
        place = f"{behind.address}:{behind.port}"
        allowed.write_text(f'restrict,port-forwarding,permitopen="{place}" {key}')
        assert says_hi(through)


def _opens(target: ssh.Target) -> bool:
    try:
        ssh.connect(target).close()
    except ConnectFailed:
        return False
    return True
