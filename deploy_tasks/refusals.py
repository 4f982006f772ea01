"""Credentials that hosts refuse: after a few of them we stop knocking.

A wrong key tried on a whole fleet would lock this machine out of it: sshd penalises the address.
"""

from collections.abc import Collection

from django.db.models import Count

from deploy_tasks import desk
from deploy_tasks.models import HostRun, Job
from deploy_tasks.prepared import Given, Prepared

#: Hosts of one job that may refuse the same credential before it is tried on no other.
LIMIT = 3


def credential_of(run: HostRun) -> str:
    return str((run.target or {}).get("credential", ""))


_burnt = Prepared(
    lambda: (
        HostRun.objects.filter(job=Given("job"))
        .exclude(refused_credential="")
        .order_by("refused_credential")
        .values_list("refused_credential")
        .annotate(hosts=Count("pk"))
        .filter(hosts__gte=LIMIT)
    )
)


@desk.asked
def burnt(jobs: Collection[int]) -> dict[int, frozenset[str]]:
    """The credentials that enough hosts have refused, by job."""
    return {job: frozenset(name for name, _hosts in _burnt(job=job)) for job in jobs}


def burnt_credential(job: Job) -> str:
    """The credential that enough hosts of a job have refused, if there is one."""
    return next((name for name, _hosts in _burnt(job=job.pk)), "")
