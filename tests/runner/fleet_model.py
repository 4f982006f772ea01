"""What the documents say a job of several hosts does, beside what each of them does."""

from dataclasses import replace
from typing import Any

from tests.runner.fleet_stand import PAUSES, FleetStand


class FleetModel(FleetStand):
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
        if self.terms.goes_back and not self.cancelled and self.is_spent():
            self._go_back()
            return False
        if self.cancelled or self.is_at_rest():
            self._end()
            return False
        if (self.waiting() or self.those("held")) and self.is_spent():
            self.state = "halted"
            return False
        if self._let_in():
            return True
        for place, batch in enumerate(self.batches):
            if self.waiting(batch):
                return self._begin(self.waiting(batch))
            if self.those("unknown", batch) or self.those("paused", batch):
                self.state = "paused" if self.those("paused") else "halted"
                return False
            if self.those("held", batch):
                self.state = "paused" if self.stands_still else "running"
                return False
            if place not in self.open and self.asks(place):
                self.state = "paused"
                return False
            self.open.add(place)
        return True

    def _go_back(self) -> None:
        """As soon as nobody has to answer. It is called off where nothing can be taken back."""
        self.state = "halted"
        if self.standing() and not self.those("unknown"):
            self.back = self.roll_back(gate="auto")
        elif not self.those("unknown"):
            self.cancel()

    def _let_in(self) -> bool:
        """The first of those that wait to go down, where there is a place for it."""
        if self.stands_still or self.those("paused"):
            return False
        places = (self.terms.max_down or 0) - sum(one.out or one.is_down for one in self.hosts)
        for n in self.those("held"):
            if places > 0 or self.hosts[n].is_down:
                self.hosts[n].out = True
                self._carry([n])
                return True
        # Where others wait for its place, one that is down comes first, whatever its batch.
        again = [n for n in self.waiting() if self.hosts[n].out and self.those("held")]
        self._carry(again[:1])
        return bool(again)

    def _begin(self, hosts: list[int]) -> bool:
        if self.stands_still:
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

    def _end(self) -> None:
        if not self.is_at_rest():
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

    def retry(self, again: list[int]) -> None:
        for n in again:
            self.hosts[n].retry(None)
            self.hosts[n].state = "waiting"
        self.excluded -= set(again)
        self.open -= {n for n, batch in enumerate(self.batches) if {*batch} & {*again}}
        self.cancelled = False
        self.run()

    def answer(self, n: int, answer: str) -> None:
        self.hosts[n].answer(answer)
        self._carry([n])
        self.run()

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

    def hold(self, after: str) -> None:
        self._hold(after)
        self.run()

    def _hold(self, after: str) -> None:
        self.pause = after
        for n in self.those("unknown"):
            self.hosts[n].wish = "pause" if after == "step" else ""

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

    def promote(self) -> None:
        gate = self.gate()
        assert gate is not None
        self.open.add(gate)
        self._unpause()
        self.run()

    def cancel(self, *, undo: bool = True) -> None:
        """What stands still goes on to its end, and what is unknown once it is answered."""
        self.cancelled, self.pause = True, ""
        for n in self.waiting():
            its = self.hosts[n]
            its.state, its.out, its.down = "cancelled", False, its.out
        still = [*self.those("paused"), *self.those("held")]
        for n in (*still, *self.those("unknown")):
            self.hosts[n].cancel(undo=undo)
        self._carry(still)
        self._end()

    def roll_back(self, **changes: Any) -> "FleetModel":
        """``changes``: of its terms."""
        back = self.standing()
        again = [n for n in self.waiting() if self.hosts[n].out]
        down = [n for n, host in enumerate(self.hosts) if host.is_down or n in again]
        ahead = down if self.terms.max_down is not None and len(down) >= self.terms.max_down else []
        if self.state == "halted":
            self.deed, deed = None, self.deed
            self.cancel()
            self.deed = deed
        for n in back:
            self.hosts[n].roll_back()
            self.hosts[n].state = "waiting"
        terms = replace(self.terms, max_failed=self.max_failed, goes_back=False, **changes)
        other = FleetModel(
            terms, self.hosts, self._with_first(terms.cut(back), ahead), deed=self.deed
        )
        other.run()
        return other

    def _with_first(self, batches: list[list[int]], ahead: list[int]) -> list[list[int]]:
        """Those for which all others would wait come first."""
        there = [n for batch in batches for n in batch if n in ahead]
        first, *later = [[n for n in batch if n not in ahead] for batch in batches]
        return [[*there, *first], *(batch for batch in later if batch)]
