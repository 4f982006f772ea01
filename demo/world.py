"""The fleet of a demo: every host has the old version of a game running, the new one is there to
roll out."""

import subprocess
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

from demo import loopback, toy_game
from demo.fleet import Fleet, FleetHost

T = TypeVar("T")

GAME, OLD, NEW = "blocks", "1.0.0", "1.1.0"
#: Where players of such a game look first.
USUAL_PORT = 25565
START_WITHIN = 60.0
LOCK = "nightly backup, begun 04:00\n"


class World:
    def __init__(self, fleet: Fleet) -> None:
        """Builds releases and host directories; nothing runs yet."""
        self.fleet = fleet
        self.hosts = {host.name: host for host in fleet.hosts}
        self.port = loopback.port_on([host.address for host in fleet.hosts], usual=USUAL_PORT)
        self._builds = {
            version: toy_game.build_release(fleet.directory, version) for version in (OLD, NEW)
        }
        for host in fleet.hosts:
            toy_game.set_up(
                _root(host), address=host.address, port=self.port, release=self._builds[OLD]
            )

    def write_inventory(self) -> Path:
        return self.fleet.write_inventory(
            self.fleet.directory / "inventory.yml",
            game=GAME,
            recipe="symlink-release",
            releases=self._builds.items(),
            vars={"root": "$home/game", "port": self.port},
            labels=_labels,
        )

    def start_games(self) -> None:
        """Each by its own ctl, as its recipe does it."""
        _for_all(self._start, self.hosts.values())

    def not_at(self, version: str) -> dict[str, str]:
        """What hosts answer that do not tell a player this version; empty: nothing."""
        told = zip(self.hosts, _for_all(self._version, self.hosts.values()), strict=True)
        return {name: answer for name, answer in told if answer != version}

    def lock(self, name: str) -> None:
        """From now on the game server of this host cannot be started."""
        self._lock_file(name).write_text(LOCK)

    def unlock(self, name: str) -> None:
        self._lock_file(name).unlink(missing_ok=True)

    def _lock_file(self, name: str) -> Path:
        return _root(self.hosts[name]) / "backup.lock"

    def _start(self, host: FleetHost) -> None:
        subprocess.run(
            ["sh", _root(host) / "ctl", "start"],
            env=self.fleet.mark,
            stdout=subprocess.DEVNULL,
            check=True,
            timeout=START_WITHIN,
            process_group=0,
        )

    def _version(self, host: FleetHost) -> str:
        try:
            return toy_game.version_at(host.address, self.port)
        except OSError:
            return ""


def _root(host: FleetHost) -> Path:
    return host.home / "game"


def _labels(host: FleetHost) -> dict[str, str]:
    return {"region": "eu", "shard": "ab"[int(host.name.rpartition("-")[2]) % 2]}


def _for_all(do: Callable[[FleetHost], T], hosts: Iterable[FleetHost]) -> list[T]:
    pool = ThreadPoolExecutor(16)
    try:
        return list(pool.map(do, hosts))
    finally:
        pool.shutdown(cancel_futures=True)
