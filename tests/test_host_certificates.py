"""Hosts that are known by a certificate: real sshd, certificates of ssh-keygen's."""

import contextlib
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace

import pytest

from demo.fleet import Fleet
from deploy_tasks import ssh
from deploy_tasks.errors import ConnectFailed, InvalidInput
from deploy_tasks.ssh import certificates
from tests.certified import Certified, sign
from tests.fleet_fixtures import target_of
from tests.ssh_keys import make_key, public_of

pytestmark = pytest.mark.ssh


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Certified]:
    far = Certified(tmp_path_factory.mktemp("certified"))
    with far.fleet:
        yield far


@pytest.fixture
def far(shared: Certified) -> Certified:
    """As it is with a certificate that is right in every way."""
    shared.sign()
    return shared


def reached(target: ssh.Target) -> ssh.Vouched | None:
    with contextlib.closing(ssh.connect(target)) as session:
        assert session.run("echo hi", timeout=10).stdout == b"hi\n"
        return session.vouched


def test_a_host_with_a_good_certificate_is_known_without_a_pinned_key(far: Certified) -> None:
    by = ssh.fingerprint(public_of(far.ca))
    assert reached(far.target()) == ssh.Vouched(public_of(far.key), by)
    assert ssh.vouched_keys(far.target()) == [ssh.Vouched(public_of(far.key), by)]


def test_another_key_with_a_certificate_of_the_same_authority_is_taken(far: Certified) -> None:
    pinned = public_of(make_key(far.directory / f"old-{far.host.port}"))
    vouched = reached(far.target(host_keys=(pinned,)))
    assert vouched
    assert vouched.key == public_of(far.key)


def test_a_host_without_a_certificate_is_known_by_its_pinned_key_alone(own_fleet: Fleet) -> None:
    host = own_fleet.hosts[0]
    ca = own_fleet.hosts[1].host_key
    assert reached(target_of(own_fleet, host, authorities=(ca,))) is None
    with pytest.raises(ConnectFailed, match="and the host shows no certificate"):
        ssh.connect(target_of(own_fleet, host, host_keys=(), authorities=(ca,)))


def test_without_an_authority_a_certificate_means_nothing(far: Certified) -> None:
    assert "approve its fingerprint first" in why_not(far, authorities=())
    pinned = public_of(far.ca)
    assert "host key changed" in why_not(far, authorities=(), host_keys=(pinned,))


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ("-h -V 20200101:20200102", "its certificate has ended: 2020-01-0"),
        ("-h -V +1d:+2d", "its certificate is not valid before 20"),
        ("", "its certificate is one of a user, not of a host"),
    ],
)
def test_it_must_be_of_a_host_and_of_today(far: Certified, options: str, reason: str) -> None:
    far.sign(options=options)
    assert why_not(far).startswith(reason)
    with pytest.raises(ConnectFailed, match=reason[:20]):
        ssh.vouched_keys(far.target())
    # As today: who has pinned the key in it gets in.
    assert reached(far.target(host_keys=(public_of(far.key),))) is None


@pytest.mark.parametrize(
    ("names", "is_known"),
    [
        ("eu-1.example,HOST-1", True),  # the name in the inventory, as a HostKeyAlias
        ("127.*", True),
        ("eu-1.example,10.0.0.1", False),
        ("host-*,!host-1", True),  # ssh knows no exceptions in a certificate
        ("", False),
    ],
)
def test_it_must_name_the_host(far: Certified, names: str, *, is_known: bool) -> None:
    far.sign(names=names)
    if is_known:
        assert reached(far.target())
    else:
        assert f"not for {far.host.address}, host-1" in why_not(far)


def test_it_must_be_of_that_authority(far: Certified) -> None:
    other = make_key(far.directory / f"other-{far.host.port}")
    fingerprint = ssh.fingerprint(public_of(far.ca))
    assert why_not(far, authorities=(public_of(other),)).endswith(fingerprint)


def test_what_is_revoked_is_never_believed(far: Certified) -> None:
    key, ca = public_of(far.key), public_of(far.ca)
    assert "this host key is revoked" in why_not(far, revoked=(key,))
    assert "this host key is revoked" in why_not(far, revoked=(key,), host_keys=(key,))
    assert "the authority of its certificate is revoked" in why_not(far, revoked=(ca,))


