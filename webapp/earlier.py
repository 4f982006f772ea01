"""What hosts printed before the step in which they failed: where that step tells a mere sign, such
as an answer that did not come, a program has often named in a step that ended well what it died of.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from deploy_tasks import causes
from deploy_tasks.states import AttemptState
from webapp import printed, stood
from webapp.stood import Attempted
from webapp.usual import Usual

#: Hosts that are looked into, and steps of each: the rest is told by its sign.
HOSTS = 500
STEPS = 5


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


def named(signs: Sequence[Sign], usual: Usual) -> dict[int, Told]:
    """By host run, of those that had named it: in the newest step that does.

    What is ``usual`` is no cause. Costs a query, and one for each slice of hosts and each step that
    one looks back.
    """
    looked = signs[:HOSTS]
    if not looked:
        return {}
    before = {sign.run: sign.step for sign in looked}
    done: defaultdict[int, list[Attempted]] = defaultdict(list)
    for one in _stood(before):
        if one.step < before[one.run]:
            done[one.run].append(one)
    found: dict[int, Told] = {}
    for back in range(STEPS):
        left = [
            (sign, done[sign.run][back])
            for sign in looked
            if sign.run not in found and back < len(done[sign.run])
        ]
        ends = printed.ends([one.pk for _sign, one in left])
        for sign, one in left:
            output = ends.get(one.pk, "")
            for line in causes.named(output):
                if causes.shape(line, sign.names) not in usual.get((sign.job, one.step), ()):
                    found[sign.run] = Told(line, causes.above(output, line), one.name, one.step)
                    break
    return found


def _stood(runs: Iterable[int]) -> Iterator[Attempted]:
    """The steps of host runs that stand and printed anything, the newest first."""
    return (one for one in stood.attempts(runs) if one.state == AttemptState.SUCCEEDED and one.size)
