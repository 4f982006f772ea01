"""Any job of several hosts, with workers that are gone: its batches, gates and budgets do what the
documents say, beside a model, and so does each of its hosts."""

import os
from collections.abc import Callable, Iterator
from functools import partial

import pytest
from hypothesis import HealthCheck, Phase, given, note, settings
from hypothesis import strategies as st

from demo.fleet import Fleet
from deploy_tasks import failpoints, ssh
from deploy_tasks.models import Game, Host, HostRun, Job, Machine
from deploy_tasks.states import HOST_ENDED, Pause
from tests.runner.fleet_playing import HOSTS, ORDERS, Player, Story, Turn
from tests.runner.fleet_stand import Terms
from tests.runner.test_any_story import POINTS, clear_away, noted, often, rarely, recipes
from tests.runner.told import Deed, Recipe, text_of
from tests.runner.world import Worker

pytestmark = [pytest.mark.ssh, pytest.mark.django_db(transaction=True)]

STORIES = int(os.environ.get("STORIES", "150"))


@st.composite
def turns(draw: st.DrawFn, recipe: Recipe) -> Turn:
    # Of a last thing that can be taken back a new worker cannot always tell at which end it was.
    is_steady = any(step.always and step.undo for step in recipe.steps)
    gone = deed = None
    if not is_steady and draw(rarely):
        point = draw(st.sampled_from([*POINTS, "conduct.decided", "end.committed"]))
        gone = (point, draw(st.integers(1, 5)), draw(st.sampled_from(["dead", "stopped"])))
    elif draw(often):
        mostly = ("kill", "kill", "kill", "pause", "pause", "pause")
        other = ["cut"] if is_steady else ["cut", "another worker"]
        what = draw(st.sampled_from([*mostly, *ORDERS, *other]))
        unheard = what in ORDERS and not is_steady and draw(rarely)
        deed = Deed(draw(st.integers(0, 9)), what, unheard)
    return Turn(
        act=draw(st.integers(0, 60)),
        is_possible=draw(often),
        host=draw(st.integers(0, HOSTS - 1)),
        answer=draw(st.sampled_from(["it_ran", "it_did_not_run", "give_up"])),
        after=draw(st.sampled_from([Pause.BATCH, Pause.HOST, Pause.STEP])),
        mends=draw(st.booleans()),
        gone=gone,
        deed=deed,
    )


@st.composite
def fleet_stories(draw: st.DrawFn) -> Story:
    recipe = draw(recipes(most=3))
    undone = [step.undo for step in recipe.steps if step.disruptive or step.repeat == "never"]
    may_go_back = all(undone) and any(step.undo for step in recipe.steps)
    alone = draw(st.sampled_from(["", "width", "width", "lock"]))
    terms = Terms(
        canary=draw(st.sampled_from([0, 0, 1, 2])),
        batch=draw(st.integers(1, HOSTS)),
        alone=alone,
        max_failed=draw(st.sampled_from([None, 0, 1, 2])),
        max_failed_in_batch=draw(st.sampled_from([None, None, 0, 1])),
        gate=draw(st.sampled_from(["auto", "manual"])),
        max_down=draw(st.sampled_from([None, 1, 2])) if alone == "width" else None,
        goes_back=may_go_back and draw(st.booleans()),
    )
    places = [(n, "do") for n, step in enumerate(recipe.steps) if step.form == "run"]
    places += [(n, "undo") for n, step in enumerate(recipe.steps) if step.undo]
    one = st.dictionaries(st.sampled_from(places), st.integers(1, 3), min_size=1, max_size=2)
    numbers = st.integers(0, HOSTS - 1)
    hosts = st.sets(numbers, min_size=1, max_size=3) if places else st.just(set())
    broken = {host: draw(one) for host in sorted(draw(hosts))}
    return Story(
        recipe, terms, broken, tuple(draw(st.lists(turns(recipe), min_size=3, max_size=8)))
    )


@pytest.fixture
def tell(
    game: Game, fleet: Fleet, workers: list[Worker], monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[[Story], None]]:
    ssh_connect = ssh.connect
    for name, seconds in {"ASK_AFTER": 0.3, "ASK_AGAIN": 0.5, "CONFIRM_AFTER": 0.1}.items():
        monkeypatch.setattr(f"deploy_tasks.runner.following.{name}", seconds)
    # What has the same values there shares an installation.
    Host.objects.update(machine=Machine.objects.create(name="box"), labels={"all": "all"})

    def play(story: Story) -> None:
        player = Player(game, fleet, workers, story)
        monkeypatch.setattr(ssh, "connect", partial(noted, player.links, ssh_connect))
        try:
            player.play()
        except BaseException:
            note(f"{text_of(story.recipe)}\n{story.terms}\n{story.turns}\nexpected {player.model}")
            clear_away(workers)
            raise
        finally:
            Job.objects.update(state="failed")
            HostRun.objects.exclude(state__in=HOST_ENDED).update(state="failed", holds_host=False)
            HostRun.objects.update(down=False, out=False)

    yield play
    failpoints.disarm()


GIVEN = settings(
    deadline=None,
    suppress_health_check=list(HealthCheck),
    derandomize=True,
    max_examples=3,
    phases=[Phase.explicit, Phase.generate],
)


@given(fleet_stories())
@GIVEN
def test_a_job_goes_as_the_documents_say(tell: Callable[[Story], None], story: Story) -> None:
    tell(story)


@pytest.mark.slow
@pytest.mark.timeout(3600)
@given(fleet_stories())
@settings(GIVEN, derandomize=False, max_examples=STORIES, print_blob=True)
def test_any_job_goes_as_the_documents_say(tell: Callable[[Story], None], story: Story) -> None:
    tell(story)
