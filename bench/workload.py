"""The work of a benchmark, as the product and its peers are both given it.

Commands run in the host's home directory. The same bytes, commands and checks for everybody.
"""

import hashlib
import json
import os
import tarfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import yaml

from demo.fleet import Fleet, FleetHost

#: Bytes of an artifact of an update.
PAYLOAD = 256 * 1024
SWITCHED = "echo switched"


@dataclass(frozen=True)
class Step:
    """``run`` in place of ``upload`` brings nothing. ``lines``: how many it prints."""

    name: str
    run: str = ""
    upload: bool = False
    lines: int = 0


@dataclass(frozen=True)
class Workload:
    """``release`` is the word that tells one round from the next on a host's disk."""

    name: str
    steps: tuple[Step, ...]

    @property
    def lines(self) -> int:
        return sum(step.lines for step in self.steps)

    def recipe(self) -> str:
        """Ours: the artifact lies where the product puts it."""
        steps = [
            {"name": step.name, "upload": "artifact"}
            if step.upload
            else {"name": step.name, "run": _filled(step.run, "$version", '"$artifact"')}
            for step in self.steps
        ]
        return yaml.safe_dump({"recipe": self.name, "steps": steps}, sort_keys=False)

    def order(self, fleet: Fleet, hosts: Sequence[FleetHost], release: str, payload: Path) -> str:
        """A peer's: JSON on its standard input."""
        return json.dumps(
            {
                "user": fleet.user,
                "key": str(fleet.directory / "client_key"),
                "payload": str(payload),
                "hosts": [asdict(host) | {"home": str(host.home)} for host in hosts],
                "steps": [
                    asdict(step) | {"run": _filled(step.run, release, "incoming.tar")}
                    for step in self.steps
                ],
            }
        )


#: An update: ask, stop, bring 256 KiB, unpack and switch, 200 lines, health.
UPDATE = Workload(
    "update",
    (
        Step("version", "cat VERSION", lines=1),
        Step("stop", "echo stop; sleep 0.05", lines=1),
        Step("upload", upload=True),
        Step(
            "unpack",
            "sha256sum {artifact} >seen && mkdir -p releases/{release} && "
            "tar xf {artifact} -C releases/{release} && ln -sfn releases/{release} current && "
            "cat seen && echo switched",
            lines=2,
        ),
        Step(
            "lines",
            'seq -f "updating file number %06g of the game server content tree" 1 200',
            lines=200,
        ),
        Step(
            "health",
            "test -s current/data.bin && readlink current && echo {release} >healthy && "
            "echo healthy",
            lines=2,
        ),
    ),
)

#: 20,000 lines from each host.
CHATTY = Workload(
    "chatty",
    (
        Step(
            "chat",
            'seq -f "chatty line %08g: player connected from somewhere, map rotated" 1 20000',
            lines=20_000,
        ),
    ),
)


def make_payload(directory: Path, size: int) -> Path:
    """A tar of so many random bytes."""
    data, payload = directory / "data.bin", directory / "payload.tar"
    data.write_bytes(os.urandom(size))
    with tarfile.open(payload, "w") as tar:
        tar.add(data, "data.bin")
    return payload


def make_ready(hosts: Sequence[FleetHost]) -> None:
    for host in hosts:
        (host.home / "VERSION").write_text("1.0\n")


def updated(hosts: Sequence[FleetHost], release: str, payload: Path) -> int:
    """Hosts on whose disk the update of this round really is."""
    with tarfile.open(payload) as tar:
        wanted = hashlib.sha256((tar.extractfile("data.bin") or tar).read()).digest()
    return sum(_has(host.home, release, wanted) for host in hosts)


def _has(home: Path, release: str, wanted: bytes) -> bool:
    try:
        found = (home / "current" / "data.bin").read_bytes()
        return (
            (home / "healthy").read_text().strip() == release
            and (home / "current").readlink() == Path("releases", release)
            and hashlib.sha256(found).digest() == wanted
        )
    except OSError:
        return False


def _filled(text: str, release: str, artifact: str) -> str:
    return text.replace("{release}", release).replace("{artifact}", artifact)
