"""Where nothing that failed hosts printed tells why: what they printed, or did, otherwise than
hosts of the same job that are well. A cause that no line names as trouble shows nowhere else.
"""

import math
from collections import Counter, defaultdict
from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from statistics import median
from typing import NamedTuple, TypeVar

from deploy_tasks import causes, differing
from deploy_tasks.differing import Line
from deploy_tasks.states import AttemptState
from webapp import printed, stood
from webapp.shapes import DifferenceReport
from webapp.stood import Attempted

#: Of a job: causes that are looked into, hosts of each, and hosts that are well.
CAUSES = 4
LOOKED = 5
WELL = 4
#: Steps of a host, the nearest to its failure, and bytes of an output: no part of one is compared.
STEPS = 8
WHOLE = 16 * 1024
#: Steps that are told of a cause, and lines of each.
TOLD = 3
LINES = 2
#: So many times as long, or as short, where the longer took so many seconds.
TIMES = 10.0
SECONDS = 10.0


_Group = TypeVar("_Group", bound=Hashable)


class Failed(NamedTuple):
    """A host run that failed at ``step``, after all of them where that is none; ``line``: what it
    told of it."""

    run: int
    name: str
    names: tuple[str, ...]
    step: str | None
    line: str


def differs(
    job: int, groups: Mapping[_Group, Sequence[Failed]]
) -> dict[_Group, list[DifferenceReport]]:
    """For groups of hosts that failed alike, those of most hosts. However many failed, it costs two
    queries, and once one for each slice of what a few hosts printed."""
    well = stood.well([job], WELL) if groups else {}
    if len(well) < differing.FEWEST:
        return {}
    most = sorted(groups, key=lambda one: -len(groups[one]))[:CAUSES]
    looked = tuple(tuple(groups[one][:LOOKED]) for one in most)
    usual = tuple((run, names) for run, (_job, names) in well.items())
    runs = [*well, *(one.run for group in looked for one in group)]
    return dict(zip(most, _compared(usual, looked, tuple(stood.attempts(runs))), strict=True))


@lru_cache(maxsize=32)
def _compared(
    well: tuple[tuple[int, tuple[str, ...]], ...],
    groups: tuple[tuple[Failed, ...], ...],
    attempts: tuple[Attempted, ...],
) -> list[list[DifferenceReport]]:
    """What attempts printed that have ended stays the same."""
    names = dict(well) | {one.run: one.names for group in groups for one in group}
    beside = _Beside(names, [run for run, _names in well], attempts)
    return [_told(group, beside) for group in groups]


#: What of a step is not as elsewhere: it ``printed``, ``lacks``, was ``skipped``, or ``took``; and
#: which line, or how it took.
_Key = tuple[str, str]
#: The line that it printed, the text that it lacks, nothing, or how many seconds are usual.
_Said = Line | str | None | float


@dataclass(frozen=True)
class _Apart:
    """What a host did otherwise in a step."""

    host: Failed
    attempt: Attempted
    told: Mapping[_Key, _Said]


def _told(group: Sequence[Failed], beside: "_Beside") -> list[DifferenceReport]:
    """What most of them did, in the order of the steps."""
    by_step: defaultdict[int, list[_Apart]] = defaultdict(list)
    for host in group:
        for apart in beside.aparts(host):
            by_step[apart.attempt.step].append(apart)
    found = [one for step in sorted(by_step) for one in _together(by_step[step], len(group))]
    most = sorted(found, key=lambda one: -one["hosts"])[:TOLD]
    return [one for one in found if one in most]


def _together(aparts: Sequence[_Apart], of: int) -> Iterator[DifferenceReport]:
    """Those that did the same in a step, most hosts first."""
    while aparts:
        counted = Counter(key for one in aparts for key in one.told)
        key, _n = counted.most_common(1)[0]
        yield _report([one for one in aparts if key in one.told], of)
        aparts = [one for one in aparts if key not in one.told]


def _report(aparts: Sequence[_Apart], of: int) -> DifferenceReport:
    first, *others = aparts
    alike = {
        key: said for key, said in first.told.items() if all(key in one.told for one in others)
    }
    lines = [said for said in alike.values() if isinstance(said, Line)]
    lacks = [said for said in alike.values() if isinstance(said, str)]
    usual = next((said for said in alike.values() if isinstance(said, float)), None)
    return {
        "step": first.attempt.name,
        "host": first.host.name,
        "n": first.attempt.number,
        "line": lines[0].number if lines else 1,
        "printed": [line.text[: causes.LONGEST] for line in lines[:LINES]],
        "lacks": [text[: causes.LONGEST] for text in lacks[:LINES]],
        "skipped": ("skipped", "") in alike,
        "seconds": None if usual is None else _seconds(first.attempt),
        "usual": usual,
        "hosts": len(aparts),
        "of": of,
    }


