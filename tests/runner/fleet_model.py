"""What the documents say a job of several hosts does, beside what each of them does."""

from dataclasses import dataclass, field, replace

from tests.runner.model import Model
from tests.runner.told import Deed

FAILED = ("failed", "rolled_back")
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
    #: After what a person wants it to stand still.
    pause: str = ""
    #: What befalls a script of which host, if that comes to one.
    deed: tuple[int, Deed] | None = None

    def __post_init__(self) -> None:
        self.max_failed = self.terms.max_failed

    # How it stands

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

    # What happens by itself

    def run(self) -> None:
        """Until it is over, or only a person leads on."""
        self.state = "running"
        self._wake()
        while self.state == "running" and self._goes_on():
            pass

    def _wake(self) -> None:
        if self.pause != "step":
            still = self.those("paused")
            for n in still:
                self.hosts[n].resume()
            self._carry(still)

    def _goes_on(self) -> bool:
        """As far as hosts that begin together go, or until its state says why not."""
        if self.cancelled or self._is_at_rest():
            self._end()
            return False
        if self.waiting() and self.is_spent():
            self.state = "halted"
            return False
        for place, batch in enumerate(self.batches):
            if self.waiting(batch):
                return self._begin(self.waiting(batch))
            if self.those("unknown", batch) or self.those("paused", batch):
                self.state = "paused" if self.those("paused") else "halted"
                return False
            if place not in self.open and self._asks(place):
                self.state = "paused"
                return False
            self.open.add(place)
        return True

    def _begin(self, hosts: list[int]) -> bool:
        if self.pause in ("host", "step"):
            self.state = "paused"
            return False
        if self.terms.alone == "lock" and (self.those("unknown") or self.those("paused")):
            # These keep it from all others until they are through.
            return False
        self._carry(hosts[:1] if self.terms.alone else hosts)
        return True

    def _carry(self, hosts: list[int]) -> None:
        for n in hosts:
            self.hosts[n].carry(self.deed[1] if self.deed and self.deed[0] == n else None)
        if self.deed and self.deed[0] in hosts and self.hosts[self.deed[0]].deed_at:
            what = self.deed[1].what
            if what in PAUSES:
                self._hold(PAUSES[what])
            elif what in ("cancel", "cancel and leave", "force"):
                self.cancel(undo=what != "cancel and leave")

    def _asks(self, place: int) -> bool:
        """Not after hosts that were all called off."""
        later = any(self.waiting(batch) for batch in self.batches[place + 1 :])
        is_gone = len(self.those("cancelled", self.batches[place])) == len(self.batches[place])
        return later and not is_gone and (self.terms.gate == "manual" or self.pause == "batch")

    def _is_at_rest(self) -> bool:
        return not any(self.those(state) for state in ("waiting", "unknown", "paused"))

    def _end(self) -> None:
        if not self._is_at_rest():
            return
        if not self.is_spent() and not self.cancelled:
            self.open = set(range(len(self.batches)))
        self.pause = ""
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
        if self.cancelled and self.state not in OVER:
            return False
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

    def may_answer(self, n: int, answer: str) -> bool:
        its = self.hosts[n]
        return n in self.those("unknown") and (
            answer != "it_did_not_run" or its.may_answer_not_run()
        )

    def answer(self, n: int, answer: str) -> None:
        self.hosts[n].answer(answer)
        self._carry([n])
        self.run()

    def may_exclude(self, n: int) -> bool:
        return self.is_open and n in (*self.failed(), *self.those("unknown"))

    def exclude(self, n: int) -> None:
        """One of which nobody knows is given up."""
        if self.hosts[n].state == "unknown":
            self.hosts[n].answer("give_up")
            self.hosts[n].carry(None)
        self.excluded.add(n)
        self.run()

    def allow(self, max_failed: int) -> None:
        self.max_failed = max_failed
        self.run()

    def may_pause(self) -> bool:
        return self.is_open and self.state != "halted"

    def hold(self, after: str) -> None:
        self._hold(after)
        self.run()

    def _hold(self, after: str) -> None:
        self.pause = after
        for n in self.those("unknown"):
            self.hosts[n].wish = "pause" if after == "step" else ""

    def may_resume(self) -> bool:
        return self.is_open and (bool(self.pause) or self.state == "running")

    def resume(self) -> None:
        self._unpause()
        if self.state == "halted":
            self._wake()
            self._end()
        else:
            self.run()

    def _unpause(self) -> None:
        self.pause = ""
        for n in self.those("unknown"):
            self.hosts[n].resume()

    def may_promote(self) -> bool:
        return self.is_open and self.state == "paused" and self._gate() is not None

    def promote(self) -> None:
        gate = self._gate()
        assert gate is not None
        self.open.add(gate)
        self._unpause()
        self.run()

    def _gate(self) -> int | None:
        """After which batch a person is waited for."""
        closed = (n for n in range(len(self.batches)) if n not in self.open)
        place = next(closed, None)
        if place is None or not self._asks(place):
            return None
        left = ("waiting", "unknown", "paused")
        so_far = self.batches[: place + 1]
        return None if any(self.those(state, b) for state in left for b in so_far) else place

    def cancel(self, *, undo: bool = True) -> None:
        """What stands still goes on to its end, and what is unknown once it is answered."""
        self.cancelled, self.pause = True, ""
        for n in self.waiting():
            self.hosts[n].state = "cancelled"
        still = self.those("paused")
        for n in (*still, *self.those("unknown")):
            self.hosts[n].cancel(undo=undo)
        self._carry(still)
        self._end()

    def may_roll_back(self) -> bool:
        is_over = self.state in (*OVER, "halted") and not self.those("unknown")
        if not is_over or any(host.rolls_back for host in self.hosts):
            return False
        return bool(self.standing()) and not any(host.is_for_good for host in self.hosts)

    def standing(self) -> list[int]:
        """Where something can be taken back."""
        return [n for n, host in enumerate(self.hosts) if host.may_roll_back()]

    def roll_back(self) -> "FleetModel":
        back = self.standing()
        if self.state == "halted":
            self.deed, deed = None, self.deed
            self.cancel()
            self.deed = deed
        for n in back:
            self.hosts[n].roll_back()
            self.hosts[n].state = "waiting"
        terms = replace(self.terms, max_failed=self.max_failed)
        other = FleetModel(terms, self.hosts, terms.cut(back), deed=self.deed)
        other.run()
        return other
