"""How a host run stands for the model, and what people may ask of it then."""

from collections import Counter
from dataclasses import dataclass, field

from tests.runner.told import Deed, Kind, Recipe


@dataclass
class Stand:
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
    #: How many of its fleet may be down is limited.
    is_limited: bool = False
    #: It was let in to go down, and has not come to its end since.
    out: bool = False
    #: Steps that players feel, which have begun and were not taken back since.
    felt: set[int] = field(default_factory=set)
    #: Anything of that in this very host run.
    feels: bool = False
    #: Left so at its last end; by a job before this one.
    down: bool = False
    was_down: bool = False
    #: Anything has begun.
    launched: bool = False
    undone: bool = False
    #: What its error tells first.
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
        self.out, self.down = self.out or self.down, False

    def may_answer_not_run(self) -> bool:
        return self.lost is not None and self.recipe.steps[self.lost[0]].repeat != "never"

    def answer(self, answer: str) -> None:
        assert self.lost
        n, kind = self.lost
        if answer == "give_up":
            self.state, self.given_up, self.blame = "failed", True, ""
            self.out, self.down = False, bool(self.felt)
            if self.recipe.steps[n].repeat == "never":
                self.spoilt.add(n)
        elif answer == "it_ran":
            self.went_well(n, kind)
        self.lost = None

    def cancel(self, *, undo: bool) -> None:
        self.wish = "cancel" if undo else "cancel and leave"
        self.cancelled = True

    def resume(self) -> None:
        self.wish = ""

    def may_roll_back(self) -> bool:
        can_go_back = any(self.recipe.steps[n].undo for n in self.standing)
        return self._rests and can_go_back and not self.is_for_good

    @property
    def is_for_good(self) -> bool:
        """Something was done that nobody knows to take back."""
        steps = [self.recipe.steps[n] for n in self.standing]
        harm = (one for one in steps if one.disruptive or one.repeat == "never")
        is_touched = self._rests or self.state == "paused"
        return is_touched and not all(one.undo for one in harm)

    @property
    def _rests(self) -> bool:
        """Also where it was to be tried again."""
        return self.state in ("succeeded", "failed", "cancelled", "waiting")

    def roll_back(self) -> None:
        self.rolls_back = True
        self.over, self.spoilt, self.final = set(), set(), set()
        self.launched = self.undone = self.feels = False
        self.was_down = self.was_down or self.down
        self.retry(None)
        self.out = False

    def went_well(self, n: int, kind: Kind) -> None:
        if kind == "undo":
            self.standing.discard(n)
            self.over.discard(n)
            self.felt = {one for one in self.felt if one < n}
            self.undone = True
            self.at = min(self.at, n)
        elif self.recipe.steps[n].always:
            self.over.add(n)
        else:
            self.at = max(self.at, n + 1)

    # How it has to be shown

    @property
    def job_state(self) -> str:
        if self.state == "succeeded":
            return "succeeded"
        return "cancelled" if self.cancelled or self.state == "cancelled" else "failed"

    @property
    def border(self) -> int | None:
        """From which step on players feel it."""
        return next((n for n, one in enumerate(self.recipe.steps) if one.disruptive), None)

    @property
    def is_down(self) -> bool:
        return self.down or self.was_down

    @property
    def must_wait(self) -> bool:
        return self.is_limited and self.border is not None and not self.out

    def feel(self, n: int) -> None:
        """It begins with this step, or with taking it back."""
        if self.border is not None and n >= self.border and not self.recipe.steps[n].always:
            self.felt.add(n)
            self.feels = True
