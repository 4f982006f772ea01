"""Hosts that an order may not take: another job has them now, or has had them since."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from django.db.models import QuerySet
from django.utils.translation import gettext as _

from deploy_tasks.errors import HostsBusy, OrderRefused
from deploy_tasks.models import Attempt, Host, HostRun, Job
from deploy_tasks.times import iso


def busy(hosts: Iterable[Host]) -> list[dict[str, Any]]:
    """Those that another job has: ``{"host", "job", "by", "since"}``."""
    holding = HostRun.objects.filter(host__in=[host.pk for host in hosts], holds_host=True)
    return [
        {
            "host": run.name,
            "job": run.job_id,
            "by": run.job.by_name,
            "since": iso(run.job.created_at),
        }
        for run in holding.select_related("job").order_by("position")
    ]


def busy_reason(found: Mapping[str, Any]) -> str:
    return _("busy with job #%(job)s of %(by)s") % found


def hosts_busy(hosts: Iterable[Host]) -> HostsBusy:
    """The refusal that names those of ``hosts`` that another job has."""
    taken = busy(hosts)
    names = ", ".join(f"{one['host']} (#{one['job']})" for one in taken)
    return HostsBusy(_("busy: %s") % names, hosts=taken)


def refuse_those_that_moved_on(job: Job, runs: Sequence[HostRun]) -> None:
    """An old job must not take a host back by accident. Raises OrderRefused."""
    for run in runs:
        if run.host_id is None:
            raise OrderRefused(_("%s is no longer in the inventory") % run.name)
    newer = newer_attempts(job).filter(host_run__host__in=[run.host_id for run in runs])
    if later := newer.select_related("host_run").first():
        raise OrderRefused(
            _("%(host)s has moved on with job #%(job)s")
            % {"host": later.host_run.name, "job": later.host_run.job_id}
        )


def newer_attempts(job: Job) -> QuerySet[Attempt]:
    """What later jobs have done on hosts."""
    return Attempt.objects.filter(host_run__job__gt=job.pk)
