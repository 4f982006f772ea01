"""The whole product with a fleet to look after. Tests use what a user has, and nothing else."""

import contextlib
import json
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Self

import httpx
from websockets.exceptions import ConnectionClosedOK
from websockets.sync.client import ClientConnection
from websockets.sync.client import connect as open_socket
from websockets.typing import Subprotocol

from demo import toy_game
from demo.fleet import Fleet, FleetHost
from tests.instances import Instance, environment, free_port
from webapp.env import BASE

RECIPE = Path(__file__).parent / "recipe.yml"
#: What the recipe's scripts leave on a host on which all went well at the first try.
MARKS = ["warm", "unpack", "stop", "switch", "start"]
PATIENCE = 60.0


class Product:
    """One running instance, as the command line, programs and pages reach it."""

    def __init__(self, home: Path, **more: str) -> None:
        self.instance = Instance(home, **more)

    def __enter__(self) -> Self:
        self.instance.start()
        try:
            self.token = json.loads(self.cli("token", "robot", "--json"))["token"]
        except BaseException:
            self.instance.stop()
            raise
        self.api = httpx.Client(
            base_url=f"{self.address}/api/v1",
            headers={"Authorization": f"Bearer {self.token}"},
            timeout=20,
        )
        return self

    def __exit__(self, *_: object) -> None:
        self.api.close()
        self.instance.stop()

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.instance.port}"

    def cli(self, *words: str, status: int = 0) -> str:
        """What bin/patchwave prints; fails the test unless it ends with ``status``."""
        told = subprocess.run(
            [BASE / "bin" / "patchwave", *words],
            env=environment(self.instance.home, **self.instance.more),
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert told.returncode == status, told.stdout + told.stderr
        return told.stdout

    def get(self, path: str) -> dict[str, Any]:
        return dict(self.api.get(path).raise_for_status().json())

    def post(self, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
        return dict(self.api.post(path, json=body).raise_for_status().json())

    def log(self, job: int, host: str) -> str:
        return self.api.get(f"/jobs/{job}/hosts/{host}/log").raise_for_status().text

    @contextlib.contextmanager
    def follow(self, job: int, *, after: int = 0) -> Iterator["Story"]:
        with open_socket(
            f"ws://127.0.0.1:{self.instance.port}/ws/jobs/{job}/",
            additional_headers={"Authorization": f"Bearer {self.token}"},
            subprotocols=[Subprotocol("patchwave.v1")],
        ) as socket:
            yield Story(socket, after)


class World:
    """Hosts with version 1.0 of a game running, known to the product; 1.1 is there to roll out."""

    def __init__(self, product: Product, fleet: Fleet, *, game: str, recipe: Path | str) -> None:
        self.fleet, self.game = fleet, game
        self.hosts = fleet.hosts
        self._port = free_port()
        old, new = (toy_game.build_release(fleet.directory, version) for version in ("1.0", "1.1"))
        for host in self.hosts:
            root = toy_game.set_up(
                root_of(host), address=host.address, port=self._port, release=old
            )
            subprocess.run(["sh", root / "ctl", "start"], check=True, timeout=30, env=fleet.mark)
        inventory = fleet.write_inventory(
            fleet.directory / "inventory.yml",
            game=game,
            recipe=str(recipe),
            releases=[("1.0", old), ("1.1", new)],
            vars={"root": "$home/game"},
        )
        product.cli("import", str(inventory))

    def versions(self) -> dict[str, str]:
        """What the running servers tell a player."""
        return {host.name: toy_game.version_at(host.address, self._port) for host in self.hosts}

    def all_at(self, version: str) -> dict[str, str]:
        return {host.name: version for host in self.hosts}


class Story:
    """A job, followed over its socket. Holds the server to a stream without holes."""

    def __init__(self, socket: ClientConnection, after: int) -> None:
        self._socket = socket
        self._send(t="hello", after=after, output="all")
        self.to = after
        self.items: list[dict[str, Any]] = []
        #: How the job ended, once the server has said so.
        self.ended: str | None = None

    def until(self, wanted: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        """Read on until an item is as wanted, and give it."""
        return next(item for item in self._read() if wanted(item))

    def to_the_end(self) -> str:
        for _ in self._read():
            pass
        assert self.ended is not None
        return self.ended

    def output(self, host: str, step: str | None = None) -> str:
        return "".join(
            item["d"]
            for item in self.items
            if item["k"] == "output" and item["h"] == host and step in (None, item["step"])
        )

    def ends_of(self, host: str) -> list[tuple[str, str]]:
        """The steps of a host that have ended, and how."""
        return [
            (item["step"], item["to"])
            for item in self.items
            if item["k"] == "step" and item["h"] == host and item["to"] != "running"
        ]

    def _read(self) -> Iterator[dict[str, Any]]:
        deadline = time.monotonic() + PATIENCE
        while self.ended is None:
            frame = json.loads(self._socket.recv(timeout=max(0.0, deadline - time.monotonic())))
            if frame["t"] == "batch":
                assert frame["from"] == self.to + 1
                self.to = frame["to"]
                with contextlib.suppress(ConnectionClosedOK):  # all was sent; the end is to be read
                    self._send(t="ack", seq=self.to)
                self.items += frame["items"]
                yield from frame["items"]
            elif frame["t"] == "end":
                self.ended = frame["state"]

    def _send(self, **frame: Any) -> None:
        self._socket.send(json.dumps(frame))


def root_of(host: FleetHost) -> Path:
    return host.home / "game"


def marks_of(host: FleetHost) -> list[str]:
    return (root_of(host) / "marks").read_text().split()
