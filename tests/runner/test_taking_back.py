"""What a person has asked for, and what has come before, while steps are taken back; and the last
things after that."""

from collections.abc import Callable

import pytest

from demo.fleet import Fleet, FleetHost
from deploy_tasks import orders
from deploy_tasks.models import Game, HostRun, Job
from deploy_tasks.states import Pause
from tests.faults.jobs import mira, start
from tests.runner.world import Worker, count, ended
from tests.waiting import until
from webapp.failures import failures

pytestmark = [pytest.mark.ssh, pytest.mark.django_db(transaction=True)]

RECIPE = """\
recipe: back
on_failure: stop
steps:
  - {name: stop, run: "echo stop >>count; test ! -e stuck", undo: echo undo-stop >>count}
  - name: work
    interrupt: after
    run: |
      echo work >>count
      while [ -e slow ]; do sleep .05; done
      if [ -e broken ]; then exit 2; fi
    undo: echo undo-work >>count
  - {name: tidy, always: true, run: "echo tidy >>count; test ! -e dusty"}
  - {name: say, always: true, run: echo say >>count, undo: echo unsay >>count}
"""
UNDOES = RECIPE.replace("on_failure: stop", "on_failure: undo")
#: Nothing before a last thing can be taken back.
FINAL = UNDOES.replace(", undo: echo undo-stop >>count", "").replace(
    "    undo: echo undo-work >>count\n", ""
)


@pytest.fixture
def host(fleet: Fleet, workers: list[Worker]) -> FleetHost:
    return fleet.hosts[0]


@pytest.fixture
def begin(game: Game, host: FleetHost) -> Callable[..., Job]:
    """A job by this recipe on the host, where so much is amiss."""

    def begin(text: str, *amiss: str) -> Job:
        game.recipe.revisions.create(number=7, text=text, sha256="7" * 64)
        for name in amiss:
            (host.home / name).touch()
        return start(game, host)

    return begin


def over(job: Job, state: str) -> HostRun:
    until(ended(job, state), f"the job is {state}")
    return job.host_runs.get()


@pytest.mark.parametrize(
    ("text", "undo", "end"), [(RECIPE, True, "rolled_back"), (UNDOES, False, "failed")]
)
def test_whoever_cancels_says_what_becomes_of_a_step_that_fails_then(
    begin: Callable[..., Job], host: FleetHost, text: str, undo: bool, end: str
) -> None:
    job = begin(text, "slow", "broken")
    until(lambda: "work" in count(host), "it works")
    orders.cancel(job, by=mira(), undo=undo)
    until(lambda: job.host_runs.get().activity == "cancelling", "the host was told")
    (host.home / "slow").unlink()
    assert over(job, "cancelled").state == end
    undone = ["undo-work", "undo-stop"] if undo else []
    assert count(host) == ["stop", "work", *undone, "tidy", "say"]


def test_a_last_thing_that_fails_keeps_no_other_from_being_done(
    begin: Callable[..., Job], host: FleetHost
) -> None:
    run = over(begin(RECIPE, "broken", "dusty"), "failed")
    assert count(host) == ["stop", "work", "tidy", "say"]
    assert run.error == (
        "step “work” ended with exit status 2; step “tidy” ended with exit status 1"
    )


def test_a_last_thing_that_was_taken_back_is_done_again_at_the_end(
    begin: Callable[..., Job], host: FleetHost
) -> None:
    job = begin(RECIPE)
    over(job, "succeeded")
    back, _ = orders.rollback(job, by=mira())
    over(back, "succeeded")
    assert count(host)[4:] == ["unsay", "undo-work", "undo-stop", "tidy", "say"]


def test_a_retry_does_what_failed_also_where_something_behind_it_was_taken_back(
    begin: Callable[..., Job], host: FleetHost
) -> None:
    job = begin(FINAL, "stuck")
    over(job, "failed")
    assert count(host) == ["stop", "tidy", "say"]
    orders.retry(job, by=mira())
    assert over(job, "failed").step == 0
    assert count(host)[3:] == ["stop", "unsay", "say"]
    (host.home / "stuck").unlink()
    orders.retry(job, by=mira())
    over(job, "succeeded")
    assert count(host)[6:] == ["stop", "work"]


def test_a_rollback_stands_at_the_step_that_it_undoes_and_names_why_it_failed(
    begin: Callable[..., Job], host: FleetHost
) -> None:
    text = RECIPE.replace("undo: echo undo-stop >>count", "undo: echo no way back; exit 3")
    job = begin(text)
    over(job, "succeeded")
    back, _ = orders.rollback(job, by=mira())
    assert back.host_runs.get().step == 3
    assert over(back, "failed").step == 0
    (cause,) = failures(back)["causes"]
    (told,) = cause["hosts"]
    assert (cause["step"], cause["cause"], told["again"]) == ("stop", "no way back", "stop")


def test_a_host_that_was_paused_after_a_step_goes_back_with_its_halted_job(
    game: Game, fleet: Fleet, workers: list[Worker]
) -> None:
    text = RECIPE + "  - {name: start, run: echo start >>count}\n"
    game.recipe.revisions.create(number=7, text=text, sha256="7" * 64)
    stopped, broken = fleet.hosts[:2]
    for host in (stopped, broken):
        (host.home / "slow").touch()
    (broken.home / "broken").touch()
    job = start(game, stopped, broken, rollout={"on_halt": "rollback", "max_failed": 0})
    until(lambda: "work" in count(stopped) and "work" in count(broken), "they work")
    orders.pause(job, by=mira(), after=Pause.STEP)
    until(lambda: job.host_runs.filter(activity="pausing").count() == 2, "both were told")
    (stopped.home / "slow").unlink()
    until(lambda: job.host_runs.filter(state="paused").exists(), "one stands still")
    (broken.home / "slow").unlink()
    until(lambda: Job.objects.filter(rolls_back=job, state="succeeded").exists(), "it is back")
    until(ended(job, "cancelled"), "and called off")
    assert dict(job.host_runs.values_list("name", "state")) == {
        stopped.name: "rolled_back",
        broken.name: "failed",
    }
    for host in (stopped, broken):
        assert [one for one in count(host) if "undo" in one] == ["undo-work", "undo-stop"]
