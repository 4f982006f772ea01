"""Any recipe with any story: the real runner, on a real host, does what the documents say.

One step's script runs at a time, and what befalls it, its worker or its job befalls it at a point
that the story names: what has to come of that is certain, and is played by a model beside.
"""

import os
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, note, settings
from hypothesis import strategies as st

from demo.fleet import Fleet
from deploy_tasks import failpoints, ssh
from deploy_tasks.models import Game, Host, HostRun, Job
from tests.runner.fate import Links
from tests.runner.playing import Player
from tests.runner.told import Deed, Gone, Recipe, Step, Story, Turn
from tests.runner.world import Worker

pytestmark = [pytest.mark.ssh, pytest.mark.django_db(transaction=True)]

#: Stories of the long test.
STORIES = int(os.environ.get("STORIES", "300"))
POINTS = (
    *("claim.told", "previous.asked", "plan.committed", "launch.opened", "launch.sent"),
    *("launch.answered", "log.read", "log.told", "plan.through", "wish.sent"),
    *("upload.wanted", "upload.sent", "claim.committed", "let-go.before"),
    *("undo.begun", "version.asked", "end.before"),
)
BREAKABLE = ("run", "short wait")
rarely = st.sampled_from([False, False, False, True])
often = st.sampled_from([True, True, True, False])
ASKED = ("cancel", "cancel and leave", "force", "pause")


@st.composite
def recipes(draw: st.DrawFn, most: int = 6) -> Recipe:
    names = "abcdef"[: draw(st.integers(2, most))]
    steps = tuple(draw(a_step(name)) for name in names)
    current = draw(rarely) and any(not one.always and one.form != "upload" for one in steps)
    return Recipe(steps, draw(st.sampled_from(["stop", "undo"])), current)


@st.composite
def a_step(draw: st.DrawFn, name: str) -> Step:
    form = draw(st.sampled_from(["run", "run", "run", "wait", "short wait", "upload"]))
    if form == "upload":
        return Step(name, always=draw(rarely), form="upload")
    repeat = draw(st.sampled_from(["ask", "safe", "never"]))
    return Step(
        name,
        optional=draw(rarely),
        always=draw(rarely),
        retries=0 if repeat == "never" else draw(st.sampled_from([0, 0, 1, 2])),
        repeat=repeat,
        done_if=draw(rarely),
        undo=draw(st.booleans()),
        disruptive=draw(rarely),
        interrupt=draw(st.sampled_from(["now", "after"])),
        form=form,  # type: ignore[arg-type]
    )


@st.composite
def turns(draw: st.DrawFn, recipe: Recipe) -> Turn:
    number = st.integers(0, len(recipe.steps) - 1)
    # Of a last thing that can be taken back a new worker cannot always tell at which end it was.
    is_steady = any(step.always and step.undo for step in recipe.steps)
    deed = None
    if draw(often):
        what = ["kill", "cut"] if is_steady else ["kill", "cut", "another worker"]
        unheard = not is_steady and draw(rarely)
        deed = Deed(draw(st.integers(0, 9)), draw(st.sampled_from([*what, *ASKED])), unheard)
    gone = None
    if draw(rarely):
        ways = ["cut"] if is_steady else ["dead", "stopped", "frozen", "cut"]
        how = draw(st.sampled_from(ways))
        gone = Gone(draw(st.sampled_from(POINTS)), draw(st.integers(1, 3)), how)
    return Turn(
        mends=draw(st.booleans()),
        begin=draw(st.none() | number) if draw(rarely) else None,
        answer=draw(st.sampled_from(["it_ran", "it_did_not_run", "give_up"])),
        cancels=draw(st.booleans()),
        deed=deed,
        gone=gone,
    )


@st.composite
def stories(draw: st.DrawFn) -> Story:
    recipe = draw(recipes())
    places = [(n, "do") for n, step in enumerate(recipe.steps) if step.form in BREAKABLE]
    places += [(n, "undo") for n, step in enumerate(recipe.steps) if step.undo]
    broken = draw(
        st.dictionaries(st.sampled_from(places), st.integers(1, 3), min_size=1, max_size=4)
        if places
        else st.just({})
    )
    return Story(
        recipe,
        broken,  # type: ignore[arg-type]
        draw(st.frozensets(st.sampled_from(range(len(recipe.steps))), max_size=2)),
        tuple(draw(st.lists(turns(recipe), min_size=1, max_size=4))),
        draw(st.none() | turns(recipe)),
    )


@pytest.fixture
def tell(
    game: Game, fleet: Fleet, workers: list[Worker], monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[[Story], None]]:
    ssh_connect = ssh.connect
    soon = {"ASK_AFTER": 0.3, "ASK_AGAIN": 0.5, "CONFIRM_AFTER": 0.1}
    for name, seconds in soon.items():
        monkeypatch.setattr(f"deploy_tasks.runner.following.{name}", seconds)

    def play(story: Story) -> None:
        player = Player(game, fleet.hosts[0], workers, story)
        monkeypatch.setattr(ssh, "connect", partial(noted, player.links, ssh_connect))
        try:
            player.play()
        except BaseException:
            note(f"{story}\nexpected: {player.model.lines} {player.model.state}")
            clear_away(workers)
            raise

    yield play
    failpoints.disarm()


def noted(
    links: Links, connect: Callable[..., ssh.Session], place: ssh.Target, *args: Any, **more: Any
) -> ssh.Session:
    links[place.name] = connect(place, *args, **more)
    return links[place.name]


def clear_away(workers: list[Worker]) -> None:
    """What a story has left that did not go well."""
    failpoints.disarm()
    HostRun.objects.update(state="failed", holds_host=False, wish="", owner="", lease_until=None)
    Job.objects.update(state="failed")
    Host.objects.update(unended_plan="")
    workers[-1].stop()
    workers.append(Worker())


GIVEN = settings(
    deadline=None,
    suppress_health_check=list(HealthCheck),
    derandomize=True,
    max_examples=8,
    # A story takes a second: to look for a shorter one that fails, too, would take minutes.
    phases=[Phase.explicit, Phase.generate],
)


@given(stories())
@GIVEN
def test_a_story_goes_as_the_documents_say(tell: Callable[[Story], None], story: Story) -> None:
    tell(story)


@pytest.mark.slow
@pytest.mark.timeout(3600)
@given(stories())
@settings(GIVEN, derandomize=False, max_examples=STORIES, print_blob=True, phases=list(Phase))
def test_any_story_goes_as_the_documents_say(tell: Callable[[Story], None], story: Story) -> None:
    tell(story)
