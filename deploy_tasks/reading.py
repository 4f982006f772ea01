"""Reads what host runs are carried with: at once, for those that begin together."""

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from django.db.models import prefetch_related_objects

from deploy_tasks import desk, refusals
from deploy_tasks.models import HostRun, Job
from deploy_tasks.prepared import Given, PreparedObjects

#: What a host run asks of its host, read at once for those that begin together …
PLACE = ("host", "host__credential", "host__game")
KEYS = ("host__keys", "host__game__key_rules")
#: … and of the host that it is reached through: few are, and eight tables in one question cost
#: twice as much.
VIA = ("via__credential", "via__keys", "via__game__key_rules")
FROZEN_JOBS = 64


@desk.asked
def begin_with(ids: Sequence[int]) -> tuple[dict[int, HostRun], dict[int, frozenset[str]]]:
    """Host runs by their ids, and by job the credentials that too many of its hosts refuse."""
    runs = _runs(len(ids))(**_numbered(ids))
    prefetch_related_objects(runs, *KEYS)
    if reached := [run.host for run in runs if run.host and run.host.via_id]:
        prefetch_related_objects(reached, *VIA)
    if taking_back := [run for run in runs if run.undoes_id]:
        prefetch_related_objects(taking_back, "undoes")
    return {run.pk: run for run in runs}, refusals.burnt({run.job_id for run in runs})


@lru_cache(maxsize=64)
def _runs(many: int) -> PreparedObjects[HostRun]:
    some: list[Any] = [Given(name) for name in _numbered(range(many))]
    return PreparedObjects(lambda: HostRun.objects.filter(pk__in=some), *PLACE)


def _numbered(ids: Sequence[int]) -> dict[str, int]:
    return {f"run{n}": pk for n, pk in enumerate(ids)}


class FrozenJobs:
    """What jobs were frozen to, each read once for its many host runs; not for their states."""

    def __init__(self) -> None:
        self._known: dict[int, Job] = {}

    @desk.asked
    def get(self, job_id: int) -> Job:
        job = self._known.get(job_id)
        if job is None:
            related = Job.objects.select_related("game", "release", "revision__recipe")
            job = self._known[job_id] = related.get(pk=job_id)
            while len(self._known) > FROZEN_JOBS:
                self._known.pop(next(iter(self._known)), None)
        return job
