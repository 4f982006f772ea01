"""Recipes and stories as plain values, and the text of such a recipe."""

from dataclasses import dataclass, field
from typing import Literal

#: What each script does, in its home.
PLAY = """\
echo "$step $kind" >>count
line=$(wc -l <count)
while [ -e "hold.$((line))" ]; do sleep .02; done
left=$(cat "broken.$step.$kind" 2>/dev/null || echo 0)
if [ "$left" -gt 0 ]; then echo $((left - 1)) >"broken.$step.$kind"; exit 3; fi
"""
#: The same of what a wait asks: of several probes of an attempt the first one counts.
PROBE = """\
if [ "$(cat "asked.$step" 2>/dev/null)" != "$PPID" ]; then
  echo "$PPID" >"asked.$step"
  (. ./play) && echo good >"found.$step" || echo bad >"found.$step"
fi
test "$(cat "found.$step")" = good
"""
Kind = Literal["do", "undo"]
#: A wait that is patient does not fail, and one that is not can be held up by nothing.
Form = Literal["run", "wait", "short wait", "upload"]
#: What befalls a step while its script runs.
Order = Literal[
    "cancel", "cancel and leave", "force", "pause", "pause after host", "pause after batch"
]
What = Literal[Order, "kill", "another worker", "cut"]


@dataclass(frozen=True)
class Step:
    name: str
    optional: bool = False
    always: bool = False
    retries: int = 0
    repeat: str = "ask"
    done_if: bool = False
    undo: bool = False
    disruptive: bool = False
    interrupt: str = "now"
    form: Form = "run"


@dataclass(frozen=True)
class Recipe:
    """Where it has ``current``, its last script that is no last thing brings the version."""

    steps: tuple[Step, ...]
    on_failure: str = "stop"
    current: bool = False

    @property
    def switch(self) -> int | None:
        scripts = [n for n, one in enumerate(self.steps) if not one.always and one.form != "upload"]
        return scripts[-1] if scripts and self.current else None


@dataclass(frozen=True)
class Deed:
    """``at``: which of the scripts that run from now on, counted from 0 and round and round.
    ``unheard``: no worker is there when it is ordered."""

    at: int
    what: What
    unheard: bool = False


@dataclass(frozen=True)
class Gone:
    """A worker is gone where it comes to a failpoint: it is dead, has stopped, or is frozen, and
    what it had still to say is not heard any more. Or its link to the host is cut there."""

    point: str
    times: int
    how: str


@dataclass(frozen=True)
class Turn:
    """What a person does where it rests, and what befalls it until it rests again."""

    mends: bool = False
    #: Of a retry: the step to begin from.
    begin: int | None = None
    answer: str = "it_ran"
    #: Instead of a resume; and before an answer.
    cancels: bool = False
    deed: Deed | None = None
    gone: Gone | None = None


@dataclass(frozen=True)
class Story:
    recipe: Recipe
    broken: dict[tuple[int, Kind], int] = field(default_factory=dict)
    there: frozenset[int] = frozenset()
    turns: tuple[Turn, ...] = (Turn(),)
    back: Turn | None = None

    def __str__(self) -> str:
        broken = {f"{self.recipe.steps[n].name} {kind}": k for (n, kind), k in self.broken.items()}
        there = [self.recipe.steps[n].name for n in sorted(self.there)]
        turns = [f"  {turn}" for turn in (*self.turns, *filter(None, [self.back]))]
        return "\n".join([text_of(self.recipe), f"{broken=}", f"{there=}", *turns])


def text_of(recipe: Recipe) -> str:
    lines = ["recipe: any", f"on_failure: {recipe.on_failure}"]
    lines += ["current: cat version"] if recipe.current else []
    return "\n".join([*lines, "steps:", *(_step(recipe, n) for n in range(len(recipe.steps)))])


def _step(recipe: Recipe, n: int) -> str:
    step = recipe.steps[n]
    play = f"step={step.name}; kind={{}}; . ./play"
    brings, takes = "", ""
    if n == recipe.switch:
        brings, takes = '; echo "$version" >version', '; echo "$previous" >version'
    run = f"{play.format('do')}; touch did.{step.name}{brings}"
    keys = [f"name: {step.name}", f"repeat: {step.repeat}", f"interrupt: {step.interrupt}"]
    keys += [name for name in ("optional: true",) if step.optional]
    keys += [name for name in ("always: true",) if step.always]
    keys += [name for name in ("disruptive: true",) if step.disruptive]
    keys += [f"retries: {{times: {step.retries}, delay: 10ms}}"] if step.retries else []
    keys += [f"done_if: test -e did.{step.name}"] if step.done_if else []
    if step.form == "run":
        keys += [f"run: '{run}'"]
    elif "wait" in step.form:
        at_most = "20s" if step.form == "wait" else "500ms"
        often = f"every: 10ms, stable_for: 10ms, at_most: {at_most}"
        keys += [f"wait: {{run: '{run.replace('./play', './probe')}', {often}}}"]
    else:
        keys += ["upload: artifact"]
    keys += [f"undo: '{play.format('undo')}; rm -f did.{step.name}{takes}'"] if step.undo else []
    return f"  - {{{', '.join(keys)}}}"
