"""R14: the disk of an instance is really full, in the middle of an update. Its worker dies then."""

import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from demo import openssh
from demo.fleet import Fleet
from tests.e2e.test_storm import is_up
from tests.e2e.world import Product, World, root_of
from tests.waiting import until

pytestmark = [pytest.mark.e2e, pytest.mark.slow, pytest.mark.timeout(600)]

RECIPE = """
recipe: full
vars: {root: {type: path, required: true}}
steps:
  - name: talk
    run: |
      echo began >>"$root/marks"
      while [ ! -e "$root/go" ]; do seq 1 2000 | tee -a "$root/said"; sleep 0.05; done
  - name: next
    run: echo next >>"$root/marks"
"""


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 96 MB."""
    (place := tmp_path / "disk").mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=96m", "patchwave-test", place]
    if subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("cannot mount a file system of its own (root)")
    yield place
    subprocess.run(["umount", "-l", place], check=True)


def fill(disk: Path) -> None:
    """To the last block that others have left, also while they go on."""
    with (disk / "ballast").open("ab", buffering=0) as ballast:
        for size in (1 << 20, 4096):
            try:
                while True:
                    ballast.write(bytes(size))
            except OSError:
                continue


def test_an_update_goes_on_when_there_is_room_again(disk: Path, tmp_path: Path) -> None:
    if not openssh.usable():
        pytest.skip("sshd is not installed (Debian package openssh-server)")
    (recipe := tmp_path / "full.yml").write_text(RECIPE)
    with Product(disk / "home") as product, Fleet(tmp_path / "fleet", 3, name="full") as fleet:
        world = World(product, fleet, game="full", recipe=recipe)
        job = product.post("/jobs", {"game": "full", "version": "1.1", "all": True})["id"]
        until(lambda: len(product.log(job, world.hosts[0].name)) > 100_000, "it is told")
        fill(disk)
        by_then = said(world)
        until(lambda: said(world) > by_then + (1 << 20), "the hosts go on")
        fill(disk)
        assert product.get(f"/jobs/{job}")["state"] == "running"
        for program in ("worker", "web"):
            os.kill(product.instance.pid(program), signal.SIGKILL)
        until(lambda: is_up(product.instance), "the pages are there again", seconds=60)
        for host in world.hosts:
            (root_of(host) / "go").touch()
        fill(disk)
        until(lambda: all("next" in marks(world, n) for n in range(3)), "the hosts are through")
        (disk / "ballast").unlink()
        until(
            lambda: product.get(f"/jobs/{job}")["state"] == "succeeded", "all is told", seconds=90
        )
        for n, host in enumerate(world.hosts):
            assert marks(world, n) == ["began", "next"]
            assert product.log(job, host.name) == (root_of(host) / "said").read_text()


def said(world: World) -> int:
    """Bytes, of the host that has said the least."""
    return min((root_of(host) / "said").stat().st_size for host in world.hosts)


def marks(world: World, n: int) -> list[str]:
    return (root_of(world.hosts[n]) / "marks").read_text().split()
