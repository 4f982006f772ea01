"""Credentials that hosts refuse: after a few of them we stop knocking.

A wrong key tried on a whole fleet would lock this machine out of it: sshd penalises the address.
"""

from django.db.models import Count

from deploy_tasks import desk
from deploy_tasks.models import HostRun, Job

#: Hosts of one job that may refuse the same credential before it is tried on no other.
LIMIT = 3


def credential_of(run: HostRun) -> str:
    return str((run.target or {}).get("credential", ""))


@desk.asked
def is_burnt(run: HostRun) -> bool:
    """Whether enough hosts of its job have refused the credential of this host run."""
    refused = HostRun.objects.filter(job=run.job_id).exclude(refused_credential="")
    names = list(refused.values_list("refused_credential", flat=True)[: 10 * LIMIT])
    return names.count(credential_of(run)) >= LIMIT


def burnt_credential(job: Job) -> str:
    """The credential that enough hosts of a job have refused, if there is one."""
    refused = job.host_runs.exclude(refused_credential="").values("refused_credential")
    counted = refused.annotate(hosts=Count("pk")).filter(hosts__gte=LIMIT)
    return next(iter(counted.values_list("refused_credential", flat=True)[:1]), "")
