"""Rings Celery: "look at this row". Carries ids only, may be lost, and never fails.

A bell that cannot be rung is left to the reconciler, which rings for every row without a lease.
"""

import logging
from collections.abc import Iterable

from kombu.exceptions import OperationalError

from celery_app import app
from deploy_tasks.failpoints import failpoint

log = logging.getLogger(__name__)


def ring_job(job_id: int) -> None:
    _ring("conduct", job_id)


def ring_host_runs(host_run_ids: Iterable[int]) -> None:
    for host_run_id in host_run_ids:
        if not _ring("run_host", host_run_id):
            return


def ring_looks(host_ids: Iterable[int]) -> None:
    """Ask workers to look at hosts: could a job run there?"""
    for host_id in host_ids:
        if not _ring("look_at_host", host_id):
            return


def _ring(task: str, row_id: int) -> bool:
    failpoint("bell.before")
    try:
        app.send_task(f"deploy_tasks.tasks.{task}", args=[row_id], retry=False)
    except (OperationalError, OSError) as error:
        log.warning("broker away, %s(%s) is left to the reconciler: %s", task, row_id, error)
        return False
    failpoint("bell.rung")
    return True
