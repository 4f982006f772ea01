"""Who may go down now, so that enough stay up: a pure function from who is down already."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

#: What hosts have in common: a label and its value, or `MACHINE` and its name.
Group = tuple[str, str]

MACHINE = "machine"


@dataclass(frozen=True)
class Wanting:
    """A host that stands before its first disruptive step, with the groups it belongs to."""

    host: str
    groups: frozenset[Group]


@dataclass(frozen=True)
class Admission:
    """``enter``: names of those that may go down now; ``wait``: name -> the group that is full."""

    enter: list[str]
    wait: dict[str, Group]


def admit(
    wanting: Sequence[Wanting], down: Mapping[Group, int], allowed: Mapping[Group, int]
) -> Admission:
    """In their order; one that has to wait does not keep those behind it from other groups.

    ``down``: how many of a group are down or may be; a group that is not in ``allowed`` has no
    limit.
    """
    now = Counter(dict(down))
    admission = Admission([], {})
    for one in wanting:
        full = [g for g in sorted(one.groups) if g in allowed and now[g] >= allowed[g]]
        if full:
            admission.wait[one.host] = full[0]
            continue
        admission.enter.append(one.host)
        now.update(one.groups)
    return admission


def strictest(limits: Iterable[Mapping[Group, int]]) -> dict[Group, int]:
    """Where several jobs limit the same group, the smallest number holds for all."""
    found: dict[Group, int] = {}
    for limit in limits:
        for group, most in limit.items():
            found[group] = min(most, found.get(group, most))
    return found
