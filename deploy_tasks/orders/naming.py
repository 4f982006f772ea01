"""The hosts of a job that an order names."""

from collections.abc import Sequence

from django.utils.translation import gettext as _

from deploy_tasks.errors import InvalidInput
from deploy_tasks.models import HostRun, Job


def named(job: Job, hosts: Sequence[str]) -> list[HostRun]:
    """Each once, in the order of their names. Raises InvalidInput for one that is not there, and
    where none is named."""
    if not hosts:
        raise InvalidInput(_("say which hosts"), field="hosts")
    found = {run.name: run for run in job.host_runs.filter(name__in=hosts)}
    for index, name in enumerate(hosts):
        if name not in found:
            raise InvalidInput(_("“%s” is not in this job") % name, field=f"hosts[{index}]")
    return [found[name] for name in dict.fromkeys(hosts)]
