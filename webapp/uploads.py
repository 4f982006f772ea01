"""Files that came over the network, where the inventory can read them."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from django.core.files.uploadedfile import TemporaryUploadedFile, UploadedFile
from django.utils.translation import gettext as _

from deploy_tasks.errors import InvalidInput


@contextmanager
def readable(uploads: Sequence["UploadedFile[Any]"]) -> Iterator[Mapping[str, Path]]:
    """Each upload as a file, by its base name and in their order, until the block ends.

    Raises InvalidInput.
    """
    names = [Path(upload.name or "").name or "artifact" for upload in uploads]
    for name in names:
        if names.count(name) > 1:
            raise InvalidInput(
                _("two files are called %(name)s; an entry could mean either") % {"name": name}
            )
    with TemporaryDirectory(prefix="patchwave-upload-") as folder:
        yield {
            name: _path(upload, Path(folder) / str(n))
            for n, (name, upload) in enumerate(zip(names, uploads, strict=True))
        }


def _path(upload: "UploadedFile[Any]", fresh: Path) -> Path:
    # A large one is a file already, and may be too large to copy without need.
    if isinstance(upload, TemporaryUploadedFile):
        return Path(upload.temporary_file_path())
    with fresh.open("wb") as file:
        for chunk in upload.chunks():
            file.write(chunk)
    return fresh
