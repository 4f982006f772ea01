"""What the documents say a host run does: plain Python, which shares no code with the runner.

``lines`` is what the scripts of all steps have written, in order; a worker that dies, stops or
freezes changes nothing in it.
"""

from collections import Counter
from copy import deepcopy
from dataclasses import dataclass, field

from tests.runner.told import Deed, Kind, Recipe


class Ends(Exception):
    """The way ends as the state says."""

    def __init__(self, state: str) -> None:
        super().__init__(state)
        self.state = state


@dataclass
class Model:
    recipe: Recipe
    #: How often scripts fail before they go well.
    broken: Counter[tuple[int, Kind]]
    #: Steps whose ``done_if`` finds their work there.
    there: set[int]
    version: str = "1.0"
    rolls_back: bool = False
    lines: list[str] = field(default_factory=list)
    #: Where it goes on.
    at: int = 0
    #: Launched, not skipped, and not undone since.
    standing: set[int] = field(default_factory=set)
    state: str = "waiting"
    #: Last things that need not be done again.
    over: set[int] = field(default_factory=set)
    #: Done after everything was taken back: that is an end, and is not taken back itself.
    final: set[int] = field(default_factory=set)
    #: Something was taken back since it last went forward.
    has_gone_back: bool = False
    #: Of which the outcome is not known.
    lost: tuple[int, Kind] | None = None
    #: Since a person last said "again".
    failures: Counter[int] = field(default_factory=Counter)
    #: Must never be repeated, and did not go well.
    spoilt: set[int] = field(default_factory=set)
    #: Anything has begun.
    launched: bool = False
    undone: bool = False
    #: The step that failed first.
    blame: str = ""
    #: How it is to end, once it is being wound up.
    winding_up: str = ""
    undoes: bool = False
    wish: str = ""
    cancelled: bool = False
    given_up: bool = False
    deed: Deed | None = None
    #: So many lines there are in the moment of the deed.
    deed_at: int = 0
    #: Whether the script runs no further then, or no other one may begin behind it.
    ended_by_deed: bool = False
    heard_of_deed: bool = False

    # What people ask for

    def may_retry(self, begin: int | None) -> bool:
        """Nothing is done a second time that must never be."""
        begin = self.at if begin is None else begin
        for n, step in enumerate(self.recipe.steps):
            comes = n not in self.over if step.always else n >= begin and not self.rolls_back
            if comes and step.repeat == "never" and n in self.standing | self.spoilt:
                return False
        return True

    def retry(self, begin: int | None) -> None:
        self.at = self.at if begin is None else begin
        self.failures.clear()
        self.winding_up = self.wish = self.blame = ""
        self.cancelled = self.undoes = False

    def may_answer_not_run(self) -> bool:
        return self.lost is not None and self.recipe.steps[self.lost[0]].repeat != "never"

    def answer(self, answer: str) -> None:
        assert self.lost
        n, kind = self.lost
        if answer == "give_up":
            self.state, self.given_up, self.blame = "failed", True, ""
            if self.recipe.steps[n].repeat == "never":
                self.spoilt.add(n)
        elif answer == "it_ran":
            self._went_well(n, kind)
        self.lost = None

    def cancel(self, *, undo: bool) -> None:
        self.wish = "cancel" if undo else "cancel and leave"
        self.cancelled = True

    def resume(self) -> None:
        self.wish = ""

    def may_roll_back(self) -> bool:
        steps = [self.recipe.steps[n] for n in self.standing]
        for_good = (one for one in steps if one.disruptive or one.repeat == "never")
        rests = self.state in ("succeeded", "failed", "cancelled")
        return rests and any(one.undo for one in steps) and all(one.undo for one in for_good)

    def roll_back(self) -> None:
        self.rolls_back = True
        self.over, self.spoilt, self.final = set(), set(), set()
        self.launched = self.undone = False
        self.retry(None)

    # What workers do

    def carry(self, deed: Deed | None) -> None:
        """On, until it comes to rest."""
        self.deed, self.deed_at = deed, 0
        if deed:
            others = deepcopy(self)
            others.carry(None)
            if coming := len(others.lines) - len(self.lines):
                self.deed_at = len(self.lines) + 1 + deed.at % coming
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
            if end.state in ("unknown", "paused"):
                self.state = end.state
            else:
                self._wind_up(end.state)

    def _forward(self) -> None:
        for n, step in enumerate(self.recipe.steps):
            if n >= self.at and not step.always:
                self.at = n
                self._do(n)
                self.at = n + 1

    def _do(self, n: int) -> None:
        """Until it went well, or may be done without."""
        step = self.recipe.steps[n]
        while True:
            if not step.always:
                self._heed()
            how = self._run(n, "do")
            if how in ("well", "skipped"):
                self._went_well(n, "do")
                return
            if how == "lost":
                if step.repeat != "safe":
                    self.lost = (n, "do")
                    raise Ends("unknown")
                continue
            if step.repeat == "never":
                self.spoilt.add(n)
            if how == "ended" and not step.always:
                raise Ends("cancelled")
            self.failures[n] += 1
            if self.failures[n] > step.retries:
                if step.optional:
                    return
                self.blame = self.blame or step.name
                raise Ends("failed")

    def _heed(self) -> None:
        """Between two steps of the way."""
        if self.wish:
            raise Ends("paused" if self.wish == "pause" else "cancelled")

    def _went_well(self, n: int, kind: Kind) -> None:
        if kind == "undo":
            self.standing.discard(n)
            self.over.discard(n)
            self.undone = True
            self.at = min(self.at, n)
        elif self.recipe.steps[n].always:
            self.over.add(n)
        else:
            self.at = max(self.at, n + 1)

    def _back(self) -> None:
        for n in sorted(self.standing, reverse=True):
            if not self.recipe.steps[n].undo or n in self.final:
                continue
            if self.rolls_back:
                self._heed()
            elif self.wish == "cancel and leave":
                raise Ends("failed")
            # From here on nobody can say that it stands.
            self.at = min(self.at, n)
            while (how := self._run(n, "undo")) == "lost":
                if self.recipe.steps[n].repeat != "safe":
                    self.lost = (n, "undo")
                    raise Ends("unknown")
            if how != "well":
                raise Ends("cancelled" if how == "ended" and self.rolls_back else "failed")
            self._went_well(n, "undo")

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
        if kind == "undo":
            self.has_gone_back = True
        elif not step.always:
            self.has_gone_back = False
            self.final.clear()
        elif n not in self.standing and (self.has_gone_back or self.rolls_back):
            self.final.add(n)
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

    # How it has to be shown

    @property
    def job_state(self) -> str:
        if self.state == "succeeded":
            return "succeeded"
        return "cancelled" if self.cancelled or self.state == "cancelled" else "failed"

    @property
    def is_down(self) -> bool | None:
        """None: both can be said."""
        felt = next((n for n, one in enumerate(self.recipe.steps) if one.disruptive), None)
        if self.state in ("succeeded", "rolled_back") or felt is None:
            return False
        stands = any(n >= felt and not self.recipe.steps[n].always for n in self.standing)
        return True if stands and not self.rolls_back else None
