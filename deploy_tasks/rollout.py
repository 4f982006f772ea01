"""In which order hosts are updated, and which of them may start now. Pure policy."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from math import ceil
from typing import Annotated, Literal, TypeVar

from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, field_validator

from deploy_tasks.durations import DurationOrSeconds

T = TypeVar("T")

PERCENT = r"(100|[1-9]?[0-9])%"


def _size(given: object) -> int | str:
    """A number of hosts, or a share of them."""
    if isinstance(given, int) and not isinstance(given, bool) and given >= 0:
        return given
    if isinstance(given, str) and re.fullmatch(PERCENT, given):
        return given
    raise ValueError(_("must be a number of hosts such as 5, or a share such as 25%"))


def _batch_size(given: object) -> int | str:
    if (size := _size(given)) in (0, "0%"):
        raise ValueError(_("must be more than nothing"))
    return size


def _max_failed(given: object) -> int | str | None:
    return None if given is None else _size(given)


BatchSize = Annotated[int | str, BeforeValidator(_batch_size)]
MaxFailed = Annotated[int | str | None, BeforeValidator(_max_failed)]


class Rollout(BaseModel):
    """A number counts hosts; ``"25%"`` is a share of the job's hosts."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    canary: int = Field(0, ge=0, description="hosts updated first, alone")
    batches: Annotated[tuple[BatchSize, ...], Field(strict=False)] = Field(
        ("100%",),
        description="a number: the size of a batch; a share: where it ends; the rest comes last",
    )
    parallel: int = Field(50, ge=1, description="host runs at a time")
    max_failed: MaxFailed = Field(None, description="failures allowed; one more halts the job")
    gate: Literal["auto", "manual"] = Field("auto", description="who opens the next batch")
    soak: DurationOrSeconds = Field(0.0, description="seconds a batch must stay well")
    order_by: str | None = Field(None, description="the label that orders the hosts")

    @field_validator("batches")
    @classmethod
    def _shares_grow(cls, sizes: tuple[int | str, ...]) -> tuple[int | str, ...]:
        shares = [int(size.removesuffix("%")) for size in sizes if isinstance(size, str)]
        if shares != sorted(set(shares)):
            raise ValueError(
                _("a share says where its batch ends, so each must be larger than the one before")
            )
        return sizes

    def budget(self, hosts: int) -> int | None:
        """How many of the job's ``hosts`` may fail; None: no limit. Shares are rounded down."""
        if isinstance(self.max_failed, str):
            return hosts * int(self.max_failed.removesuffix("%")) // 100
        return None if self.max_failed is None else int(self.max_failed)


@dataclass(frozen=True)
class BatchCounts:
    """How a batch stands. ``active``: a worker has it or soon will; ``succeeded``: also skipped;
    ``failed``: also rolled back; ``unknown``: the outcome is not known yet."""

    n: int
    waiting: int = 0
    active: int = 0
    succeeded: int = 0
    failed: int = 0
    unknown: int = 0
    canary: bool = False

    @property
    def hosts(self) -> int:
        return self.waiting + self.active + self.succeeded + self.failed + self.unknown

    @property
    def is_over(self) -> bool:
        return not (self.waiting or self.active or self.unknown)


@dataclass(frozen=True)
class Decision:
    """``start``: batch n -> how many of its waiting hosts may start now. ``halt``: why nothing
    may, until a person has acted; None while the job goes on by itself, or is over."""

    start: dict[int, int] = field(default_factory=dict)
    halt: str | None = None


def batches(hosts: Sequence[T], rollout: Rollout) -> list[list[T]]:
    """Cut hosts, in their order, into the canary batch and the batches after it; none is empty.

    A share ends at that part of all hosts, canary included, rounded up.
    """
    ends = [min(rollout.canary, len(hosts))]
    for size in rollout.batches:
        end = _share_end(size, len(hosts)) if isinstance(size, str) else ends[-1] + size
        ends.append(max(ends[-1], min(end, len(hosts))))
    starts = [0, *ends]
    cut = [list(hosts[a:b]) for a, b in zip(starts, [*ends, len(hosts)], strict=True)]
    return [batch for batch in cut if batch]


def _share_end(share: str, hosts: int) -> int:
    return ceil(hosts * int(share.removesuffix("%")) / 100)


def may_start(rollout: Rollout, batches: Sequence[BatchCounts]) -> Decision:
    """Which host runs may start now, from how the batches stand, in their order.

    A batch opens when every host run of those before it has ended; an unknown one holds it.
    """
    if not any(batch.waiting for batch in batches):
        return Decision(halt=_only_unknown(batches))
    halt = _budget_spent(rollout, batches) or _canary_failed(batches)
    if halt:
        return Decision(halt=halt)
    batch = next(batch for batch in batches if not batch.is_over)
    room = rollout.parallel - sum(batch.active for batch in batches)
    starting = min(batch.waiting, room)
    if starting > 0:
        return Decision(start={batch.n: starting})
    return Decision(halt=_only_unknown(batches) if not batch.waiting else None)


def _budget_spent(rollout: Rollout, batches: Sequence[BatchCounts]) -> str | None:
    failed = sum(batch.failed for batch in batches)
    budget = rollout.budget(sum(batch.hosts for batch in batches))
    if budget is None or failed <= budget:
        return None
    return ngettext(
        "%(failed)s host failed, at most %(budget)s may",
        "%(failed)s hosts failed, at most %(budget)s may",
        failed,
    ) % {"failed": failed, "budget": budget}


def _canary_failed(batches: Sequence[BatchCounts]) -> str | None:
    failed = any(batch.failed for batch in batches if batch.canary)
    return _("a canary host failed") if failed else None


def _only_unknown(batches: Sequence[BatchCounts]) -> str | None:
    unknown = sum(batch.unknown for batch in batches)
    if not unknown or any(batch.active for batch in batches):
        return None
    return ngettext(
        "the outcome of %(count)s host is unknown; only a person's answer leads on",
        "the outcome of %(count)s hosts is unknown; only a person's answer leads on",
        unknown,
    ) % {"count": unknown}
