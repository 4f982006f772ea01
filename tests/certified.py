"""A host whose sshd shows a certificate of ssh-keygen's, as good or as bad as a test wants."""

import subprocess
from pathlib import Path

from demo.fleet import Fleet, FleetHost
from deploy_tasks import ssh
from tests.fleet_fixtures import target_of
from tests.ssh_keys import make_key, public_of


def sign(ca: Path, key: Path, *, names: str, options: tuple[str, ...] = ("-h",)) -> str:
    """The certificate of a key, ``type base64``; its file is beside the key."""
    words = ["-q", "-s", str(ca), "-I", "a host", *options, *(("-n", names) if names else ())]
    subprocess.run(["ssh-keygen", *words, f"{key}.pub"], check=True, capture_output=True)
    return " ".join(key.with_name(f"{key.name}-cert.pub").read_text().split()[:2])


class Certified:
    """One host with an sshd that shows its key plain and in a certificate."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.ca = make_key(directory / "ca")
        self.key = make_key(directory / "key")
        self.certificate = directory / "key-cert.pub"
        sign(self.ca, self.key, names="eu-1")
        config = f"HostKey {self.key}\nHostCertificate {self.certificate}\n"
        self.fleet = Fleet(directory / "fleet", 1, config=config)

    @property
    def host(self) -> FleetHost:
        return self.fleet.hosts[0]

    def sign(self, *, names: str | None = None, by: Path | None = None, **more: str) -> None:
        """Anew; the next connection gets it. ``options``: words of ssh-keygen."""
        options = tuple(more.get("options", "-h").split())
        who = self.host.address if names is None else names
        sign(by or self.ca, self.key, names=who, options=options)
        self.restart()

    def restart(self) -> None:
        self.fleet.stop()
        self.fleet.start()

    def target(self, **changes: object) -> ssh.Target:
        known = {"host_keys": (), "authorities": (public_of(self.ca),)}
        return target_of(self.fleet, self.host, **(known | changes))

    def change_key(self) -> None:
        """As if it was installed anew; signed by the same authority."""
        self.key.unlink()
        make_key(self.key)
        self.sign()
