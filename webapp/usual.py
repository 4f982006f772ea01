"""What hosts that are well print of trouble: it is why no other failed."""

from collections import defaultdict
from collections.abc import Iterable, Mapping

from deploy_tasks import causes
from deploy_tasks.states import AttemptState
from webapp import printed, stood

#: Hosts of a job.
WELL = 3
#: By job and step, the shapes of such lines.
Usual = Mapping[tuple[int, int], set[str]]


def usual(jobs: Iterable[int]) -> Usual:
    """Costs a query, and where hosts are well another one and one for each slice of what they
    printed."""
    well = stood.well(jobs, WELL)
    done = [one for one in stood.attempts(well) if one.state == AttemptState.SUCCEEDED and one.size]
    ends = printed.ends([one.pk for one in done])
    shapes: defaultdict[tuple[int, int], set[str]] = defaultdict(set)
    for one in done:
        job, names = well[one.run]
        for line in causes.troubles(ends.get(one.pk, "")):
            shapes[job, one.step].add(causes.shape(line, names))
    return shapes
