"""Rings Celery: "look at this row". Carries ids only, may be lost, and never fails.

A bell that cannot be rung is left to the reconciler, which rings for every row without a lease.
"""

import logging
import math
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from kombu.exceptions import OperationalError

from celery_app import app
from deploy_tasks.failpoints import failpoint

log = logging.getLogger(__name__)

#: Host runs in one message: a message costs a worker more than its part of the work.
TOGETHER = 8

#: Seconds. A broker that hangs for so long before it fails is not asked again for a while: a page
#: waits for it, and the thread that renews leases.
PATIENCE, LEFT_FOR = 1.0, 20.0
_asked_again_at = -math.inf

#: Is given ids of host runs and gives back those that it does not take.
Take = Callable[[list[int]], list[int]]
_offered: ContextVar[Take] = ContextVar("offered", default=list)


def ring_job(job_id: int) -> None:
    _ring("conduct", [[job_id]])


def ring_host_runs(host_run_ids: Iterable[int]) -> bool:
    """Whether the broker has taken their bells, or nobody needs them."""
    ids = _offered.get()(list(host_run_ids))
    if not ids:
        return True
    return _ring("run_hosts", [[ids[at : at + TOGETHER]] for at in range(0, len(ids), TOGETHER)])


@contextmanager
def offered(take: Take) -> Iterator[None]:
    """Host runs that are rung for in this block are offered here first: a message costs more."""
    before = _offered.set(take)
    try:
        yield
    finally:
        _offered.reset(before)


def ring_looks(host_ids: Iterable[int]) -> None:
    """Ask workers to look at hosts: could a job run there?"""
    _ring("look_at_host", [[host_id] for host_id in host_ids])


def ring_probes(host_run_ids: Iterable[int]) -> None:
    """Ask workers whether hosts that were updated are well still."""
    _ring("probe_host", [[host_run_id] for host_run_id in host_run_ids])


def ring_calls(call_ids: Iterable[int]) -> None:
    """Ask workers to tell somebody something."""
    _ring("tell", [[call_id] for call_id in call_ids], of="webapp")


def _ring(task: str, messages: Iterable[Sequence[Any]], *, of: str = "deploy_tasks") -> bool:
    global _asked_again_at
    began = time.monotonic()
    if began < _asked_again_at:
        return False
    try:
        # One connection for all of them: to get one costs more than to send.
        with app.producer_or_acquire() as producer:
            for arguments in messages:
                failpoint("bell.before")
                name = f"{of}.tasks.{task}"
                app.send_task(name, args=arguments, retry=False, producer=producer)
                failpoint("bell.rung")
    except (OperationalError, OSError) as error:
        log.warning("broker away, %s is left to the reconciler: %s", task, error)
        if time.monotonic() > began + PATIENCE:
            _asked_again_at = time.monotonic() + LEFT_FOR
    except Exception:
        log.exception("a bell was not rung, %s is left to the reconciler", task)
    else:
        return True
    return False
