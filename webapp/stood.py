"""How the steps of many host runs ended, and hosts that are well, to compare others with."""

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from typing import NamedTuple

from django.db.models import Count, Window
from django.db.models.functions import Mod, RowNumber

from deploy_tasks.models import Attempt, HostRun
from deploy_tasks.states import AttemptKind, HostRunState


class Attempted(NamedTuple):
    """The newest attempt at a step of a host run; it printed ``size`` bytes."""

    run: int
    pk: int
    step: int
    name: str
    number: int
    state: str
    size: int
    started_at: datetime | None
    ended_at: datetime | None


def attempts(runs: Iterable[int]) -> Iterator[Attempted]:
    """Of these host runs, the newest first."""
    columns = ("host_run", "pk", "step", "name", "number", "state", "log_offset")
    rows = (
        Attempt.objects.filter(host_run__in=list(runs), kind=AttemptKind.DO)
        .order_by("-pk")
        .values_list(*columns, "started_at", "ended_at")
    )
    known: set[tuple[int, int]] = set()
    for row in rows:
        one = Attempted(*row)
        if (one.run, one.step) not in known:
            known.add((one.run, one.step))
            yield one


def well(jobs: Iterable[int], few: int) -> Mapping[int, tuple[int, tuple[str, ...]]]:
    """So many of each job, from all over it, for neighbours may be alike in more than being well:
    host run -> job, names."""
    at = Window(RowNumber(), partition_by="job", order_by="pk")
    rows = (
        HostRun.objects.filter(job__in=list(jobs), state=HostRunState.SUCCEEDED)
        .annotate(place=(at - 1) * few, of=Window(Count("pk"), partition_by="job"))
        .annotate(within=Mod("place", "of"))
        .filter(within__lt=few)
        .values_list("pk", "job", "name", "host__address")
    )
    return {pk: (job, (name, address or "")) for pk, job, name, address in rows}
