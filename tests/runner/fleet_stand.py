"""How a job of several hosts stands for the model, and what people may ask of it then."""

from dataclasses import dataclass, field

from tests.runner.model import Model
from tests.runner.told import Deed

FAILED = ("failed", "rolled_back")
LEFT = ("waiting", "held", "paused", "unknown")
OVER = ("succeeded", "failed", "cancelled")
#: Deeds that are orders to pause: after what.
PAUSES = {"pause": "step", "pause after host": "host", "pause after batch": "batch"}


@dataclass(frozen=True)
class Terms:
    """``alone``: one host is under way at a time, for the sake of its width, or of a lock."""

    canary: int = 0
    batch: int = 4
    alone: str = ""
    max_failed: int | None = None
    max_failed_in_batch: int | None = None
    gate: str = "auto"
    #: Of all hosts, where one is under way at a time.
    max_down: int | None = None
    #: By itself, where a budget is spent.
    goes_back: bool = False

    def cut(self, hosts: list[int]) -> list[list[int]]:
        first, rest = hosts[: self.canary], hosts[self.canary :]
        later = [rest[n : n + self.batch] for n in range(0, len(rest), self.batch)]
        return [batch for batch in (first, *later) if batch]


@dataclass
class FleetStand:
    terms: Terms
    hosts: list[Model]
    #: Which hosts, by their place.
    batches: list[list[int]]
    state: str = "running"
    open: set[int] = field(default_factory=set)
    excluded: set[int] = field(default_factory=set)
    max_failed: int | None = None
    cancelled: bool = False
    #: After what a person wants it to stand still.
    pause: str = ""
    #: The job that takes this one back by itself.
    back: "FleetStand | None" = None
    #: What befalls a script of which host, if that comes to one.
    deed: tuple[int, Deed] | None = None

    def __post_init__(self) -> None:
        self.max_failed = self.terms.max_failed
        for its in self.hosts:
            its.is_limited = self.terms.max_down is not None

    @property
    def is_open(self) -> bool:
        """Whether anything but a cancel can be ordered of it while it goes on."""
        return self.state not in OVER and not self.cancelled

    def those(self, state: str, batch: list[int] | None = None) -> list[int]:
        all_ = [n for one in self.batches for n in one]
        return [n for n in (all_ if batch is None else batch) if self.hosts[n].state == state]

    def waiting(self, batch: list[int] | None = None) -> list[int]:
        return self.those("waiting", batch)

    def failed(self, batch: list[int] | None = None) -> list[int]:
        return [n for state in FAILED for n in self.those(state, batch)]

    def is_spent(self) -> bool:
        """Each budget is of failures that are not set aside; a gate that is open ends the canary's
        and that of a batch."""
        if self.max_failed is not None and len(self._counted()) > self.max_failed:
            return True
        for place, batch in enumerate(self.batches):
            most = self.terms.max_failed_in_batch
            if place == 0 and self.terms.canary:
                most = 0
            if place not in self.open and most is not None and len(self._counted(batch)) > most:
                return True
        return False

    def _counted(self, batch: list[int] | None = None) -> list[int]:
        return [n for n in self.failed(batch) if n not in self.excluded]

    def is_at_rest(self) -> bool:
        return not any(self.those(state) for state in LEFT)

    @property
    def stands_still(self) -> bool:
        return self.pause in ("host", "step")

    def gate(self) -> int | None:
        """After which batch a person is waited for."""
        closed = (n for n in range(len(self.batches)) if n not in self.open)
        place = next(closed, None)
        if place is None or not self.asks(place):
            return None
        so_far = self.batches[: place + 1]
        return None if any(self.those(state, b) for state in LEFT for b in so_far) else place

    def asks(self, place: int) -> bool:
        """Not after hosts that were all called off."""
        later = any(self.waiting(b) or self.those("held", b) for b in self.batches[place + 1 :])
        is_gone = len(self.those("cancelled", self.batches[place])) == len(self.batches[place])
        return later and not is_gone and (self.terms.gate == "manual" or self.pause == "batch")

    # What people may ask for

    def retryable(self) -> list[int]:
        """By an order that names none of them."""
        again = [n for batch in self.batches for n in batch if self._may_be_retried(n)]
        return [n for n in again if n not in self.excluded]

    def _may_be_retried(self, n: int) -> bool:
        is_there = any(n in batch for batch in self.batches)
        return is_there and self.hosts[n].state in (*FAILED, "cancelled")

    def may_retry(self, again: list[int]) -> bool:
        if self.cancelled and self.state not in OVER:
            return False
        return (bool(again) or self.state == "halted") and all(
            self._may_be_retried(n) and self.hosts[n].may_retry(None) for n in again
        )

    def may_answer(self, n: int, answer: str) -> bool:
        its = self.hosts[n]
        return n in self.those("unknown") and (
            answer != "it_did_not_run" or its.may_answer_not_run()
        )

    def may_exclude(self, n: int) -> bool:
        return self.is_open and n in (*self.failed(), *self.those("unknown"))

    def may_pause(self) -> bool:
        return self.is_open and self.state != "halted"

    def may_resume(self) -> bool:
        return self.is_open and (bool(self.pause) or self.state == "running")

    def may_promote(self) -> bool:
        return self.is_open and self.state == "paused" and self.gate() is not None

    def may_roll_back(self) -> bool:
        is_over = self.state in (*OVER, "halted") and not self.those("unknown")
        if not is_over or any(host.rolls_back for host in self.hosts):
            return False
        return bool(self.standing()) and not any(host.is_for_good for host in self.hosts)

    def standing(self) -> list[int]:
        """Where something can be taken back."""
        return [n for n, host in enumerate(self.hosts) if host.may_roll_back()]
