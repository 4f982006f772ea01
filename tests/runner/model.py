"""What the documents say a host run does: plain Python, which shares no code with the runner.

``lines`` is what the scripts of all steps have written, in order; a worker that dies, stops or
freezes changes nothing in it.
"""

from copy import deepcopy
from typing import NoReturn

from tests.runner.stand import Stand
from tests.runner.told import Deed, Kind


class Ends(Exception):
    """The way ends as the state says."""

    def __init__(self, state: str) -> None:
        super().__init__(state)
        self.state = state


class Model(Stand):
    # What workers do

    def carry(self, deed: Deed | None) -> None:
        """On, until it comes to rest."""
        self.deed, self.deed_at = deed, 0
        if deed:
            others = deepcopy(self)
            others.carry(None)
            if coming := len(others.lines) - len(self.lines):
                at = len(self.lines) + deed.at % coming
                name, kind = others.lines[at].split()
                is_short = any((name, "short wait") == (s.name, s.form) for s in self.recipe.steps)
                self.deed_at = 0 if is_short and kind == "do" else at + 1
        if self.given_up:
            self.given_up = False
            return
        try:
            if self.winding_up:
                raise Ends(self.winding_up)
            if self.rolls_back:
                self._back()
            else:
                self._forward()
            self._last_things()
            if self.recipe.switch is not None:
                wanted = "1.0" if self.rolls_back else "2.0"
                if self.version != wanted:
                    raise Ends("failed")
            self.state = "succeeded"
        except Ends as end:
            if end.state in ("unknown", "paused", "held"):
                self.state = end.state
            else:
                self._wind_up(end.state)
        if self.state not in ("unknown", "paused", "held"):
            went_well = self.state in ("succeeded", "rolled_back")
            self.out, self.down = False, self.feels and bool(self.felt) and not went_well
            self.was_down = self.was_down and not went_well

    def _forward(self) -> None:
        for n, step in enumerate(self.recipe.steps):
            if n >= self.at and not step.always:
                if self.border is not None and n >= self.border:
                    self._come_to_border()
                self.at = n
                self._do(n)
                self.at = n + 1
        self._come_to_border()

    def _come_to_border(self) -> None:
        if self.must_wait:
            self._heed()
            raise Ends("held")

    def _do(self, n: int) -> None:
        """Until it went well, or may be done without."""
        step = self.recipe.steps[n]
        while True:
            if not step.always:
                self._heed()
            how = self._run(n, "do")
            if how in ("well", "skipped"):
                self.went_well(n, "do")
                return
            if how == "lost":
                if step.repeat != "safe":
                    self.lost = (n, "do")
                    raise Ends("unknown")
                continue
            if step.repeat == "never":
                self.spoilt.add(n)
            if how == "ended" and not step.always:
                self.at += step.optional and step.repeat == "never"
                raise Ends("cancelled")
            self.failures[n] += 1
            if self.failures[n] > step.retries:
                if step.optional:
                    return
                self._fail(f"“{step.name}”")

    def _fail(self, why: str) -> NoReturn:
        self.blame = self.blame or why
        raise Ends("failed")

    def _heed(self) -> None:
        """Between two steps of the way."""
        if self.wish:
            raise Ends("paused" if self.wish == "pause" else "cancelled")

    def _back(self) -> None:
        if self.rolls_back:
            self._come_to_border()
        for n in sorted(self.standing, reverse=True):
            if not self.recipe.steps[n].undo or n in self.final:
                continue
            if self.rolls_back:
                self._heed()
            elif self.wish == "cancel and leave":
                self._fail(f"by hand: {self.recipe.steps[n].name}")
            # From here on nobody can say that it stands.
            self.at = min(self.at, n)
            while (how := self._run(n, "undo")) == "lost":
                if self.recipe.steps[n].repeat != "safe":
                    self.lost = (n, "undo")
                    raise Ends("unknown")
            if how == "ended" and self.rolls_back:
                raise Ends("cancelled")
            if how != "well":
                self._fail(f"“{self.recipe.steps[n].name}”")
            self.went_well(n, "undo")

    def _last_things(self, *, whatever: bool = False) -> None:
        """``whatever`` happened: each of them, also where one fails."""
        failed = False
        for n, step in enumerate(self.recipe.steps):
            if not step.always or n in self.over:
                continue
            if self.failures[n] > step.retries:
                failed = failed or not step.optional
                continue
            try:
                self._do(n)
            except Ends as end:
                if end.state == "unknown" or not whatever:
                    raise
                failed = True
        if failed:
            raise Ends("failed")

    def _wind_up(self, state: str) -> None:
        if not self.winding_up:
            asked = self.wish.startswith("cancel")
            undoes = self.wish == "cancel" if asked else self.recipe.on_failure == "undo"
            self.undoes = undoes and not self.rolls_back
        self.winding_up = state
        if self.launched:
            if self.undoes:
                try:
                    self._back()
                    state = "rolled_back" if self.undone else state
                except Ends as end:
                    state = end.state
                    if state == "unknown":
                        self.state = state
                        return
            try:
                self._last_things(whatever=True)
            except Ends as end:
                if end.state == "unknown":
                    self._leave_lost()
        self.state = state

    def _leave_lost(self) -> None:
        if self.lost and self.recipe.steps[self.lost[0]].repeat == "never":
            self.spoilt.add(self.lost[0])
        self.lost = None

    # What scripts do

    def _run(self, n: int, kind: Kind) -> str:
        step = self.recipe.steps[n]
        self.launched = True
        self.feel(n)
        if kind == "undo":
            self.has_gone_back = True
        elif not step.always:
            self.has_gone_back = False
            self.final.clear()
        elif n not in self.standing and (self.has_gone_back or self.rolls_back):
            self.final.add(n)
        if kind == "do" and step.form == "upload":
            return "well"
        if kind == "do" and step.done_if and n in self.there:
            return "skipped"
        if kind == "do":
            self.standing.add(n)
        self.lines.append(f"{step.name} {kind}")
        if self.deed and self.deed_at == len(self.lines):
            how = self._befall(self.deed, n, kind)
            if how != "goes on":
                return how
        if self.broken[n, kind]:
            self.broken[n, kind] -= 1
            return "failed"
        (self.there.add if kind == "do" else self.there.discard)(n)
        if n == self.recipe.switch:
            self.version = "2.0" if kind == "do" else "1.0"
        return "well"

    def _befall(self, deed: Deed, n: int, kind: Kind) -> str:
        """Last things are done whatever happens, and who cancels wants what was done taken back:
        only force ends these, and who leaves what was done ends that it is taken back."""
        step = self.recipe.steps[n]
        is_way = self.rolls_back if kind == "undo" else not step.always
        self.ended_by_deed = self.heard_of_deed = False
        if deed.what == "kill":
            return "lost"
        if deed.what == "pause":
            self.heard_of_deed = is_way and not self.wish
            self.wish = self.wish or "pause"
        elif deed.what == "force":
            self.cancel(undo=True)
            self.ended_by_deed = True
        elif deed.what.startswith("cancel"):
            self.cancel(undo=deed.what == "cancel")
            goes_back = kind == "undo" and deed.what == "cancel and leave"
            self.heard_of_deed = is_way or goes_back
            self.ended_by_deed = is_way and kind == "do" and step.interrupt == "now"
        return "ended" if self.ended_by_deed else "goes on"
