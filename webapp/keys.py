"""Keys made for this instance on first use; no two installs share one. Files are 0600."""

import contextlib
import os
import secrets
from pathlib import Path


def django_secret(home: Path) -> str:
    """The signing key of sessions and CSRF tokens, kept in ``<home>/keys/django``."""
    path = home / "keys" / "django"
    with contextlib.suppress(FileNotFoundError):
        return path.read_text().strip()
    home.mkdir(parents=True, exist_ok=True, mode=0o700)
    path.parent.mkdir(exist_ok=True, mode=0o700)
    fresh = path.with_name(f".django.{os.getpid()}")
    fresh.touch(mode=0o600)
    fresh.write_text(secrets.token_urlsafe(48))
    # Two processes may start at once: a link refuses to replace, so the first key stays.
    with contextlib.suppress(FileExistsError):
        os.link(fresh, path)
    fresh.unlink()
    return path.read_text().strip()
