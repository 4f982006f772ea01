"""The whole chain: verified, written out, archived."""

import gzip
import hashlib
import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from django.utils.translation import gettext as _

from deploy_tasks.audit import chain, guard, record
from deploy_tasks.audit.chain import Broken, Link
from deploy_tasks.errors import OrderRefused
from deploy_tasks.models import AuditEntry, AuditHead, LateAudit
from deploy_tasks.models.audit import GENESIS

#: Rows held at a time.
CHUNK = 2000
ARCHIVED = "archive_audit"
_COLUMNS = [*chain.PARTS, "at", "hash"]


@dataclass(frozen=True)
class Verified:
    """``entries`` are those in the database; ``late``: how many wait to be entered."""

    entries: int
    last: Link
    late: int


def head() -> Link:
    found = AuditHead.objects.filter(pk=1).first() or AuditHead()
    return Link(found.number, found.hash)


def verify(*, kept: Link | None = None, archives: Sequence[Path] = ()) -> Verified:
    """Go along the chain from its beginning, or from where the archives end.

    ``kept``: a head that was taken away earlier and must still be part of it. ``archives``: the
    files of all that was archived, oldest first; without them the chain is verified from the
    first entry that is here. Raises Broken.
    """
    found = AuditHead.objects.filter(pk=1).first() or AuditHead()
    start = Link(found.archived, found.archived_hash)
    seen = _Seen(kept)
    if archives:
        last = chain.follow(seen.all(_lines(archives)), Link(0, GENESIS))
        if last != start:
            raise Broken(last.number + 1, _("the archives end here, and not where they should"))
    # What is appended from here on is for another time.
    last = chain.follow(seen.all(_entries(found.number)), start)
    if last.number < found.number or AuditEntry.objects.filter(number__gt=head().number).exists():
        raise Broken(last.number + 1, _("is missing: the end of the chain was cut off"))
    if last.hash != found.hash:
        raise Broken(last.number, _("is not the one that was written last"))
    _check_start(start)
    seen.check(last, start)
    count = last.number - start.number
    return Verified(count, last, LateAudit.objects.count())


def _check_start(start: Link) -> None:
    """What was archived is told in the chain itself: nobody else may move its beginning."""
    told = AuditEntry.objects.filter(action=ARCHIVED).order_by("number").last()
    details = told.details if told else {"to": 0, "hash": GENESIS}
    if (details.get("to"), details.get("hash")) != (start.number, start.hash):
        raise Broken(start.number + 1, _("what came before it was removed, but not archived"))


class _Seen:
    """Looks for a head that was kept among the entries that pass by."""

    def __init__(self, kept: Link | None) -> None:
        self._kept, self._hash = kept, None if kept and kept.number else GENESIS

    def all(self, entries: Any) -> Iterator[chain.Entry]:
        for entry in entries:
            if self._kept and entry["number"] == self._kept.number:
                self._hash = entry["hash"]
            yield entry

    def check(self, last: Link, start: Link) -> None:
        if self._kept is None:
            return
        if self._kept == start:
            return
        if self._kept.number > last.number:
            raise Broken(last.number + 1, _("the head that was kept knew it; it was cut off"))
        if self._hash is None:
            raise Broken(self._kept.number, _("is in an archive; give its files as well"))
        if self._hash != self._kept.hash:
            raise Broken(self._kept.number, _("is not what the head that was kept says"))


def archive(before: datetime, file: Path) -> int:
    """Write all entries older than this into a new file and remove them; gives how many.

    The file is gzipped JSON, an entry a line, as `verify` reads it. The chain goes on from where
    the file ends, and an entry tells of it. Raises OrderRefused, Broken, OSError.
    """
    verify()
    with _fresh(file), guard.lifted():
        found = AuditHead.objects.select_for_update().get(pk=1)
        young = AuditEntry.objects.filter(at__gte=before).order_by("number").first()
        to = (young.number if young else found.number + 1) - 1
        old = AuditEntry.objects.filter(number__lte=to)
        last = old.order_by("number").last()
        if last is None:
            raise OrderRefused(_("no entry is that old"))
        count = old.count()
        sha256 = _write(file, _entries(to))
        old.delete()
        AuditHead.objects.update(archived=last.number, archived_hash=last.hash)
        details: dict[str, Any] = {"to": last.number, "hash": last.hash, "sha256": sha256}
        record(None, ARCHIVED, file.name, entries=count, **details)
    return count


@contextmanager
def _fresh(file: Path) -> Iterator[None]:
    """The file, for its owner alone; gone again where the block fails."""
    file.touch(0o600, exist_ok=False)
    try:
        yield
    except BaseException:
        file.unlink()
        raise


def _write(file: Path, entries: Iterator[chain.Entry]) -> str:
    with file.open("wb") as raw, gzip.GzipFile(fileobj=raw, mode="wb", mtime=0) as lines:
        for entry in entries:
            plain = {**entry, "at": chain.moment(entry["at"])}
            lines.write(json.dumps(plain, sort_keys=True).encode() + b"\n")
    return hashlib.sha256(file.read_bytes()).hexdigest()


def _entries(to: int) -> Iterator[chain.Entry]:
    """Up to this number, a chunk at a time: whoever stops early leaves no cursor open."""
    rows = AuditEntry.objects.filter(number__lte=to).order_by("number").values(*_COLUMNS)
    last = 0
    while chunk := list(rows.filter(number__gt=last)[:CHUNK]):
        yield from chunk
        last = chunk[-1]["number"]


def _lines(files: Sequence[Path]) -> Iterator[chain.Entry]:
    for file in files:
        with gzip.open(file, "rt", encoding="utf-8") as lines:
            for line in lines:
                yield json.loads(line)
