"""A fleet of real SSH hosts on loopback, for the demo, tests and benchmarks.

Every host has an address, a home directory and, if asked for, a host key of its own; all are
served by as few servers as possible. Works as root and as an ordinary user.
"""

import hashlib
import os
import pwd
import shlex
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import yaml

from demo import loopback, openssh, processes
from demo.keys import make_key, public_of

READY_WITHIN = 15.0

LOGIN = """#!/bin/sh
# The forced command: which host we are follows from the address that was called.
set -- $SSH_CONNECTION
HOME={homes}/$3 FLEET={mark} command=$SSH_ORIGINAL_COMMAND
export HOME FLEET
unset SSH_ORIGINAL_COMMAND SHLVL
cd "$HOME" || exit 111
[ ! -r .bashrc ] || . ./.bashrc
[ -n "$command" ] || exec sh -l
exec sh -c "$command"
"""


@dataclass(frozen=True)
class FleetHost:
    name: str
    address: str
    port: int
    home: Path
    host_key: str
    group: int


class Fleet:
    """``with Fleet(directory, 5) as fleet:`` — hosts that end with the block, whatever happens."""

    def __init__(
        self,
        directory: Path,
        count: int,
        *,
        name: str = "host",
        own_host_keys: bool = False,
        config: str = "",
        with_openssh: bool | None = None,
    ) -> None:
        """Hosts are called ``name``-1 and so on, of one length.

        What an earlier fleet left running in ``directory`` is ended first.

        ``config``: further lines of sshd_config; they win over ours.
        ``with_openssh``: by OpenSSH's server or by our small one; left out, by what there is.
        """
        self.directory = directory.resolve()
        self._openssh = openssh.usable() if with_openssh is None else with_openssh
        self.user = pwd.getpwuid(os.getuid()).pw_name if self._openssh else "game"
        self._count, self._name = count, name
        self._own_host_keys, self._config = own_host_keys, config
        # Of the directory, so that the next fleet there knows what a crash of this one left.
        self._mark = hashlib.sha256(os.fsencode(self.directory)).hexdigest()[:16]
        self._running: dict[int, subprocess.Popen[bytes]] = {}
        self._net: socket.socket | None = None
        self.hosts: list[FleetHost] = []

    def __enter__(self) -> Self:
        self.end_leftovers()
        self.directory.mkdir(parents=True, exist_ok=True)
        try:
            self._prepare()
            for group in self._groups():
                self.start(group)
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def private_key(self) -> str:
        return (self.directory / "client_key").read_text()

    @property
    def mark(self) -> dict[str, str]:
        """The environment of what is started by hand and shall end with the fleet."""
        return {**os.environ, "FLEET": self._mark}

    def start(self, group: int = 0) -> None:
        """Start one server and wait until it listens on every address of its hosts."""
        members = [host for host in self.hosts if host.group == group]
        with self._log(group).open("ab") as log:
            self._running[group] = process = subprocess.Popen(
                self._server(group, [f"{host.address}:{host.port}" for host in members]),
                cwd=Path(__file__).parent.parent,
                env=self.mark,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        deadline = time.monotonic() + READY_WITHIN
        for host in members:
            while not loopback.listens(host.address, host.port):
                if process.poll() is not None or time.monotonic() > deadline:
                    raise RuntimeError(
                        f"no SSH server on {host.address}: {self.log(group)[-2000:]}"
                    )
                time.sleep(0.01)

    def stop(self, group: int = 0) -> None:
        """Stop one server and cut its connections. What runs on its hosts goes on."""
        if process := self._running.pop(group, None):
            connections = []
            if process.poll() is None:
                # What it begins while we look would keep its port.
                process.send_signal(signal.SIGSTOP)
                os.waitid(os.P_PID, process.pid, os.WSTOPPED | os.WEXITED | os.WNOWAIT)
                connections = processes.connections(process.pid)
                process.kill()
            process.wait(10)
            processes.end(connections)

    def freeze(self, group: int = 0, *, and_connections: bool = False) -> None:
        """Its hosts take connections, and not a word comes; nor, if wanted, on those they have."""
        self._running[group].send_signal(signal.SIGSTOP)
        if and_connections:
            processes.send(signal.SIGSTOP, processes.connections(self._running[group].pid))

    def thaw(self, group: int = 0) -> None:
        processes.send(signal.SIGCONT, processes.connections(self._running[group].pid))
        self._running[group].send_signal(signal.SIGCONT)

    def cut(self, group: int = 0) -> None:
        """Cut the connections of one sshd; it takes new ones at once."""
        processes.kill(processes.connections(self._running[group].pid))

    def close(self) -> None:
        for group in list(self._running):
            self.stop(group)
        self.end_leftovers()
        if self._net is not None:
            self._net.close()

    def end_leftovers(self) -> None:
        """End what was started over SSH and has left its connection, such as a game server, and
        what a fleet in this directory left when it was killed."""
        deadline = time.monotonic() + 10
        while found := [pid for pid in processes.running() if self._is_ours(pid)]:
            processes.kill(found)
            if time.monotonic() > deadline:
                raise RuntimeError(f"processes of the fleet do not end: {found}")
            time.sleep(0.02)

    def log(self, group: int = 0) -> str:
        return self._log(group).read_text(errors="replace")

    def inventory(
        self,
        *,
        game: str,
        recipe: str,
        releases: Iterable[tuple[str, Path]] = (),
        vars: Mapping[str, Any] | None = None,
        labels: Callable[[FleetHost], Mapping[str, str]] = lambda host: {},
    ) -> dict[str, Any]:
        """The inventory of these hosts. In vars, ``$home`` and ``$address`` are the host's own."""
        return {
            "credentials": [
                {"name": "fleet", "private_key_file": str(self.directory / "client_key")}
            ],
            "games": [{"name": game, "recipe": recipe}],
            "releases": [
                {"game": game, "version": version, "artifact": str(artifact)}
                for version, artifact in releases
            ],
            "hosts": [
                {
                    "name": host.name,
                    "game": game,
                    "address": host.address,
                    "port": host.port,
                    "user": self.user,
                    "credential": "fleet",
                    "host_key": host.host_key,
                    "labels": dict(labels(host)),
                    "vars": {name: _filled(value, host) for name, value in (vars or {}).items()},
                }
                for host in self.hosts
            ],
        }

    def write_inventory(self, path: Path, **inventory: Any) -> Path:
        path.write_text(yaml.safe_dump(self.inventory(**inventory), sort_keys=False))
        return path

    def _prepare(self) -> None:
        homes = self.directory / "homes"
        make_key(self.directory / "client_key")
        self._login.write_text(LOGIN.format(homes=shlex.quote(str(homes)), mark=self._mark))
        self._login.chmod(0o755)
        if self._openssh:
            key = self.directory / "client_key.pub"
            text = openssh.config(authorized_key=key, login=self._login, more=self._config)
            self._sshd_config.write_text(text)
        net, self._net = loopback.free_net()
        port = loopback.free_port(f"127.{net}.0.1")
        for i in range(self._count):
            address, group = f"127.{net}.{i // 250}.{i % 250 + 1}", i // self._hosts_per_server
            home = homes / address
            home.mkdir(parents=True, exist_ok=True)
            key = make_key(self._host_key_file(group))
            name = f"{self._name}-{i + 1:0{len(str(self._count))}}"
            self.hosts.append(FleetHost(name, address, port, home, public_of(key), group))

    @property
    def _hosts_per_server(self) -> int:
        if self._own_host_keys:
            return 1
        return openssh.ADDRESSES_PER_SSHD if self._openssh else self._count

    def _server(self, group: int, listen: list[str]) -> list[str]:
        host_key = self._host_key_file(group)
        if self._openssh:
            log = self._log(group)
            return openssh.command(self._sshd_config, host_key=host_key, log=log, listen=listen)
        files = [self._login, host_key, self.directory / "client_key.pub"]
        return [sys.executable, "-m", "demo.small_sshd", *map(str, files), *listen]

    def _groups(self) -> list[int]:
        return sorted({host.group for host in self.hosts})

    @property
    def _login(self) -> Path:
        return self.directory / "login"

    @property
    def _sshd_config(self) -> Path:
        return self.directory / "sshd_config"

    def _host_key_file(self, group: int) -> Path:
        return self.directory / (f"host_key_{group}" if self._own_host_keys else "host_key")

    def _log(self, group: int) -> Path:
        return self.directory / f"sshd_{group}.log"

    def _is_ours(self, pid: int) -> bool:
        """By its environment; sshd writes its title over that, and the title names its file."""
        return f"FLEET={self._mark}".encode() in processes.words(pid, "environ") or os.fsencode(
            f"-f {self._sshd_config} "
        ) in b" ".join(processes.words(pid, "cmdline"))


def _filled(value: Any, host: FleetHost) -> Any:
    if not isinstance(value, str):
        return value
    return value.replace("$home", str(host.home)).replace("$address", host.address)
