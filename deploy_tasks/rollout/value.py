"""What an operator says about risk: one validated value, frozen into the job."""

import re
from collections.abc import Sized
from typing import Annotated, Literal

from django.utils.translation import gettext as _
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, field_validator

from deploy_tasks.durations import DurationOrSeconds

PERCENT = r"(100|[1-9]?[0-9])%"
#: How the batches go on after those that are spelled out.
GROWTHS = {"repeat": "*1", "double": "*2"}
GROWTH = r"\*[1-9][0-9]?|\+[1-9][0-9]{0,3}"


def _size(given: object) -> int | str:
    """A number of hosts, or a share of them."""
    if isinstance(given, int) and not isinstance(given, bool) and given >= 0:
        return given
    if isinstance(given, str) and re.fullmatch(PERCENT, given):
        return given
    raise ValueError(_("must be a number of hosts such as 5, or a share such as 25%"))


def _batch_size(given: object) -> int | str:
    if isinstance(given, str) and (given in GROWTHS or re.fullmatch(GROWTH, given)):
        return given
    return _some(given)


def _some(given: object) -> int | str:
    if (size := _size(given)) in (0, "0%"):
        raise ValueError(_("must be more than nothing"))
    return size


def _max_failed(given: object) -> int | str | None:
    return None if given is None else _size(given)


def _canary(given: object) -> object:
    """A number of hosts, names, or labels that the hosts must have."""
    if given in ([], (), {}):  # labels that are none would be every host's
        raise ValueError(_("must be more than nothing"))
    if isinstance(given, (list, tuple)):
        if all(isinstance(name, str) and name for name in given):
            return tuple(given)
    elif isinstance(given, dict):
        if all(isinstance(part, str) for pair in given.items() for part in pair):
            return given
    elif isinstance(given, str):
        return _some(given)
    elif isinstance(given, int) and not isinstance(given, bool) and given >= 0:
        return given
    raise ValueError(
        _("must be a number of hosts, a share, a list of names, or labels such as {tier: test}")
    )


def _of_each(given: object) -> object:
    """One for all batches, or one for each; the last is that of all that follow."""
    if isinstance(given, (list, tuple)) and not given:
        raise ValueError(_("must be more than nothing"))
    return tuple(given) if isinstance(given, list) else given


BatchSize = Annotated[int | str, BeforeValidator(_batch_size)]
MaxFailed = Annotated[int | str | None, BeforeValidator(_max_failed)]
MaxDown = Annotated[int | str, BeforeValidator(_some)]
Width = Annotated[int | str, BeforeValidator(_some)]
Canary = Annotated[int | str | tuple[str, ...] | dict[str, str], BeforeValidator(_canary)]
Opens = Literal["auto", "manual"]