def test_a_pinned_key_of_another_type_helps_where_the_certificate_does_not(tmp_path: Path) -> None:
    far = Certified(tmp_path)
    rsa = make_key(tmp_path / "rsa", "rsa")
    far.fleet = Fleet(
        tmp_path / "two",
        1,
        config=f"HostKey {rsa}\nHostKey {far.key}\nHostCertificate {far.certificate}\n",
    )
    with far.fleet:
        far.sign(options="-h -V 20200101:20200102")
        assert reached(far.target(host_keys=(public_of(rsa),))) is None


@pytest.mark.parametrize("kind", ["rsa", "ecdsa"])
def test_keys_of_other_kinds_are_certified_too(tmp_path: Path, kind: str) -> None:
    far = Certified(tmp_path)
    far.ca, far.key = make_key(tmp_path / "ca2", kind), make_key(tmp_path / "key2", kind)
    far.certificate = tmp_path / "key2-cert.pub"
    sign(far.ca, far.key, names="host-1")
    config = f"HostKey {far.key}\nHostCertificate {far.certificate}\n"
    far.fleet = Fleet(tmp_path / "more", 1, config=config)
    with far.fleet:
        assert reached(far.target())


class TestReading:
    """What sshd itself would not show."""

    @pytest.fixture
    def made(self, tmp_path: Path) -> SimpleNamespace:
        return SimpleNamespace(ca=make_key(tmp_path / "ca"), key=make_key(tmp_path / "key"))

    def read(self, certificate: str, ca: Path, **more: object) -> ssh.Vouched:
        given = {"authorities": [public_of(ca)], "revoked": [], "names": ["eu-1"], **more}
        return certificates.read(certificate, **given)  # type: ignore[arg-type]

    def test_conditions_that_are_not_known_make_it_useless(self, made: SimpleNamespace) -> None:
        options = ("-h", "-O", "critical:never@example=1")
        certificate = sign(made.ca, made.key, names="eu-1", options=options)
        with pytest.raises(InvalidInput, match="conditions"):
            self.read(certificate, made.ca)

    def test_one_bit_makes_it_useless(self, made: SimpleNamespace) -> None:
        kind, text = sign(made.ca, made.key, names="eu-1").split()
        broken = text[:-8] + ("A" if text[-8] != "A" else "B") + text[-7:]
        with pytest.raises(InvalidInput, match="signature"):
            self.read(f"{kind} {broken}", made.ca)
        with pytest.raises(InvalidInput, match="cannot be read"):
            self.read(f"{kind} {text[:40]}", made.ca)

    def test_a_key_is_no_certificate(self, made: SimpleNamespace) -> None:
        with pytest.raises(InvalidInput, match="cannot be read"):
            self.read(public_of(made.key), made.ca)

    def test_sha_1_signs_nothing(self, made: SimpleNamespace, tmp_path: Path) -> None:
        ca = make_key(tmp_path / "rsa", "rsa")
        options = ("-h", "-t", "rsa-sha2-256")
        assert self.read(sign(ca, made.key, names="eu-1", options=options), ca)
        certificate = sign(ca, made.key, names="eu-1", options=("-h", "-t", "ssh-rsa"))
        with pytest.raises(InvalidInput, match="signature"):
            self.read(certificate, ca)

    def test_small_rsa_keys_vouch_for_nothing(self, made: SimpleNamespace, tmp_path: Path) -> None:
        ca = tmp_path / "small"
        words = ["-q", "-t", "rsa", "-b", "1024", "-N", "", "-C", "", "-f", str(ca)]
        subprocess.run(["ssh-keygen", *words], check=True)
        with pytest.raises(InvalidInput, match="under 2048 bits"):
            self.read(sign(ca, made.key, names="eu-1"), ca)

    def test_its_time_is_as_ssh_reads_it(self, made: SimpleNamespace) -> None:
        now = datetime.now(UTC)
        day = timedelta(days=1)
        span = f"{now:%Y%m%d}:{now + day:%Y%m%d}"
        options = ("-h", "-V", span)
        certificate = sign(made.ca, made.key, names="eu-1", options=options)
        with pytest.raises(InvalidInput, match="not valid before"):
            self.read(certificate, made.ca, now=now - 2 * day)
        with pytest.raises(InvalidInput, match="has ended"):
            self.read(certificate, made.ca, now=now + 3 * day)
        always = sign(made.ca, made.key, names="eu-1", options=("-h", "-V", "always:forever"))
        assert self.read(always, made.ca)


def why_not(far: Certified, **changes: object) -> str:
    with pytest.raises(ConnectFailed) as failure:
        ssh.connect(far.target(**changes))
    assert not failure.value.retryable
    assert "authenticating" not in far.fleet.log()
    return str(failure.value)
