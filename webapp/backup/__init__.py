"""Backups: every row, the keys and the artifacts in one file, from any database and for any.

A tar: ``about.json``, ``rows/<model>.jsonl.gz``, ``artifacts/<sha256>``, ``keys/…``. It holds what
opens every secret, so it is readable by its owner alone.
"""

import json
import os
import re
import shutil
import tarfile
import tempfile
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import IO, Literal, TypedDict

from django.conf import settings
from django.db import connection
from django.db.migrations.recorder import MigrationRecorder
from django.utils.translation import gettext as _

from deploy_tasks import artifacts, audit, clock, restored
from deploy_tasks.audit import guard
from deploy_tasks.models import Instance, Release
from deploy_tasks.times import iso
from webapp.backup import rows

FORMAT = 1
PARTS: tuple[Literal["rows", "artifacts", "keys"], ...] = ("rows", "artifacts", "keys")
MEMBER = re.compile(
    r"about\.json|rows/[\w.]+\.jsonl\.gz|artifacts/[0-9a-f]{64}|keys/(django|audit|seal/[\w.-]+)"
)


class About(TypedDict):
    """``migrations``: all that had been applied, ``app.name`` each."""

    format: int
    made_at: str
    migrations: list[str]
    rows: int
    artifacts: int
    keys: int
    private_keys: bool


class CannotRestore(Exception):
    """The file cannot be restored here, and we can say why. Nothing was changed."""


def make(file: Path) -> About:
    """Write a backup of this moment; the instance may go on. Raises OSError.

    An older file of that name stays until the new one is whole.
    """
    part = file.with_name(f".{file.name}.part")
    part.unlink(missing_ok=True)
    part.touch(mode=0o600)
    try:
        with tarfile.open(part, "w") as archive:
            about = _write(archive)
        part.replace(file)
    finally:
        part.unlink(missing_ok=True)
    return about


def restore(file: Path) -> About:
    """Put everything of a backup in the place of what is here. Nothing may run on this instance.

    Watchers begin anew, and no job goes on by itself. Raises CannotRestore, OSError.
    """
    try:
        with tarfile.open(file) as archive, guard.lifted():
            members = iter(archive)
            about = _read_about(archive, next(members, None))
            rows.delete_all()
            taken = Counter[str]()
            for member in members:
                taken += _take(archive, member)
            # A file that was cut off between two of its parts ends as well as a whole one.
            if taken != Counter({part: about[part] for part in PARTS}):
                raise rows.Damaged(_("it is not whole"))
            rows.set_sequences()
            connection.check_constraints()
            Instance.current()
            Instance.objects.update(epoch=Instance._meta.get_field("epoch").get_default())
            restored.hold_open_jobs(datetime.fromisoformat(about["made_at"]))
            audit.record(None, "restore", file.name, made_at=about["made_at"])
    except (tarfile.TarError, EOFError, rows.Damaged) as error:
        raise CannotRestore(_("%(file)s is damaged: %(why)s") % {"file": file, "why": error})
    return about


def _write(archive: tarfile.TarFile) -> About:
    keys = dict(_keys())
    with _snapshot(), tempfile.TemporaryDirectory(dir=settings.HOME) as place:
        dumped = {model: rows.dump(model, Path(place)) for model in rows.models()}
        about = About(
            format=FORMAT,
            made_at=iso(clock.now()),
            migrations=_migrations(),
            rows=sum(count for _file, count in dumped.values()),
            artifacts=0,
            keys=len(keys),
            private_keys=any(name.endswith(".key") for name in keys),
        )
        stored = set(Release.objects.exclude(sha256="").values_list("sha256", flat=True))
        found = sorted(sha256 for sha256 in stored if artifacts.path_of(sha256).exists())
        about["artifacts"] = len(found)
        (note := Path(place) / "about.json").write_text(json.dumps(about))
        archive.add(note, "about.json")
        for model, (rows_file, _count) in dumped.items():
            archive.add(rows_file, f"rows/{model._meta.label_lower}.jsonl.gz")
    for sha256 in found:
        archive.add(artifacts.path_of(sha256), f"artifacts/{sha256}")
    for name, key in sorted(keys.items()):
        archive.add(key, f"keys/{name}")
    return about


def _keys() -> Iterator[tuple[str, Path]]:
    """Those of this machine: where only workers have private ones, they are not among them."""
    home = settings.HOME / "keys"
    yield "django", home / "django"
    if (home / "audit").exists():
        yield "audit", home / "audit"
    for path in [*(home / "seal").glob("[!.]*"), *settings.PRIVATE_KEYS.glob("[!.]*.key")]:
        yield f"seal/{path.name}", path


def _place_of_key(name: str) -> Path:
    if name.endswith(".key"):
        return Path(settings.PRIVATE_KEYS) / Path(name).name
    return Path(settings.HOME) / "keys" / name


@contextmanager
def _snapshot() -> Iterator[None]:
    """One moment's rows, while others go on writing. Django's own would keep them from it."""
    begin = {
        "sqlite": "BEGIN DEFERRED",
        "postgresql": "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY",
    }[connection.vendor]
    with connection.cursor() as cursor:
        cursor.execute(begin)
        try:
            yield
        finally:
            cursor.execute("ROLLBACK")


def _migrations() -> list[str]:
    applied = MigrationRecorder(connection).applied_migrations()
    return sorted(f"{app}.{name}" for app, name in applied)


def _read_about(archive: tarfile.TarFile, member: tarfile.TarInfo | None) -> About:
    if member is None or member.name != "about.json":
        raise CannotRestore(_("%s is no backup of Patchwave") % archive.name)
    about: About = json.loads(_open(archive, member).read())
    theirs, ours = set(about["migrations"]), set(_migrations())
    if about["format"] != FORMAT or theirs != ours:
        raise CannotRestore(
            _(
                "%(file)s was made by another version of Patchwave (it differs in: %(what)s). "
                "Restore it with that version, then upgrade."
            )
            % {"file": archive.name, "what": ", ".join(sorted(theirs ^ ours)) or "format"}
        )
    return about


def _take(archive: tarfile.TarFile, member: tarfile.TarInfo) -> Counter[str]:
    """How many rows, artifacts or keys it held."""
    if not member.isfile() or not MEMBER.fullmatch(member.name) or ".." in member.name:
        raise CannotRestore(_("%s is not of a backup") % member.name)
    kind, _slash, name = member.name.partition("/")
    with _open(archive, member) as content:
        if kind == "rows":
            return Counter(rows=rows.load(name.removesuffix(".jsonl.gz"), content))
        if kind == "artifacts":
            _take_artifact(name, content)
            return Counter(artifacts=1)
        _take_key(_place_of_key(name), content)
        return Counter(keys=1)


def _take_artifact(sha256: str, content: IO[bytes]) -> None:
    with tempfile.NamedTemporaryFile(dir=settings.HOME) as whole:
        shutil.copyfileobj(content, whole)
        whole.flush()
        if artifacts.add(Path(whole.name))[0] != sha256:
            raise rows.Damaged(f"artifacts/{sha256}")


def _take_key(path: Path, content: IO[bytes]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    fresh = path.with_name(f".{path.name}.{os.getpid()}")
    fresh.touch(mode=0o600)
    fresh.write_bytes(content.read())
    fresh.replace(path)


def _open(archive: tarfile.TarFile, member: tarfile.TarInfo) -> IO[bytes]:
    content = archive.extractfile(member)
    if content is None:
        raise CannotRestore(_("%s is not of a backup") % member.name)
    return content
