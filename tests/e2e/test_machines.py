"""Several machines: the web process on one, a worker on another, PostgreSQL and Valkey over TCP."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from demo import openssh
from demo.fleet import Fleet
from tests import postgres
from tests.e2e.world import MARKS, RECIPE, Product, World, marks_of
from tests.instances import Instance, free_port, refusal
from tests.waiting import until
from webapp import valkey
from webapp.env import Env

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.skipif(not postgres.installed(), reason="the PostgreSQL wheel is not installed"),
    pytest.mark.skipif(not openssh.usable(), reason="sshd is not installed"),
]


@pytest.fixture
def shared(tmp_path: Path) -> Iterator[dict[str, str]]:
    """What both machines are told."""
    port = free_port()
    options = ["--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", str(tmp_path)]
    with (
        postgres.server(port=free_port()) as database,
        subprocess.Popen([valkey.program(), *options], stdout=subprocess.DEVNULL) as broker,
    ):
        yield {
            "PATCHWAVE_DATABASE_URL": database,
            "PATCHWAVE_REDIS_URL": f"redis://127.0.0.1:{port}",
        }
        broker.terminate()


def test_a_worker_on_another_machine_updates_the_hosts(
    tmp_path: Path, shared: dict[str, str]
) -> None:
    here, there = tmp_path / "web", tmp_path / "worker"
    worker = Instance(there, **shared, PATCHWAVE_PROGRAMS="worker")
    assert "No key that opens secrets is in " in refusal(there, **worker.more)

    with (
        Product(here, **shared, PATCHWAVE_PROGRAMS="web,beat") as product,
        Fleet(tmp_path / "fleet", 2) as fleet,
    ):
        assert product.instance.get("/readyz")[1]["worker"] == "away"
        # As docs/INSTALL.md says: the keys go to the worker alone, the artifacts are one folder.
        (there / "keys" / "seal").mkdir()
        for key in (here / "keys" / "seal").glob("*.key"):
            key.rename(there / "keys" / "seal" / key.name)
        (there / "artifacts").rmdir()
        (there / "artifacts").symlink_to(here / "artifacts")
        worker.start()
        try:
            until(lambda: product.instance.get("/readyz")[0] == 200, "a worker is seen")
            world = World(product, fleet, game="far", recipe=RECIPE)
            job = product.post("/jobs", {"game": "far", "version": "1.1", "all": True})["id"]
            with product.follow(job) as story:
                assert story.to_the_end() == "succeeded"
            assert world.versions() == world.all_at("1.1")
            assert [marks_of(host) for host in world.hosts] == [MARKS, MARKS]
            records = {path.stem for path in Env(home=there).run_dir.glob("*.process")}
            assert records == {"supervisor", "worker"}
        finally:
            worker.stop()


def test_programs_of_several_machines_need_what_they_share(tmp_path: Path) -> None:
    said = refusal(tmp_path / "home", PATCHWAVE_PROGRAMS="worker")
    assert said.startswith("PATCHWAVE_PROGRAMS=worker leaves programs to other machines: set ")
    assert "\n" not in said
