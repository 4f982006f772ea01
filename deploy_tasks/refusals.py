"""Credentials that hosts refuse: after a few of them we stop knocking.

A wrong key tried on a whole fleet would lock this machine out of it: sshd penalises the address.
"""

from collections import Counter
from collections.abc import Collection

from django.db.models import Count

from deploy_tasks import desk
from deploy_tasks.models import HostRun, Job

#: Hosts of one job that may refuse the same credential before it is tried on no other.
LIMIT = 3


def credential_of(run: HostRun) -> str:
    return str((run.target or {}).get("credential", ""))


@desk.asked
def burnt(jobs: Collection[int]) -> dict[int, frozenset[str]]:
    """The credentials that enough hosts have refused, by job."""
    refused = HostRun.objects.filter(job__in=jobs).exclude(refused_credential="")
    counted = Counter(refused.values_list("job", "refused_credential"))
    found = [key for key, hosts in counted.items() if hosts >= LIMIT]
    return {job: frozenset(name for of, name in found if of == job) for job in jobs}


def burnt_credential(job: Job) -> str:
    """The credential that enough hosts of a job have refused, if there is one."""
    refused = job.host_runs.exclude(refused_credential="").values("refused_credential")
    counted = refused.annotate(hosts=Count("pk")).filter(hosts__gte=LIMIT)
    return next(iter(counted.values_list("refused_credential", flat=True)[:1]), "")
