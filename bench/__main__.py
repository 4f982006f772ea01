"""``python -m bench``: see ``bin/bench -h``."""

import argparse
import json
import tempfile
from pathlib import Path

from bench import update
from bench.figures import Figure, table


def main() -> None:
    parser = argparse.ArgumentParser(prog="bench", description="Measure what Patchwave costs.")
    parser.add_argument("name", nargs="*", help="only these")
    parser.add_argument("--hosts", type=int, default=100)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", action="store_true", help="for machines")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="patchwave-bench-", dir="/dev/shm") as at:
        figures: list[Figure] = update.measure(Path(at), hosts=given.hosts, rounds=given.rounds)
    if given.json:
        print(json.dumps([figure.as_json() for figure in figures], indent=1))
    else:
        print(table(figures))


if __name__ == "__main__":
    main()
