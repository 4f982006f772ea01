"""Takes away from hosts what old host runs have left there: plans, and artifacts nobody needs.

Only plans of host runs that have ended and are older than a setting; never a live one. Their
output is in the journal by then.
"""

import logging
from collections.abc import Iterable, Sequence
from datetime import timedelta

from django.conf import settings

from deploy_tasks import clock, commands, ssh
from deploy_tasks.errors import HostFailed, LinkLost
from deploy_tasks.models import Attempt, Host, HostRun
from deploy_tasks.runner import target
from deploy_tasks.states import HOST_ENDED

log = logging.getLogger(__name__)

#: Seconds, for one host.
LIMIT = 60
#: Hosts in one go: what is left is for the next.
HOSTS = 50


def sweep() -> int:
    """Clean up some hosts that have something old; gives how many."""
    before = clock.now() - timedelta(days=settings.KEEP_ON_HOSTS_DAYS)
    old = HostRun.objects.filter(
        state__in=HOST_ENDED, ended_at__lt=before, swept=False, host__isnull=False
    )
    hosts = Host.objects.filter(pk__in=old.values("host")).order_by("pk")
    swept = 0
    for host in hosts.select_related("credential", "via__credential")[:HOSTS]:
        runs = list(old.filter(host=host).values_list("pk", flat=True))
        if _busy(host):
            continue
        try:
            _sweep_host(host, _plans(runs))
        except (HostFailed, LinkLost, TimeoutError) as failure:
            log.info("host %s could not be swept: %s", host.name, failure)
            continue
        HostRun.objects.filter(pk__in=runs).update(swept=True)
        swept += 1
    return swept


def _busy(host: Host) -> bool:
    return HostRun.objects.filter(host=host, holds_host=True).exists()


def _plans(runs: Iterable[int]) -> list[str]:
    uids = Attempt.objects.filter(host_run__in=runs).values_list("uid", flat=True)
    return sorted({uid.rpartition(".")[0] for uid in uids})


def _sweep_host(host: Host, plans: Sequence[str]) -> None:
    session = ssh.connect(target.of_host(host))
    try:
        program = commands.sweep(plans, keep_artifacts=settings.KEEP_ARTIFACTS_ON_HOSTS)
        session.run(program.command, stdin=program.stdin, timeout=LIMIT)
    finally:
        session.close()
