"""RabbitMQ carries the bells; it is started anew, and empty, in the middle of a job."""

import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Self

import pytest

from demo import openssh
from demo.fleet import Fleet
from tests.e2e.world import MARKS, RECIPE, Product, World, marks_of, root_of
from tests.instances import free_port
from tests.waiting import until

#: Debian's wrapper in /usr/sbin wants to be its own service.
PROGRAM = Path("/usr/lib/rabbitmq/bin/rabbitmq-server")

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.skipif(not PROGRAM.exists(), reason="rabbitmq-server is not installed"),
    pytest.mark.skipif(not openssh.usable(), reason="sshd is not installed"),
]


class Rabbit:
    """One node on loopback, with all it keeps in one directory; as root or as anybody."""

    def __init__(self, place: Path) -> None:
        self.place, self.port, self._mapper = place, free_port(), free_port()
        place.mkdir()
        (place / "plugins").write_text("[].\n")
        (place / "rabbitmq.conf").write_text(
            f"listeners.tcp.default = 127.0.0.1:{self.port}\n"
            "distribution.listener.interface = 127.0.0.1\n"
        )
        self._node: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"amqp://guest:guest@127.0.0.1:{self.port}//"

    def __enter__(self) -> Self:
        names = ["epmd", "-address", "127.0.0.1", "-port", str(self._mapper)]
        self._names = subprocess.Popen(names)
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.end()
        self._names.terminate()
        self._names.wait(20)

    def start(self) -> None:
        """It knows nothing of what was before."""
        shutil.rmtree(self.place / "data", ignore_errors=True)
        said = self.place / "said"
        with said.open("wb") as out:
            self._node = subprocess.Popen(
                [PROGRAM], env=self._environment(), stdout=out, stderr=out, start_new_session=True
            )
        up = b"Server startup complete"
        until(lambda: up in said.read_bytes(), "RabbitMQ is up", seconds=100)

    def end(self) -> None:
        """At once, and without a farewell to anybody."""
        assert self._node
        os.killpg(self._node.pid, signal.SIGKILL)
        self._node.wait(20)

    def _environment(self) -> dict[str, str]:
        return {
            "PATH": os.environ["PATH"],
            "HOME": str(self.place),
            "ERL_EPMD_PORT": str(self._mapper),
            "ERL_EPMD_ADDRESS": "127.0.0.1",
            "RABBITMQ_NODENAME": "patchwave@localhost",
            "RABBITMQ_DIST_PORT": str(free_port()),
            "RABBITMQ_CONFIG_FILE": str(self.place / "rabbitmq"),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(self.place / "plugins"),
            "RABBITMQ_MNESIA_BASE": str(self.place / "data"),
            "RABBITMQ_LOG_BASE": str(self.place / "log"),
            "RABBITMQ_LOGS": "-",
        }


@pytest.fixture
def rabbit(tmp_path: Path) -> Iterator[Rabbit]:
    with Rabbit(tmp_path / "rabbit") as rabbit:
        yield rabbit


def test_a_job_goes_on_while_its_broker_is_killed_and_comes_back_empty(
    tmp_path: Path, rabbit: Rabbit
) -> None:
    with (
        Product(tmp_path / "home", PATCHWAVE_BROKER_URL=rabbit.url) as product,
        Fleet(tmp_path / "fleet", 4) as fleet,
    ):
        until(lambda: product.instance.get("/readyz")[0] == 200, "all is well")
        world = World(product, fleet, game="far", recipe=RECIPE)
        for host in world.hosts:
            (root_of(host) / "hold").touch()
        rollout = {"canary": 1, "batches": [1, "100%"]}
        order = {"game": "far", "version": "1.1", "all": True, "rollout": rollout}
        job = product.post("/jobs", order)["id"]
        canary = world.hosts[0]
        until(lambda: (root_of(canary) / "marks").exists(), "the canary works", seconds=60)
        rabbit.end()
        until(lambda: product.instance.get("/readyz")[1]["broker"] == "away", "that is seen")
        for host in world.hosts:
            (root_of(host) / "hold").unlink()
        until(lambda: "start" in marks_of(canary), "what runs goes on without it", seconds=60)
        rabbit.start()
        with product.follow(job) as story:
            assert story.to_the_end() == "succeeded"
        assert world.versions() == world.all_at("1.1")
        assert [marks_of(host) for host in world.hosts] == [MARKS] * 4, "each script once"
        assert product.instance.get("/readyz")[1]["broker"] == "ok"
