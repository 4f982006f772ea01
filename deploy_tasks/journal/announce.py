"""Rings the channel layer: "this job's story has grown". The only caller of ``group_send``.

One thread of the process rings, over one connection, and nobody waits for it: rung by the journal
itself, beside fifty threads that read from their hosts, a bell would hold up a commit for half a
second.
"""

import asyncio
import atexit
import logging
import threading

from channels.layers import get_channel_layer

from deploy_tasks.failpoints import failpoint

log = logging.getLogger(__name__)

#: Seconds. A bell that cannot be rung is let go: watchers look at the rows every 2 s anyway.
LIMIT = 2


def group_of(job_id: int) -> str:
    return f"job-{job_id}"


def announce(job_id: int, to: int) -> None:
    """Tell watchers that events up to ``to`` are committed. Never fails, and waits for nobody."""
    failpoint("announce.before")
    _ringer.ring(job_id, to)


class _Ringer:
    """Bells that wait become one for each job: only the newest matters."""

    def __init__(self) -> None:
        self._waiting: dict[int, int] = {}
        self._lock = threading.Lock()
        self._news = threading.Event()
        self._all_rung = threading.Event()
        self._thread: threading.Thread | None = None

    def ring(self, job_id: int, to: int) -> None:
        with self._lock:
            self._waiting[job_id] = max(to, self._waiting.get(job_id, 0))
            self._all_rung.clear()
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="ringer", daemon=True)
                self._thread.start()
                # A program that ends with its last order still tells of it.
                atexit.register(self._all_rung.wait, LIMIT)
        self._news.set()

    def _run(self) -> None:
        loop = asyncio.new_event_loop()
        while True:
            self._news.wait()
            self._news.clear()
            with self._lock:
                waiting, self._waiting = self._waiting, {}
            for job_id, to in waiting.items():
                loop.run_until_complete(_ring(job_id, to))
            with self._lock:
                if not self._waiting:
                    self._all_rung.set()


async def _ring(job_id: int, to: int) -> None:
    message = {"type": "job.grew", "job": job_id, "to": to}
    try:
        layer = get_channel_layer()
        await asyncio.wait_for(layer.group_send(group_of(job_id), message), LIMIT)
    except Exception as error:  # noqa: BLE001  whatever the layer raises, the job goes on
        log.warning("job %s grew to %s, but its bell was not rung: %s", job_id, to, error)


_ringer = _Ringer()
