"""Rings the channel layer: "this job's story has grown". The only caller of ``group_send``."""

import asyncio
import logging

from asgiref.sync import async_to_sync
from channels.layers import get_channel_layer

from deploy_tasks.failpoints import failpoint

log = logging.getLogger(__name__)

#: Seconds. A bell that cannot be rung is let go: watchers look at the rows every 2 s anyway.
LIMIT = 2


def group_of(job_id: int) -> str:
    return f"job-{job_id}"


def announce(job_id: int, to: int) -> None:
    """Tell watchers that events up to ``to`` are committed. Never fails."""
    failpoint("announce.before")
    layer = get_channel_layer()
    message = {"type": "job.grew", "job": job_id, "to": to}

    async def ring() -> None:
        await asyncio.wait_for(layer.group_send(group_of(job_id), message), LIMIT)

    try:
        async_to_sync(ring)()
    except Exception as error:  # noqa: BLE001  whatever the layer raises, the job goes on
        log.warning("job %s grew to %s, but its bell was not rung: %s", job_id, to, error)
