"""Static files under names that change with their content: cached for ever, never out of step."""

import hashlib
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path

from django.conf import settings
from django.contrib.staticfiles.finders import get_finders
from django.core.management import call_command
from whitenoise.storage import (  # type: ignore[import-untyped]
    CompressedManifestStaticFilesStorage,
)

#: The larger of two readers of API descriptions that django-ninja brings; our page takes the other.
LEFT_OUT = ["redoc*"]


class StaticFiles(CompressedManifestStaticFilesStorage):  # type: ignore[misc]
    """Also where one JavaScript module imports another: a page never mixes two releases."""

    support_js_module_import_aggregation = True
    #: A module's name changes with those of what it imports. In how many passes they all settle
    #: depends on the order in which a directory lists them: at worst, one for each that a module
    #: is imported through.
    max_post_process_passes = 50


def collect() -> None:
    """Bring them to where they are served from: seconds of work, so only where one has changed."""
    root = Path(settings.STATIC_ROOT)
    stamp, wanted = root.with_name(f"{root.name}.made-of"), _fingerprint()
    if root.exists() and stamp.exists() and stamp.read_text() == wanted:
        return
    # What is half done bears no stamp.
    stamp.unlink(missing_ok=True)
    call_command("collectstatic", verbosity=0, interactive=False, ignore_patterns=LEFT_OUT)
    stamp.write_text(wanted)


def _fingerprint() -> str:
    """Of all that the collected files come from, those who make them included."""
    found = hashlib.sha256()
    for program in ("django", "whitenoise"):
        found.update(f"{program} {version(program)}\n".encode())
    for name, path in sorted([*_sources(), ("", Path(__file__))]):
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        found.update(f"{name} {digest}\n".encode())
    return found.hexdigest()


def _sources() -> Iterator[tuple[str, Path]]:
    for finder in get_finders():
        for name, storage in finder.list(LEFT_OUT):
            yield name, Path(storage.path(name))
