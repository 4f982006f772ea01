"""A small game server of our own, its releases, and hosts that run it.

``$root`` on a host is as the recipe symlink-release wants it: ``releases/<version>``, ``current``
and ``ctl``. A release holds ``server.py``, ``VERSION`` and, where it misbehaves, ``behaviour``.
While ``$root/backup.lock`` is there, ``ctl start`` refuses.
"""

import gzip
import hashlib
import io
import shlex
import shutil
import sys
import tarfile
from pathlib import Path
from typing import Literal

from mcstatus import JavaServer

#: crash: ends a moment after its start. hang: runs and never listens. slow: listens after 3 s.
#: stubborn: does not end when it is told to.
Behaviour = Literal["ok", "crash", "hang", "slow", "stubborn"]

HERE = Path(__file__).parent


def build_release(directory: Path, version: str, behaviour: Behaviour = "ok") -> Path:
    """The archive of one release. The same release is the same bytes."""
    files = {"server.py": (HERE / "server.py").read_bytes(), "VERSION": f"{version}\n".encode()}
    if behaviour != "ok":
        files["behaviour"] = f"{behaviour}\n".encode()
    path = directory / f"toy-{version}-{behaviour}.tar.gz"
    with (
        path.open("wb") as file,
        gzip.GzipFile(fileobj=file, mode="wb", mtime=0) as packed,
        tarfile.open(fileobj=packed, mode="w") as archive,
    ):
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size, member.mode = len(content), 0o644
            archive.addfile(member, io.BytesIO(content))
    return path


def set_up(root: Path, *, address: str, port: int, release: Path | None = None) -> Path:
    """Make ``root`` ready for updates, with a release installed (not started) if one is given."""
    (root / "releases").mkdir(parents=True)
    shutil.copy(HERE / "ctl", root / "ctl")
    (root / "game.conf").write_text(
        f"python={shlex.quote(sys.executable)}\naddress={address}\nport={port}\n"
    )
    if release is not None:
        _install(root, release)
    return root


def version_at(address: str, port: int) -> str:
    """The version that the running server tells a player. Raises OSError where none answers."""
    return str(JavaServer(address, port, timeout=3).status(tries=1).version.name)


def _install(root: Path, release: Path) -> None:
    with tarfile.open(release) as archive:
        files = {member.name: archive.extractfile(member) for member in archive}
        contents = {name: file.read() for name, file in files.items() if file is not None}
    version = contents["VERSION"].decode().strip()
    checksum = hashlib.sha256(release.read_bytes()).hexdigest()
    directory = root / "releases" / version
    directory.mkdir()
    for name, content in {**contents, ".complete": f"{checksum}\n".encode()}.items():
        (directory / name).write_bytes(content)
    (root / "current").symlink_to(f"releases/{version}")
