"""Hosts behind a cable that can be pulled: a network namespace of their own, and one link to it."""

import os
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from demo import openssh
from demo.fleet import Fleet


class Island(Fleet):
    """While the link is down nothing is answered and nothing refused: bytes are lost, no more."""

    def _prepare(self) -> None:
        super()._prepare()
        number = self.hosts[0].address.split(".")[1]  # no other fleet of this machine has it
        self._name_of_it, self._outer, self._inner = (f"pw{kind}{number}" for kind in "nab")
        moved = [f"10.203.{number}.{n}" for n in range(2, 2 + len(self.hosts))]
        self.hosts = [
            replace(host, address=address, home=host.home.rename(host.home.with_name(address)))
            for host, address in zip(self.hosts, moved, strict=True)
        ]
        self._remove()
        _ip("netns", "add", self._name_of_it)
        _ip("link", "add", self._outer, "type", "veth", "peer", "name", self._inner)
        _ip("link", "set", self._inner, "netns", self._name_of_it)
        _ip("addr", "add", f"10.203.{number}.1/24", "dev", self._outer)
        _ip("link", "set", self._outer, "up")
        for address in moved:
            self._inside("addr", "add", f"{address}/24", "dev", self._inner)
        self._inside("link", "set", "lo", "up")
        self.plug_in()

    def pull(self) -> None:
        self._inside("link", "set", self._inner, "down")

    def plug_in(self) -> None:
        self._inside("link", "set", self._inner, "up")

    def close(self) -> None:
        super().close()
        self._remove()

    def _server(self, group: int, listen: list[str]) -> list[str]:
        return ["ip", "netns", "exec", self._name_of_it, *super()._server(group, listen)]

    def _inside(self, *words: str) -> None:
        _ip("-n", self._name_of_it, *words)

    def _remove(self) -> None:
        """Also what a run that was killed has left."""
        for words in (["link", "del", self._outer], ["netns", "del", self._name_of_it]):
            subprocess.run(["ip", *words], capture_output=True, check=False)


def _ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True, capture_output=True)


def island(directory: Path, count: int) -> Iterator[Island]:
    """The body of a fixture."""
    if not openssh.usable():
        pytest.skip("sshd is not installed (Debian package openssh-server)")
    trial = f"pwt{os.getpid()}"
    link = ["ip", "link", "add", trial, "type", "veth", "peer", "name", f"{trial}x"]
    try:
        subprocess.run(["unshare", "-n", "true"], check=True, capture_output=True)
        subprocess.run(link, check=True, capture_output=True)
        subprocess.run(["ip", "link", "del", trial], check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("needs network namespaces and veth links of its own (root, iproute2)")
    with Island(directory, count) as fleet:
        yield fleet
