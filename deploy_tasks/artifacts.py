"""The store of artifacts: each file lies under its own SHA-256, so it is never overwritten."""

import hashlib
import os
import re
import tempfile
from pathlib import Path

from django.conf import settings

CHUNK = 1024 * 1024


def measure(path: Path) -> tuple[str, int]:
    """SHA-256 in hex, and size in bytes. Raises OSError for a file that cannot be read."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest(), file.tell()


def add(path: Path) -> tuple[str, int]:
    """Copy a file into the store; gives SHA-256 and size of what was stored.

    A file in the store is whole or not there at all, whenever we are interrupted.
    """
    settings.ARTIFACTS.mkdir(parents=True, exist_ok=True)
    digest = hashlib.sha256()
    handle, name = tempfile.mkstemp(dir=settings.ARTIFACTS, prefix=".part-")
    try:
        with os.fdopen(handle, "wb") as part, path.open("rb") as source:
            while chunk := source.read(CHUNK):
                digest.update(chunk)
                part.write(chunk)
            size = part.tell()
            part.flush()
            os.fsync(handle)
            os.fchmod(handle, 0o640)
        Path(name).replace(path_of(digest.hexdigest()))
    finally:
        Path(name).unlink(missing_ok=True)
    return digest.hexdigest(), size


def path_of(sha256: str) -> Path:
    """Where the artifact lies, or would. Raises ValueError for what is no SHA-256."""
    if re.fullmatch(r"[0-9a-f]{64}", sha256) is None:
        raise ValueError(f"not a SHA-256: {sha256!r}")
    path: Path = settings.ARTIFACTS / sha256
    return path
