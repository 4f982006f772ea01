"""Asks a running game what it is: its version, and how many play.

A count has three answers: a number, zero, and *not known*; who does not answer is not empty. What
comes back is a stranger's: no more of it is read than fits, and no longer than `LIMIT`.
"""

from collections.abc import Callable, Mapping
from functools import partial

from django.utils.translation import gettext as _

from deploy_tasks.query.answer import Answer, NotAsked, Silent, read
from deploy_tasks.recipes import Query

__all__ = ["Answer", "NotAsked", "Silent", "ask", "read"]


def ask(query: Query, values: Mapping[str, str], address: str) -> Answer:
    """By a worker, at the host's address; ``values`` of the vars. Raises Silent, NotAsked."""
    port = values.get(query.port or "", "")
    if not port:
        raise NotAsked(_("not asked: var %s is not set") % query.port)
    if not port.isdecimal():
        raise Silent(_("var %s holds no port") % query.port)
    return _way(query)(address, int(port))


def _way(query: Query) -> Callable[[str, int], Answer]:
    # A library is loaded for a game that needs it: together they are 4 MB of every worker.
    if query.opengsq:
        from deploy_tasks.query.others import opengsq

        return partial(opengsq, query.opengsq.protocol)
    if query.a2s:
        from deploy_tasks.query.steam import a2s

        return a2s
    from deploy_tasks.query.players import minecraft

    return minecraft
