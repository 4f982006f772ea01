"""One worker process: ``python -m webapp.worker``.

What ``celery worker`` does, without the command line around it: its completion and its prompt are
8 MB that every worker would keep.
"""

import sys
import time

from celery.concurrency.thread import TaskPool
from celery.utils.nodenames import default_nodename
from celery.worker import consumer
from celery.worker.state import maybe_shutdown

from celery_app import app

#: Seconds between two tries of a broker that answers, and takes nothing: it is full, say.
REFUSED_FOR = 5


class Consumer(consumer.Consumer):
    """Celery's own turns to a broker that refuses again at once, and writes a page for each try."""

    def on_connection_error_before_connected(self, exc: Exception) -> None:
        super().on_connection_error_before_connected(exc)
        self._wait(exc)

    def on_connection_error_after_connected(self, exc: Exception) -> None:
        super().on_connection_error_after_connected(exc)
        self._wait(exc)

    def _wait(self, exc: Exception) -> None:
        # For one that does not answer Celery has a patience of its own.
        if isinstance(exc, self.channel_errors):  # type: ignore[attr-defined]
            for _second in range(REFUSED_FOR):
                maybe_shutdown()
                time.sleep(1)


def main() -> int:
    """Work until a signal ends it. The status of the process."""
    worker = app.Worker(
        hostname=default_nodename(""),
        pool_cls=TaskPool,
        consumer_cls=Consumer,
        loglevel="INFO",
        # Workers need not know each other: rows say who has what.
        without_gossip=True,
        without_mingle=True,
        without_heartbeat=True,
    )
    worker.start()
    return int(worker.exitcode or 0)


if __name__ == "__main__":
    sys.exit(main())
