"""All that is left of a job as one file: a zip, made while it is sent, however large it gets."""

import zipfile
from collections.abc import Iterator

from deploy_tasks import events
from deploy_tasks.models import Job
from deploy_tasks.visible import visible

#: Bytes that are sent at a time, about.
PIECE = 64 * 1024


def zipped(job: Job) -> Iterator[bytes]:
    """The recipe, every event, and of each host that something was launched on what it printed,
    with control characters spelled out."""
    sink = _Sink()
    with zipfile.ZipFile(sink, "w") as made:  # type: ignore[call-overload]
        for name, pieces in _files(job):
            with made.open(_entry(job, name), "w", force_zip64=True) as file:
                for piece in pieces:
                    file.write(piece)
                    if sink.size >= PIECE:
                        yield sink.take()
    yield sink.take()


def _files(job: Job) -> Iterator[tuple[str, Iterator[bytes]]]:
    yield "recipe.yaml", iter([job.revision.text.encode()])
    yield "events.jsonl", events.jsonl(job.pk)
    hosts = job.host_runs.filter(attempts__isnull=False).distinct().order_by("position")
    for host in hosts.values_list("name", flat=True):
        text = visible(events.log_bytes(job, host))
        yield f"logs/{host}.log", (piece.encode() for piece in text)


def _entry(job: Job, name: str) -> zipfile.ZipInfo:
    entry = zipfile.ZipInfo(f"job-{job.pk}/{name}", job.created_at.timetuple()[:6])
    entry.compress_type = zipfile.ZIP_DEFLATED
    return entry


class _Sink:
    """A file that is only written to, and never holds much."""

    def __init__(self) -> None:
        self._pieces: list[bytes] = []
        self.size = 0

    def write(self, data: bytes) -> int:
        self._pieces.append(bytes(data))
        self.size += len(data)
        return len(data)

    def flush(self) -> None:
        pass

    def take(self) -> bytes:
        taken, self._pieces, self.size = b"".join(self._pieces), [], 0
        return taken
