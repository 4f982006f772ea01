"""What a host printed in a step that no host printed which is well, and what all of these printed
and it did not. Pure, in the time of one pass; the order of lines does not matter.
"""

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field
from typing import NamedTuple

from deploy_tasks import causes

#: Hosts that are well: with fewer nobody knows what is usual, and from so many on what they print
#: alike to the letter is no accident.
FEWEST = 2
EXACT = 3
#: Lines of an output that are compared; a longer one is not. Characters of each that count.
LINES = 400
LONGEST = causes.LONGEST

#: Differs with every run, also where a few hosts happen to agree.
_MEASURED = re.compile(
    r"\d+(?:[.,:]\d+)*\s?(?:%|[kKMGT]?i?B(?:/s)?\b|bytes?\b|[mµn]?s\b|sec(?:ond)?s?\b"
    r"|min(?:ute)?s?\b|h(?:our)?s?\b)|\b\d{1,2}:\d\d(?::\d\d(?:[.,]\d+)?)?\b|\b\d{4}-\d\d-\d\d\b"
)


class Line(NamedTuple):
    """``number`` counts from 1; ``folded`` as causes are; ``exact`` keeps what is not measured."""

    number: int
    text: str
    folded: str
    exact: str


@dataclass(frozen=True)
class Difference:
    """Lines that only this host ``printed``, and texts that it ``lacks``: by what is left of them
    for all hosts that print the same."""

    printed: Mapping[str, Line] = field(default_factory=dict)
    lacks: Mapping[str, str] = field(default_factory=dict)


def lines(output: str, *, names: Iterable[str]) -> list[Line] | None:
    """None: too many to compare."""
    raw = output.split("\n")
    if len(raw) > LINES:
        return None
    names = tuple(names)
    told = enumerate(map(causes.plain, raw), 1)
    return [_line(number, text, names) for number, text in told if text]


def differs(host: Sequence[Line], well: Sequence[Sequence[Line]]) -> Difference:
    """A line is told only where those that are well agree: what each of them prints otherwise says
    nothing."""
    if len(well) < FEWEST:
        return Difference()
    alike = _alike(well)
    theirs = [[_identity(line, alike) for line in one] for one in well]
    common = set.intersection(*map(set, theirs))
    usual = set().union(*theirs)
    unsettled = {
        after for one in theirs for said, after in _placed(one, common) if said not in common
    }
    own = [_identity(line, alike) for line in host]
    printed: dict[str, Line] = {}
    for line, (said, after) in zip(host, _placed(own, common), strict=True):
        if said not in usual and after not in unsettled:
            printed.setdefault(said, line)
    return Difference(printed, _texts(common.difference(own), well, theirs))


def _line(number: int, text: str, names: Sequence[str]) -> Line:
    said = causes.nameless(text[:LONGEST], names)
    return Line(number, text, causes.folded(said), _MEASURED.sub("…", said))


def _alike(well: Sequence[Sequence[Line]]) -> set[str]:
    """Folded lines that all of them print, and alike to the letter."""
    if len(well) < EXACT:
        return set()
    by_fold: list[defaultdict[str, set[str]]] = []
    for one in well:
        by_fold.append(defaultdict(set))
        for line in one:
            by_fold[-1][line.folded].add(line.exact)
    first, *others = by_fold
    return {fold for fold, said in first.items() if all(one.get(fold) == said for one in others)}


def _identity(line: Line, alike: Set[str]) -> str:
    return line.exact if line.folded in alike else line.folded


def _placed(told: Iterable[str], common: Set[str]) -> Iterator[tuple[str, str]]:
    """Each with the last before it of those that all print: what not all print differs there."""
    after = ""
    for said in told:
        yield said, after
        if said in common:
            after = said


def _texts(
    wanted: Set[str], well: Sequence[Sequence[Line]], theirs: Sequence[Sequence[str]]
) -> dict[str, str]:
    """As it was printed, where all printed it so; else what is left of it for all of them."""
    texts: defaultdict[str, set[str]] = defaultdict(set)
    for one, identities in zip(well, theirs, strict=True):
        for line, said in zip(one, identities, strict=True):
            texts[said].add(line.text)
    return {
        said: texts[said].pop() if len(texts[said]) == 1 else said
        for said in dict.fromkeys(theirs[0])
        if said in wanted
    }
