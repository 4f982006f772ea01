"""One worker process: ``python -m webapp.worker``.

What ``celery worker`` does, without the command line around it: its completion and its prompt are
8 MB that every worker would keep.
"""

import sys

from celery.concurrency.thread import TaskPool
from celery.utils.nodenames import default_nodename

from celery_app import app


def main() -> int:
    """Work until a signal ends it. The status of the process."""
    worker = app.Worker(
        hostname=default_nodename(""),
        pool_cls=TaskPool,
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
