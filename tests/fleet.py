"""A fleet of real OpenSSH hosts on loopback, for tests, the demo and the benchmarks.

Every host has an address, a home directory and, if asked for, a host key of its own; all are
served by as few sshd processes as OpenSSH allows. Works as root and as an ordinary user.
"""

import contextlib
import os
import pwd
import re
import secrets
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import yaml

SSHD = shutil.which("sshd", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")
#: OpenSSH takes no more listen addresses per process.
HOSTS_PER_SSHD = 16
READY_WITHIN = 15.0

LOGIN = """#!/bin/sh
# The forced command: which host we are follows from the address that was called.
set -- $SSH_CONNECTION
HOME={homes}/$3 FLEET={token} command=$SSH_ORIGINAL_COMMAND
export HOME FLEET
unset SSH_ORIGINAL_COMMAND SHLVL
cd "$HOME" || exit 111
[ ! -r .bashrc ] || . ./.bashrc
[ -n "$command" ] || exec sh -l
exec sh -c "$command"
"""

CONFIG = """
AuthorizedKeysFile {directory}/client_key.pub
ForceCommand {directory}/login
StrictModes no
UsePAM no
PasswordAuthentication no
KbdInteractiveAuthentication no
PermitRootLogin yes
UseDNS no
MaxStartups 4096:100:4096
MaxSessions 200
MaxAuthTries 20
PrintMotd no
PrintLastLog no
AllowAgentForwarding no
X11Forwarding no
AllowTcpForwarding yes
LogLevel INFO
# With this, bash does not read the .bashrc of whoever runs the tests; the hosts have their own.
SetEnv SHLVL=2
PidFile none
Subsystem sftp internal-sftp
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
    ) -> None:
        """Hosts are called ``name``-1 and so on.

        ``config``: further lines of sshd_config; they win over ours.
        """
        if SSHD is None:
            raise RuntimeError("sshd is not installed (Debian package openssh-server)")
        self.directory = directory.resolve()
        self.user = pwd.getpwuid(os.getuid()).pw_name
        self._count, self._name = count, name
        self._own_host_keys, self._config = own_host_keys, config
        self._token = secrets.token_hex(8)
        self._running: dict[int, subprocess.Popen[bytes]] = {}
        self._net: socket.socket | None = None
        self.hosts: list[FleetHost] = []

    def __enter__(self) -> Self:
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
        return {**os.environ, "FLEET": self._token}

    def start(self, group: int = 0) -> None:
        """Start one sshd and wait until it listens on every address of its hosts."""
        members = [host for host in self.hosts if host.group == group]
        listen = [f"-oListenAddress={host.address}:{host.port}" for host in members]
        assert SSHD is not None
        self._running[group] = process = subprocess.Popen(
            [
                *(SSHD, "-D", "-f", str(self.directory / "sshd_config")),
                *("-E", str(self._log(group)), "-h", str(self._host_key_file(group)), *listen),
            ],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        deadline = time.monotonic() + READY_WITHIN
        for host in members:
            while not _listens(host.address, host.port):
                if process.poll() is not None or time.monotonic() > deadline:
                    log = self._log(group)
                    text = log.read_text()[-2000:] if log.exists() else ""
                    raise RuntimeError(f"sshd does not listen on {host.address}: {text}")
                time.sleep(0.01)

    def stop(self, group: int = 0) -> None:
        """Stop one sshd and cut its connections. What runs on its hosts goes on."""
        if process := self._running.pop(group, None):
            connections = _connections(process.pid)
            process.kill()
            process.wait(10)
            _kill(connections)

    def cut(self, group: int = 0) -> None:
        """Cut the connections of one sshd; it takes new ones at once."""
        _kill(_connections(self._running[group].pid))

    def close(self) -> None:
        for group in list(self._running):
            self.stop(group)
        self._end_commands()
        if self._net is not None:
            self._net.close()

    def log(self, group: int = 0) -> str:
        return self._log(group).read_text(errors="replace")

    def inventory(
        self,
        *,
        game: str,
        recipe: str,
        releases: Iterable[tuple[str, Path]] = (),
        vars: Mapping[str, Any] | None = None,
        labels: Mapping[str, str] | None = None,
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
                    "labels": dict(labels or {}),
                    "vars": {name: _filled(value, host) for name, value in (vars or {}).items()},
                }
                for host in self.hosts
            ],
        }

    def write_inventory(self, path: Path, **inventory: Any) -> Path:
        path.write_text(yaml.safe_dump(self.inventory(**inventory), sort_keys=False))
        return path

    def _prepare(self) -> None:
        if os.getuid() == 0:
            Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)
        homes = self.directory / "homes"
        make_key(self.directory / "client_key")
        login = self.directory / "login"
        login.write_text(LOGIN.format(homes=homes, token=self._token))
        login.chmod(0o755)
        (self.directory / "sshd_config").write_text(
            self._config + CONFIG.format(directory=self.directory) + _newer_settings()
        )
        net, self._net = _free_net()
        port = _free_port(f"127.{net}.0.1")
        per_group = 1 if self._own_host_keys else HOSTS_PER_SSHD
        for i in range(self._count):
            address, group = f"127.{net}.{i // 250}.{i % 250 + 1}", i // per_group
            home = homes / address
            home.mkdir(parents=True, exist_ok=True)
            key = public_of(make_key(self._host_key_file(group)))
            name = f"{self._name}-{i + 1}"
            self.hosts.append(FleetHost(name, address, port, home, key, group))

    def _groups(self) -> list[int]:
        return sorted({host.group for host in self.hosts})

    def _host_key_file(self, group: int) -> Path:
        return self.directory / (f"host_key_{group}" if self._own_host_keys else "host_key")

    def _log(self, group: int) -> Path:
        return self.directory / f"sshd_{group}.log"

    def _end_commands(self) -> None:
        """End what was started over SSH and has left its connection, such as a game server."""
        mark = f"FLEET={self._token}".encode()
        deadline = time.monotonic() + 10
        while found := [pid for pid in _processes() if mark in _environment(pid)]:
            _kill(found)
            if time.monotonic() > deadline:
                raise RuntimeError(f"processes of the fleet do not end: {found}")
            time.sleep(0.02)


def _filled(value: Any, host: FleetHost) -> Any:
    if not isinstance(value, str):
        return value
    return value.replace("$home", str(host.home)).replace("$address", host.address)


def make_key(path: Path, kind: str = "ed25519", *, passphrase: str = "") -> Path:
    if not path.exists():
        words = ["-q", "-t", kind, "-N", passphrase, "-C", "", "-f", str(path)]
        subprocess.run(["ssh-keygen", *words], check=True)
    return path


def public_of(key: Path) -> str:
    """The public half, ``type base64``."""
    return key.with_name(key.name + ".pub").read_text().strip()


def _newer_settings() -> str:
    """Settings that only newer versions know, and stop at otherwise."""
    assert SSHD is not None
    said = subprocess.run([SSHD, "-V"], capture_output=True, text=True, check=False).stderr
    version = re.search(r"OpenSSH_(\d+)\.(\d+)", said)
    newer = version and (int(version[1]), int(version[2])) >= (9, 8)
    return "PerSourcePenalties no\n" if newer else ""


def _free_net() -> tuple[int, socket.socket]:
    """A second octet of 127.0.0.0/8 that no other fleet uses, and the lock that says so."""
    for net in range(77, 127):
        lock = socket.socket(socket.AF_UNIX)
        try:
            lock.bind(f"\0fleet-127.{net}")  # an abstract name: free again when the process ends
        except OSError:
            lock.close()
        else:
            return net, lock
    raise RuntimeError("too many fleets at a time")


def _free_port(address: str) -> int:
    with socket.socket() as probe:
        probe.bind((address, 0))
        return int(probe.getsockname()[1])


def _listens(address: str, port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex((address, port)) == 0


def _connections(listener: int) -> list[int]:
    """The processes in which one sshd serves its connections; not the commands they run."""
    parents = {pid: _parent_and_name(pid) for pid in _processes()}
    found, family = [], {listener}
    for pid in sorted(parents):  # a child has seldom a lower number; then the next cut gets it
        parent, name = parents[pid]
        if parent in family and name.startswith("sshd"):
            family.add(pid)
            found.append(pid)
    return found


def _kill(pids: Iterable[int]) -> None:
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def _parent_and_name(pid: int) -> tuple[int, str]:
    try:
        name, _, rest = Path(f"/proc/{pid}/stat").read_text().rpartition(")")
    except OSError:
        return 0, ""
    return int(rest.split()[1]), name.partition("(")[2]


def _processes() -> Iterator[int]:
    return (int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit())


def _environment(pid: int) -> list[bytes]:
    try:
        return Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    except OSError:
        return []
