"""Cuts a job's hosts into the canary batch and the batches after it."""

import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from math import ceil
from typing import Any

from deploy_tasks.rollout.value import GROWTHS, Rollout, is_growth, is_share


@dataclass(frozen=True)
class Placed:
    """What the cut looks at of a host. Names are unique."""

    name: str
    labels: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Cut:
    """``batches``: names in their order, no batch empty; ``canary``: the first is the canary.
    ``ahead``: those of the first batch that are there for another reason than their place."""

    batches: list[list[str]]
    canary: bool
    ahead: tuple[str, ...] = ()

    def with_first(self, names: Collection[str]) -> "Cut":
        """The same, but ``names`` begin the first batch. For hosts that are down: they keep the
        places that everybody before them would wait for."""
        if not names:
            return self
        others = [[name for name in batch if name not in names] for batch in self.batches]
        ahead = tuple(name for batch in self.batches for name in batch if name in names)
        first, *later = others
        return Cut([[*ahead, *first], *(batch for batch in later if batch)], self.canary, ahead)


def batches(hosts: Sequence[Placed], rollout: Rollout) -> Cut:
    """Every host once. A share ends at that part of all hosts, canary included, rounded up; with
    ``batch_by`` of the hosts of one value of that label, canary left out."""
    canary, rest = _canary(_in_order(hosts, rollout.order_by), rollout.canary)
    if rollout.batch_by is None:
        cut = _cut([*canary, *rest], rollout.batches, len(canary))
    else:
        cut = [[host.name for host in canary]]
        for _value, group in groupby(
            _in_order(rest, rollout.batch_by), _value_of(rollout.batch_by)
        ):
            cut += _cut([*group], rollout.batches, 0)
    return Cut([batch for batch in cut if batch], canary=bool(canary))


def _cut(hosts: Sequence[Placed], sizes: Sequence[int | str], canary: int) -> list[list[str]]:
    """The first ``canary`` are a batch already."""
    ends = [canary, *_ends(sizes, canary, len(hosts))]
    names = [host.name for host in hosts]
    return [names[a:b] for a, b in zip([0, *ends], [*ends, len(hosts)], strict=True)]


def _in_order(hosts: Sequence[Placed], label: str | None) -> Sequence[Placed]:
    """As they came, or by a label: shard 2 before shard 10; ``-shard``: the other way round. Those
    without the label come first, or last."""
    if label is None:
        return hosts
    value = _value_of(label.removeprefix("-"))
    # Values that count alike, 1 and 01, are not mixed.
    return sorted(
        hosts, key=lambda host: (_natural(value(host)), value(host)), reverse=label.startswith("-")
    )


def _value_of(label: str) -> Callable[[Placed], str]:
    return lambda host: str(host.labels.get(label, ""))


def _natural(text: str) -> list[tuple[int, str]]:
    """Numbers by their length and then their digits: nobody says how long a label may be, and
    Python reads no number of thousands of digits."""
    parts = ((part, part.lstrip("0")) for part in re.split(r"([0-9]+)", text))
    return [(len(digits), digits) if part.isdecimal() else (0, part) for part, digits in parts]


def _canary(
    hosts: Sequence[Placed], wanted: int | str | tuple[str, ...] | Mapping[str, str]
) -> tuple[Sequence[Placed], Sequence[Placed]]:
    if isinstance(wanted, str):
        wanted = _share_end(wanted, len(hosts))
    if isinstance(wanted, int):
        return hosts[:wanted], hosts[wanted:]
    if isinstance(wanted, tuple):
        chosen = [host for host in hosts if host.name in wanted]
    else:
        labels = wanted.items()
        chosen = [h for h in hosts if all(str(h.labels.get(k)) == v for k, v in labels)]
    names = {host.name for host in chosen}
    return chosen, [host for host in hosts if host.name not in names]


def _ends(sizes: Sequence[int | str], canary: int, hosts: int) -> Iterator[int]:
    """Where each batch after the canary ends, growing."""
    end, size = canary, canary
    for given in sizes:
        if is_growth(given):
            yield from _grown(str(given), end, size, hosts)
            return
        new = _share_end(str(given), hosts) if is_share(given) else end + int(given)
        new = max(end, min(new, hosts))
        end, size = new, new - end
        yield end


def _grown(rule: str, end: int, size: int, hosts: int) -> Iterator[int]:
    by = GROWTHS.get(rule, rule)
    while end < hosts:
        # Where nothing came before it, it begins with one host, or with as many as are added.
        grown = size * int(by[1:]) if by[0] == "*" else size + int(by[1:])
        size = grown or 1
        end = min(end + size, hosts)
        yield end


def _share_end(share: str, hosts: int) -> int:
    return ceil(hosts * int(share.removesuffix("%")) / 100)
