"""Minecraft, as a player's client asks it."""

from mcstatus import JavaServer

from deploy_tasks.query import answer
from deploy_tasks.query.answer import Answer, within_limit


def minecraft(address: str, port: int) -> Answer:
    """Raises Silent."""
    server = JavaServer(address, port, timeout=answer.LIMIT)
    status = within_limit(server.async_status(tries=1), port)
    return Answer(status.version.name, max(0, status.players.online))
