"""What hosts printed before the step in which they failed: where that step tells a mere sign, such
as an answer that did not come, a program has often named in a step that ended well what it died of.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from django.db.models import Window
from django.db.models.functions import RowNumber

from deploy_tasks import causes
from deploy_tasks.models import Attempt, HostRun
from deploy_tasks.states import AttemptKind, AttemptState, HostRunState
from webapp import printed

#: Hosts that are looked into, and steps of each: the rest is told by its sign.
HOSTS = 500
STEPS = 5
#: Hosts of a job that are well, with which they are compared.
WELL = 3


class Sign(NamedTuple):
    """A host run that failed at a step, and says of it no more than a sign."""

    run: int
    job: int
    step: int
    names: tuple[str, ...]


class Told(NamedTuple):
    """The line in which a program named what it died of, in which step, and which that is."""

    line: str
    above: str
    step: str
    place: int


class _Stood(NamedTuple):
    run: int
    pk: int
    step: int
    name: str


def named(signs: Sequence[Sign]) -> dict[int, Told]:
    """By host run, of those that had named it: in the newest step that does.

    What hosts of the same job print that are well is no cause. Costs three queries, and one for
    each slice of hosts and each step that one looks back.
    """
    looked = signs[:HOSTS]
    if not looked:
        return {}
    usual = _usual({sign.job for sign in looked})
    before = {sign.run: sign.step for sign in looked}
    stood: defaultdict[int, list[_Stood]] = defaultdict(list)
    for one in _stood(before):
        if one.step < before[one.run]:
            stood[one.run].append(one)
    found: dict[int, Told] = {}
    for back in range(STEPS):
        left = [
            (sign, stood[sign.run][back])
            for sign in looked
            if sign.run not in found and back < len(stood[sign.run])
        ]
        ends = printed.ends([one.pk for _sign, one in left])
        for sign, one in left:
            output = ends.get(one.pk, "")
            for line in causes.named(output):
                if (sign.job, one.step, causes.cause(line, names=sign.names)) not in usual:
                    found[sign.run] = Told(line, causes.above(output, line), one.name, one.step)
                    break
    return found


def _stood(runs: Iterable[int]) -> Iterable[_Stood]:
    """The steps of host runs that stand and printed anything, the newest first."""
    rows = (
        Attempt.objects.filter(host_run__in=list(runs), kind=AttemptKind.DO)
        .order_by("-pk")
        .values_list("host_run", "pk", "step", "name", "state", "log_offset")
    )
    newest: set[tuple[int, int]] = set()
    for run, pk, step, name, state, size in rows:
        if (run, step) in newest:
            continue
        newest.add((run, step))
        if state == AttemptState.SUCCEEDED and size:
            yield _Stood(run, pk, step, name)


def _usual(jobs: Iterable[int]) -> set[tuple[int, int, str]]:
    """What hosts that are well have printed of trouble: job, step and cause."""
    well = _well(jobs)
    stood = list(_stood(well))
    ends = printed.ends([one.pk for one in stood])
    return {
        (job, one.step, causes.cause(line, names=names))
        for one in stood
        for job, names in [well[one.run]]
        for line in causes.named(ends.get(one.pk, ""))
    }


def _well(jobs: Iterable[int]) -> Mapping[int, tuple[int, tuple[str, ...]]]:
    """A few of each job: host run -> job, names."""
    nth = Window(RowNumber(), partition_by="job", order_by="pk")
    rows = (
        HostRun.objects.filter(job__in=list(jobs), state=HostRunState.SUCCEEDED)
        .annotate(nth=nth)
        .filter(nth__lte=WELL)
        .values_list("pk", "job", "name", "host__address")
    )
    return {pk: (job, (name, address or "")) for pk, job, name, address in rows}