class _Beside:
    """Failed hosts beside those that are ``well``; ``names`` by host run."""

    def __init__(
        self,
        names: Mapping[int, tuple[str, ...]],
        well: Sequence[int],
        attempts: Iterable[Attempted],
    ) -> None:
        self._names = names
        self._steps: defaultdict[int, dict[int, Attempted]] = defaultdict(dict)
        for one in attempts:
            self._steps[one.run][one.step] = one
        self._well = well
        self._lines: dict[int, list[Line] | None] = {}

    @cached_property
    def _outputs(self) -> Mapping[int, str]:
        all_of_them = [one for steps in self._steps.values() for one in steps.values()]
        read = [one.pk for one in all_of_them if 0 < one.size <= WHOLE]
        return printed.ends(read, size=WHOLE)

    def aparts(self, host: Failed) -> Iterator[_Apart]:
        steps = self._steps[host.run]
        failed = [one for one in steps.values() if _is_failure(one, host)]
        done = [
            one
            for one in steps.values()
            if one.state in (AttemptState.SUCCEEDED, AttemptState.SKIPPED)
            and all(one.step < broken.step for broken in failed)
        ]
        for one in sorted(done, key=lambda one: -one.step)[:STEPS]:
            if told := self._apart(one):
                yield _Apart(host, one, told)
        for one in failed:
            if told := self._before(one, host.line):
                yield _Apart(host, one, told)

    def _apart(self, own: Attempted) -> dict[_Key, _Said]:
        usual = self._usual(own.step)
        if own.state == AttemptState.SKIPPED:
            ran = len(usual) >= differing.FEWEST
            return {("skipped", ""): None} if ran and not self._skipped(own.step) else {}
        told: dict[_Key, _Said] = {}
        if (lines := self._read(own)) is not None:
            found = differing.differs(lines, self._printed(usual))
            told |= {("printed", said): line for said, line in found.printed.items()}
            told |= {("lacks", said): text for said, text in found.lacks.items()}
        if took := _took(own, usual):
            told["took", "long" if took < (_seconds(own) or 0) else "short"] = took
        return told

    def _before(self, own: Attempted, line: str) -> dict[_Key, _Said]:
        """Of the step that failed: the first lines, of those before the one that tells of it where
        one does. What comes then, or does not, is because it failed; so is all of it where others
        are silent."""
        usual = self._printed(self._usual(own.step))
        lines = self._read(own) if all(usual) else None
        if lines is None:
            return {}
        at = next((one.number for one in lines if one.text == line), math.inf)
        found = differing.differs(lines, usual)
        early = [(said, one) for said, one in found.printed.items() if one.number < at]
        return {("printed", said): one for said, one in early[:LINES]}

    def _usual(self, step: int) -> list[Attempted]:
        there = (self._steps[run].get(step) for run in self._well)
        return [one for one in there if one and one.state == AttemptState.SUCCEEDED]

    def _skipped(self, step: int) -> bool:
        there = (self._steps[run].get(step) for run in self._well)
        return any(one.state == AttemptState.SKIPPED for one in there if one)

    def _printed(self, attempts: Sequence[Attempted]) -> list[list[Line]]:
        read = map(self._read, attempts)
        return [lines for lines in read if lines is not None]

    def _read(self, one: Attempted) -> list[Line] | None:
        """None: too much to compare."""
        if one.size > WHOLE:
            return None
        if one.pk not in self._lines:
            output = self._outputs.get(one.pk, "")
            self._lines[one.pk] = differing.lines(output, names=self._names[one.run])
        return self._lines[one.pk]


def _is_failure(one: Attempted, host: Failed) -> bool:
    return one.state == AttemptState.FAILED and one.name == host.step


def _took(own: Attempted, usual: Sequence[Attempted]) -> float | None:
    """What is usual, where this is far from it."""
    seconds = _seconds(own)
    spans = [span for one in usual if (span := _seconds(one)) is not None]
    if seconds is None or len(spans) < differing.EXACT:
        return None
    short = seconds * TIMES < min(spans) and min(spans) >= SECONDS
    long = seconds > TIMES * max(spans) and seconds >= SECONDS
    return float(median(spans)) if short or long else None


def _seconds(one: Attempted) -> float | None:
    if one.started_at is None or one.ended_at is None:
        return None
    return (one.ended_at - one.started_at).total_seconds()
