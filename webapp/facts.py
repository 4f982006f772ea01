"""What is so of all hosts that failed alike, and of no host of the job that is well: where they
are, what they are given, or the version that was there before.
"""

from collections.abc import Collection, Hashable, Iterator, Mapping, Sequence
from typing import Literal, NamedTuple, TypeVar

from deploy_tasks import causes, revisions
from deploy_tasks.models import HostRun, Job
from deploy_tasks.states import HostRunState
from webapp.shapes import FactReport

#: Hosts that failed alike, and hosts that are well: of fewer it may be chance.
FEWEST = 3
WELL = 5
#: Facts that are told, and rows that are read at a time.
TOLD = 3
SLICE = 200

_Group = TypeVar("_Group", bound=Hashable)


class Fact(NamedTuple):
    fact: Literal["label", "machine", "previous", "variable"]
    name: str
    value: str


def shared(job: Job, groups: Mapping[_Group, Sequence[int]]) -> dict[_Group, list[FactReport]]:
    """For groups of host runs that failed alike. Costs two queries. Of hosts that are well no more
    are read than it takes to have seen all that is so of these."""
    many = {group: runs for group, runs in groups.items() if len(runs) >= FEWEST}
    if not many:
        return {}
    theirs = dict(_facts(job, (HostRunState.FAILED, HostRunState.ROLLED_BACK)))
    left = {
        group: set.intersection(*(theirs.get(run, set()) for run in runs))
        for group, runs in many.items()
    }
    if not any(left.values()):
        return {}
    well = 0
    for _run, facts in _facts(job, (HostRunState.SUCCEEDED,)):
        well += 1
        for mine in left.values():
            mine -= facts
        if not any(left.values()):
            break
    if well < WELL:
        return {}
    return {group: [_report(one) for one in sorted(mine)[:TOLD]] for group, mine in left.items()}


def _facts(job: Job, states: Collection[HostRunState]) -> Iterator[tuple[int, set[Fact]]]:
    """By host run. No secrets, and no variables that the job gives to all of them."""
    recipe = revisions.recipe_of(job.revision)
    told = {name for name, var in recipe.vars.items() if var.type != "secret"} - set(job.vars)
    rows = HostRun.objects.filter(job=job, state__in=states).values_list(
        "pk", "previous", "host__machine__name", "host__labels", "host__vars"
    )
    for run, previous, machine, labels, given in rows.iterator(chunk_size=SLICE):
        facts = {Fact("label", name, str(value)) for name, value in (labels or {}).items()}
        facts |= {Fact("variable", name, str(given[name])) for name in told & set(given or {})}
        facts |= {Fact("machine", "", machine)} if machine else set()
        facts |= {Fact("previous", "", previous)} if previous else set()
        yield run, facts


def _report(fact: Fact) -> FactReport:
    return {"fact": fact.fact, "name": fact.name, "value": fact.value[: causes.LONGEST]}
