"""Keeps apart hosts that share an installation: what a recipe's ``lock`` says, whatever the job.

Of all host runs with the same `HostRun.lock` one is under way at a time, from its first step to its
end; also where nobody knows what became of it. One that has staged waits for its switch without
keeping the others. Only the conductor begins a host run, and it looks here first: one look at a
time, because all of them lock the same row.
"""

from collections.abc import Sequence
from typing import Any

from deploy_tasks import recipes
from deploy_tasks.models import Game, Host, HostRun, Instance
from deploy_tasks.states import HOST_ACTIVE, HostRunState

KEEPS = HOST_ACTIVE | {HostRunState.UNKNOWN}


def of(recipe: recipes.Recipe, host: Host, *, game: Game, job: dict[str, Any]) -> str:
    """What a host run has to have for itself; empty: nothing. ``job``: the vars of the order."""
    if recipe.lock is None:
        return ""
    values = recipes.resolve(recipe, game=game.vars, host=host.vars, job=job)
    value = values.plain.get(recipe.lock, "")
    return f"{host.machine_id or host.address} {value}" if value else ""


def kept(wanting: Sequence[HostRun]) -> dict[int, str]:
    """Of those who want to begin, in their order: who has to wait, by id, and the host that is in
    its way."""
    if not any(run.lock for run in wanting):
        return {}
    Instance.hold()
    keepers = HostRun.objects.filter(state__in=KEEPS).exclude(lock="")
    taken = {lock: (pk, name) for lock, pk, name in keepers.values_list("lock", "pk", "name")}
    found = {}
    for run in wanting:
        pk, name = taken.setdefault(run.lock, (run.pk, run.name)) if run.lock else (run.pk, "")
        if pk != run.pk:
            found[run.pk] = name
    return found
