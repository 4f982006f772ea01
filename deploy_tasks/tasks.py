"""The Celery tasks. Each message is a bell: it may come 0, 1 or 5 times, late or out of order."""

import gc
import threading
from typing import Any

from celery import shared_task
from celery.signals import (
    celeryd_after_setup,
    worker_init,
    worker_shutdown,
    worker_shutting_down,
)
from django.db import connection, connections

from deploy_tasks import conductor, hosts, looking, retention, soaking, sweeping
from deploy_tasks.ending import end_anyway
from deploy_tasks.keeper import Keeper
from deploy_tasks.models import Host, Job

_lock = threading.Lock()
_keeper: Keeper | None = None


def the_keeper() -> Keeper:
    """This worker process's keeper, started when first asked for."""
    global _keeper
    with _lock:
        if _keeper is None:
            _keeper = Keeper()
            _keeper.start()
        return _keeper


@shared_task(ignore_result=True)
def conduct(job_id: int) -> None:
    if Job.objects.filter(pk=job_id).exists():
        conductor.conduct(job_id)


@shared_task(ignore_result=True)
def run_hosts(host_run_ids: list[int]) -> None:
    the_keeper().run_hosts(host_run_ids)


@shared_task(ignore_result=True)
def reconcile() -> None:
    the_keeper().reconcile_if_late()


@shared_task(ignore_result=True)
def sweep() -> None:
    sweeping.sweep()


@shared_task(ignore_result=True)
def drop_old_output() -> None:
    retention.drop_old_output()


@shared_task(ignore_result=True)
def look_at_host(host_id: int) -> None:
    host = Host.objects.select_related("credential", "via__credential").filter(pk=host_id).first()
    if host and hosts.begin_look(host_id):
        looking.look_at(host)


@shared_task(ignore_result=True)
def probe_host(host_run_id: int) -> None:
    soaking.probe(host_run_id)


@shared_task(ignore_result=True)
def look_around() -> None:
    hosts.look_around()


@worker_init.connect
def _keep_connections(**_: Any) -> None:
    """Opening SQLite costs more than what a host run asks of it; PostgreSQL's are few."""
    if connection.vendor == "sqlite":
        connections.settings["default"]["CONN_MAX_AGE"] = None


# Not when the worker is ready: that it is once it has a broker, and host runs need none.
@celeryd_after_setup.connect
def _begin(**_: Any) -> None:
    # What is here by now stays: to search all of it for garbage was a twentieth of an update.
    gc.collect()
    gc.freeze()
    the_keeper()


@worker_shutting_down.connect
def _let_go(**_: Any) -> None:
    end_anyway()
    if _keeper:
        _keeper.stop()


@worker_shutdown.connect
def _close(**_: Any) -> None:
    if _keeper:
        _keeper.close()