class Rollout(BaseModel):
    """A number counts hosts; ``"25%"`` is a share of the job's hosts."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    canary: Canary = Field(
        0, description="hosts updated first, alone: how many, a share, names, or labels"
    )
    batches: Annotated[tuple[BatchSize, ...], Field(strict=False)] = Field(
        ("100%",),
        description="a number: the size of a batch; a share: where it ends; last, how it goes on:"
        " repeat, double, *3, +5; without that the rest comes last",
    )
    parallel: Width = Field(50, description="host runs at a time: how many, or a share")
    stage: Literal["in_batch", "ahead"] = Field(
        "in_batch",
        description="ahead: all hosts do at once what comes before the first disruptive step",
    )
    stage_parallel: Width = Field(50, description="hosts that stage ahead at a time")
    stagger: DurationOrSeconds = Field(0.0, description="seconds between the starts of two hosts")
    max_failed: MaxFailed = Field(None, description="failures allowed; one more halts the job")
    max_failed_in_batch: MaxFailed = Field(
        None, description="failures allowed in one batch; one more halts the job"
    )
    on_halt: Literal["wait", "rollback"] = Field(
        "wait",
        description="what follows when a canary failed or a budget is spent: a person decides, or"
        " the job is rolled back",
    )
    gate: Annotated[Opens | tuple[Opens, ...], BeforeValidator(_of_each)] = Field(
        "auto", description="who opens the next batch; a list: after the first batch, the second, …"
    )
    soak: Annotated[
        DurationOrSeconds | tuple[DurationOrSeconds, ...], BeforeValidator(_of_each)
    ] = Field(0.0, description="seconds a batch must stay well; a list: the first, the second, …")
    preflight: bool = Field(
        False,
        description="check every host before the first batch; a person decides if one is unfit",
    )
    order_by: str | None = Field(
        None, description="the label that orders the hosts; with a - before it: last first"
    )
    batch_by: str | None = Field(
        None, description="the label whose values are updated one after the other, each in batches"
    )
    max_down: dict[str, MaxDown] = Field(
        default_factory=dict,
        description="label: how many of the game's hosts with the same value may be down at a time",
    )
    per_machine: int | None = Field(
        None, ge=1, description="hosts of one machine that may be down at a time"
    )

    @field_validator("batches")
    @classmethod
    def _batches_fit(cls, sizes: tuple[int | str, ...]) -> tuple[int | str, ...]:
        if any(is_growth(size) for size in sizes[:-1]):
            raise ValueError(_("how batches go on (repeat, double, *3, +5) stands last"))
        shares = [_percent(size) for size in sizes if is_share(size)]
        if shares != sorted(set(shares)):
            raise ValueError(
                _("a share says where its batch ends, so each must be larger than the one before")
            )
        return sizes

    @property
    def stages_ahead(self) -> bool:
        """Whether hosts stop before their first disruptive step until their batch goes down."""
        return self.stage == "ahead"

    def gate_after(self, n: int) -> str:
        """Who opens the batch that follows the ``n``-th; they count from 1."""
        return self.gate if isinstance(self.gate, str) else self.gate[_nth(n, self.gate)]

    def soak_of(self, n: int) -> float:
        """How many seconds the ``n``-th batch must stay well."""
        return self.soak[_nth(n, self.soak)] if isinstance(self.soak, tuple) else self.soak

    @property
    def limits_others(self) -> bool:
        return bool(self.max_down) or self.per_machine is not None

    def down_at_most(self, label: str, hosts: int) -> int:
        """Of the ``hosts`` that have a value of this label; shares are rounded down."""
        return _allowed(self.max_down[label], hosts) or 0

    def width(self, hosts: int) -> int:
        """How many of the job's ``hosts`` may be under way at a time; at least one."""
        return _width(self.parallel, hosts)

    def stage_width(self, hosts: int) -> int:
        """The same of those that stage ahead."""
        return _width(self.stage_parallel, hosts)

    def budget(self, hosts: int) -> int | None:
        """How many of the job's ``hosts`` may fail; None: no limit. Shares are rounded down."""
        return _allowed(self.max_failed, hosts)

    def batch_budget(self, hosts: int) -> int | None:
        """The same of a batch of that many."""
        return _allowed(self.max_failed_in_batch, hosts)


def is_share(size: int | str) -> bool:
    return isinstance(size, str) and size.endswith("%")


def is_growth(size: int | str) -> bool:
    return isinstance(size, str) and not size.endswith("%")


def _nth(n: int, of_each: Sized) -> int:
    return min(max(n, 1), len(of_each)) - 1


def _percent(size: int | str) -> int:
    return int(str(size).removesuffix("%"))


def _width(given: int | str, hosts: int) -> int:
    # Whoever wants no limit writes any number: nobody makes room for more hosts than there are.
    return max(1, min(_allowed(given, hosts) or 1, hosts))


def _allowed(limit: int | str | None, hosts: int) -> int | None:
    if limit is None or isinstance(limit, int):
        return limit
    return hosts * _percent(limit) // 100
