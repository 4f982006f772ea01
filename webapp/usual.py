"""What hosts that are well print of trouble: it is why no other failed."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from functools import lru_cache

from deploy_tasks import causes
from deploy_tasks.states import AttemptState
from webapp import printed, stood
from webapp.stood import Attempted

#: Hosts of a job.
WELL = 3
#: By job and step, the shapes of such lines.
Usual = Mapping[tuple[int, int], set[str]]


def usual(jobs: Iterable[int]) -> Usual:
    """Costs a query, and where hosts are well another one; once also one for each slice of what
    they printed."""
    well = stood.well(jobs, WELL)
    done = (one for one in stood.attempts(well) if one.state == AttemptState.SUCCEEDED)
    return _shapes(tuple(well.items()), tuple(one for one in done if one.size))


@lru_cache(maxsize=32)
def _shapes(
    well: tuple[tuple[int, tuple[int, tuple[str, ...]]], ...], done: tuple[Attempted, ...]
) -> Usual:
    """What attempts printed that have ended stays the same."""
    known = dict(well)
    ends = printed.ends([one.pk for one in done])
    shapes: defaultdict[tuple[int, int], set[str]] = defaultdict(set)
    for one in done:
        job, names = known[one.run]
        for line in causes.troubles(ends.get(one.pk, "")):
            shapes[job, one.step].add(causes.shape(line, names))
    return shapes
