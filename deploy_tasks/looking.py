"""Looks at a host outside of any job: which keys it shows, and whether we may log in."""

import logging

from deploy_tasks import ssh
from deploy_tasks.errors import ConnectFailed, HostFailed
from deploy_tasks.models import Host, HostKey
from deploy_tasks.runner import target

log = logging.getLogger(__name__)


def look_at(host: Host) -> None:
    """Record the keys that the host shows; those that are not pinned wait for a person."""
    place = target.of_host(host)
    try:
        keys = ssh.offered_keys(place.address, place.port, via=place.via)
    except (ConnectFailed, HostFailed) as failure:
        log.warning("host %s: %s", host.name, failure)
        return
    for key in keys:
        HostKey.objects.get_or_create(
            host=host, fingerprint=ssh.fingerprint(key), defaults={"key": key}
        )
