"""S33, S34, S35, S41: secrets planted in a running product, and looked for everywhere after a real
job on a real host: database, logs, broker, processes, downloads, files on the host."""

import base64
import contextlib
import os
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import redis

from demo.fleet import Fleet
from tests.e2e.world import Product
from tests.instances import environment
from tests.ssh_keys import make_key
from tests.waiting import until
from webapp.env import BASE

pytestmark = pytest.mark.e2e

SECRET = "Tr0ub4dor&3 'x'"
PASSPHRASE = "correct-horse-battery"
RECIPE = """\
recipe: leaky
vars:
  rcon: {type: secret, required: true}
steps:
  - name: leak
    run: |
      echo "$rcon"
      printf '%s' "$rcon" | cut -c1-6; printf '%s' "${rcon#??????}"; echo
      printf '%s' "$rcon" | base64
      printf 'x%s' "$rcon" | base64
      printf 'xy%sz' "$rcon" | base64
      printf 'some words before it, so that base64 folds in its midst: xy%s' "$rcon" | base64
      printf '\\033[1m%s\\033[0m%s\\n' "$(printf '%s' "$rcon" | cut -c1-7)" "${rcon#???????}"
      printf '%s' "$rcon" | od -An -tx1 | tr -d ' \\n'; echo
      (set -x; : "$rcon") || true
      printf '%s' "$rcon" | { head -c 4; sleep .3; cat; }; echo
      find "$HOME/.patchwave" -printf '%m %u %p\\n' | sed 's/^/file /'
      sleep 1
  - name: fail
    run: echo "no such $rcon" >&2; exit 3
"""


class Watch(threading.Thread):
    """Reads all argument lists and environments of this machine every few milliseconds."""

    def __init__(self, needles: list[bytes]) -> None:
        super().__init__(daemon=True)
        self._needles, self.found, self.over = needles, set[str](), threading.Event()
        self.rounds = 0

    def run(self) -> None:
        me = str(os.getpid())
        while not self.over.wait(0.01):
            self.rounds += 1
            for process in Path("/proc").glob("[0-9]*"):
                for name in ("cmdline", "environ"):
                    with contextlib.suppress(OSError):
                        text = (process / name).read_bytes()
                        if process.name != me and any(one in text for one in self._needles):
                            self.found.add(f"{name} of {text[:200]!r}")


@pytest.fixture(scope="module")
def product(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Product]:
    with Product(tmp_path_factory.mktemp("product") / "home") as product:
        yield product


def needles() -> list[bytes]:
    """What must be nowhere: each secret, and what a careless copy of it would look like."""
    found = []
    for secret in (SECRET, PASSPHRASE):
        raw = secret.encode()
        found += [raw, base64.b64encode(raw), raw.hex().encode()]
    return found


def test_s33_s34_s35_s41_a_planted_secret_is_found_nowhere(
    product: Product, tmp_path: Path
) -> None:
    with Fleet(tmp_path / "fleet", 1) as fleet:
        key = make_key(tmp_path / "locked", passphrase=PASSPHRASE)
        (fleet.directory / "client_key.pub").write_text((tmp_path / "locked.pub").read_text())
        _import(product, tmp_path, fleet, key)
        private = key.read_text().splitlines()[2].encode()
        watch = Watch([*needles(), private])
        watch.start()
        try:
            job = product.post("/jobs", {"game": "leaky", "version": "1", "all": True})["id"]
            until(
                lambda: product.get(f"/jobs/{job}")["state"] in ("failed", "succeeded"),
                "the job has ended",
                seconds=60,
            )
        finally:
            watch.over.set()
            watch.join()
        report = product.get(f"/jobs/{job}/hosts")["hosts"][0]
        assert (report["state"], report["step"]) == ("failed", "fail"), report
        log = product.log(job, "host-1")
        assert log.count("[MASKED]") >= 10, log
        assert "no such [MASKED]" in log
        assert watch.found == set()
        assert watch.rounds > 3
        _assert_private_files(log, fleet)
        for place, content in _everything(product, job):
            for needle in [*needles(), private]:
                assert needle not in content, f"a secret is in {place}"


def _import(product: Product, folder: Path, fleet: Fleet, key: Path) -> None:
    (folder / "rcon").write_text(SECRET)
    (folder / "passphrase").write_text(PASSPHRASE)
    (folder / "leaky.yml").write_text(RECIPE)
    host = fleet.hosts[0]
    (folder / "inventory.yml").write_text(
        f"""\
credentials:
  - {{name: fleet, private_key_file: {key.name}, passphrase: {{file: passphrase}}}}
  - {{name: rcon, secret: {{file: rcon}}}}
games:
  - {{name: leaky, recipe: ./leaky.yml, vars: {{rcon: rcon}}}}
releases:
  - {{game: leaky, version: "1"}}
hosts:
  - {{name: host-1, game: leaky, address: {host.address}, port: {host.port},
     user: {fleet.user}, credential: fleet, host_key: "{host.host_key}"}}
"""
    )
    product.cli("import", str(folder / "inventory.yml"))


def _assert_private_files(log: str, fleet: Fleet) -> None:
    """S35: nobody else gets at anything below ~/.patchwave."""
    files = [line.split(" ", 3)[1:] for line in log.splitlines() if line.startswith("file ")]
    assert files
    closed = {path for mode, _owner, path in files if int(mode, 8) & 0o077 == 0}
    for mode, owner, path in files:
        assert owner == fleet.user, path
        assert path in closed or closed & {str(one) for one in Path(path).parents}, f"{mode} {path}"


def _everything(product: Product, job: int) -> Iterator[tuple[str, bytes]]:
    """All that the product keeps, prints and gives out."""
    home = product.instance.home
    for path in home.rglob("*"):
        if path.is_file():
            yield str(path.relative_to(home)), path.read_bytes()
    yield "what bin/serve printed", product.instance.said.encode()
    socket = product.instance.run_dir / "valkey.sock"
    for database in (0, 1):
        with redis.Redis(unix_socket_path=str(socket), db=database) as broker:
            for name in broker.scan_iter():
                yield f"broker {name!r}", _dumped(broker, name)
    for path in (f"/jobs/{job}", f"/jobs/{job}/hosts", f"/jobs/{job}/events", "/hosts", "/games"):
        yield path, product.api.get(path).content
    for safe in ("0", "1"):
        yield "log", product.api.get(f"/jobs/{job}/hosts/host-1/log?safe={safe}").content


def _dumped(broker: Any, name: bytes) -> bytes:
    return bytes(broker.dump(name) or b"")


def test_s41_a_dump_of_the_tables_holds_boxes_alone(product: Product, tmp_path: Path) -> None:
    (tmp_path / "rcon").write_text(SECRET)
    (tmp_path / "inventory.yml").write_text(
        "credentials:\n  - {name: rcon, secret: {file: rcon}}\n"
    )
    product.cli("import", str(tmp_path / "inventory.yml"))
    product.cli("backup", str(tmp_path / "backup.tar"))
    dumped = subprocess.run(
        [BASE / "bin" / "in-venv", "python", "manage.py", "dumpdata"],
        cwd=BASE,
        env=environment(product.instance.home),
        capture_output=True,
        timeout=120,
        check=True,
    ).stdout
    assert b'"rcon"' in dumped
    for content in (dumped, (tmp_path / "backup.tar").read_bytes()):
        assert not any(needle in content for needle in needles())
