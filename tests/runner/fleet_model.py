"""What the documents say a job of several hosts does, beside what each of them does."""

from dataclasses import dataclass, field, replace

from tests.runner.model import Model
from tests.runner.told import Deed

FAILED = ("failed", "rolled_back")


@dataclass(frozen=True)
class Terms:
    """``alone``: one host is under way at a time, for the sake of its width, or of a lock."""

    canary: int = 0
    batch: int = 4
    alone: str = ""
    max_failed: int | None = None
    max_failed_in_batch: int | None = None
    gate: str = "auto"

    def cut(self, hosts: list[int]) -> list[list[int]]:
        first, rest = hosts[: self.canary], hosts[self.canary :]
        later = [rest[n : n + self.batch] for n in range(0, len(rest), self.batch)]
        return [batch for batch in (first, *later) if batch]


@dataclass
class FleetModel:
    terms: Terms
    hosts: list[Model]
    #: Which hosts, by their place.
    batches: list[list[int]]
    state: str = "running"
    open: set[int] = field(default_factory=set)
    excluded: set[int] = field(default_factory=set)
    max_failed: int | None = None
    cancelled: bool = False
    #: What befalls a script of which host, if that comes to one.
    deed: tuple[int, Deed] | None = None

    def __post_init__(self) -> None:
        self.max_failed = self.terms.max_failed

    # How it stands

    def waiting(self, batch: list[int]) -> list[int]:
        return [n for n in batch if self.hosts[n].state == "waiting"]

    def failed(self, batch: list[int] | None = None) -> list[int]:
        all_ = [n for one in self.batches for n in one]
        return [n for n in batch or all_ if self.hosts[n].state in FAILED]

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

    # What happens by itself

    def run(self) -> None:
        """Until it is over, or only a person leads on."""
        self.state = "running"
        while self.state == "running":
            left = any(self.waiting(batch) for batch in self.batches)
            if left and self.is_spent():
                self.state = "halted"
            elif not left:
                self._end()
            else:
                self._go_on()

    def _go_on(self) -> None:
        for place, batch in enumerate(self.batches):
            if begin := self.waiting(batch):
                begin = begin[:1] if self.terms.alone else begin
                for n in begin:
                    self.hosts[n].carry(self.deed[1] if self.deed and self.deed[0] == n else None)
                if any(self.hosts[n].cancelled for n in begin):
                    self.cancel()
                return
            if place not in self.open and self._asks(place):
                self.state = "paused"
                return
            self.open.add(place)

    def _asks(self, place: int) -> bool:
        later = any(self.waiting(batch) for batch in self.batches[place + 1 :])
        return self.terms.gate == "manual" and later

    def _end(self) -> None:
        if not self.is_spent() and not self.cancelled:
            self.open = set(range(len(self.batches)))
        states = [self.hosts[n].state for batch in self.batches for n in batch]
        if all(state == "succeeded" for state in states):
            self.state = "succeeded"
        elif self.cancelled or not self.failed():
            self.state = "cancelled"
        else:
            self.state = "failed"

    # What people ask for

    def retryable(self) -> list[int]:
        """By an order that names none of them."""
        again = [n for batch in self.batches for n in batch if self._may_be_retried(n)]
        return [n for n in again if n not in self.excluded]

    def _may_be_retried(self, n: int) -> bool:
        is_there = any(n in batch for batch in self.batches)
        return is_there and self.hosts[n].state in (*FAILED, "cancelled")

    def may_retry(self, again: list[int]) -> bool:
        return (bool(again) or self.state == "halted") and all(
            self._may_be_retried(n) and self.hosts[n].may_retry(None) for n in again
        )

    def retry(self, again: list[int]) -> None:
        for n in again:
            self.hosts[n].retry(None)
            self.hosts[n].state = "waiting"
        self.excluded -= set(again)
        self.open -= {n for n, batch in enumerate(self.batches) if {*batch} & {*again}}
        self.cancelled = False
        self.run()

    def may_exclude(self, n: int) -> bool:
        return self.state in ("halted", "paused") and n in self.failed()

    def exclude(self, n: int) -> None:
        self.excluded.add(n)
        self.run()

    def allow(self, max_failed: int) -> None:
        self.max_failed = max_failed
        self.run()

    def promote(self) -> None:
        self.open.add(next(n for n in range(len(self.batches)) if n not in self.open))
        self.run()

    def cancel(self) -> None:
        self.cancelled = True
        for batch in self.batches:
            for n in self.waiting(batch):
                self.hosts[n].state = "cancelled"
        self._end()

    def may_roll_back(self) -> bool:
        if self.state in ("running", "paused") or any(host.rolls_back for host in self.hosts):
            return False
        return bool(self.standing()) and not any(host.is_for_good for host in self.hosts)

    def standing(self) -> list[int]:
        """Where something can be taken back."""
        return [n for n, host in enumerate(self.hosts) if host.may_roll_back()]

    def roll_back(self) -> "FleetModel":
        back = self.standing()
        if self.state == "halted":
            self.cancel()
        for n in back:
            self.hosts[n].roll_back()
            self.hosts[n].state = "waiting"
        terms = replace(self.terms, max_failed=self.max_failed)
        other = FleetModel(terms, self.hosts, terms.cut(back), deed=self.deed)
        other.run()
        return other
