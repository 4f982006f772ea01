"""Steps that are taken back."""

import pytest

from demo.fleet import Fleet
from deploy_tasks import orders
from deploy_tasks.models import Event, Game, HostRun, Job
from tests import factories
from tests.faults.jobs import start
from tests.runner.world import Worker, count, ended
from tests.waiting import until

pytestmark = [pytest.mark.ssh, pytest.mark.django_db(transaction=True)]


UNDOABLE = """\
recipe: undoable
current: cat version 2>/dev/null || true
on_failure: undo
steps:
  - {name: look, run: echo look >>count}
  - {name: there, done_if: "true", run: "false", undo: echo undo-there >>count}
  - name: stop
    disruptive: true
    interrupt: after
    run: echo stop >>count
    undo: if [ -e stuck ]; then exit 3; fi; echo undo-stop >>count
  - name: switch
    run: |
      echo switch >>count
      while [ -e slow ]; do sleep .05; done
      if [ -e broken ]; then exit 2; fi
      echo "$version" >version
    undo: echo "undo-switch to $previous" >>count
  - {name: tidy, always: true, run: echo tidy >>count}
"""

TAKING_BACK = UNDOABLE.replace(
    'to $previous" >>count', 'to $previous" >>count; echo "$previous" >version'
)


def with_recipe(game: Game, text: str) -> None:
    number = game.recipe.newest().number + 1
    game.recipe.revisions.create(number=number, text=text, sha256=f"{number:064}")


@pytest.fixture
def undoable(fleet: Fleet, game: Game) -> Game:
    with_recipe(game, UNDOABLE)
    for host in fleet.hosts:
        (host.home / "version").write_text("1.0\n")
    return game


def test_a_failure_is_undone_last_step_first(
    undoable: Game, fleet: Fleet, workers: list[Worker]
) -> None:
    host = fleet.hosts[0]
    (host.home / "broken").touch()
    job = start(undoable, hosts=[host.name])
    until(ended(job, "failed"), "the job fails")
    run = job.host_runs.get()
    assert (run.state, run.down, run.step) == ("rolled_back", False, 2)
    assert run.error == "step “switch” ended with exit status 2"
    before = ["look", "stop", "switch", "undo-switch to 1.0", "undo-stop", "tidy"]
    assert count(host) == before
    (host.home / "broken").unlink()
    orders.retry(job, by=factories.user("jonas"))
    until(ended(job, "succeeded"), "a retry goes on at the first step undone")
    assert count(host)[len(before) :] == ["stop", "switch"]


def test_who_was_taken_back_and_fails_before_it_goes_down_again_is_up(
    undoable: Game, fleet: Fleet, workers: list[Worker]
) -> None:
    text = UNDOABLE.replace("on_failure: undo", "on_failure: stop")
    with_recipe(undoable, text.replace("run: echo look", "run: test ! -e blind; echo look"))
    host, jonas = fleet.hosts[0], factories.user("jonas")
    (host.home / "slow").touch()
    job = start(undoable, hosts=[host.name])
    until(lambda: "switch" in count(host), "it switches")
    orders.cancel(job, by=jonas)
    until(ended(job, "cancelled"), "it is taken back")
    (host.home / "blind").touch()
    orders.retry(job, by=jonas, from_step="look")
    until(ended(job, "failed"), "it fails")
    run = job.host_runs.get()
    assert (run.error, run.down) == ("step “look” ended with exit status 1", False)


@pytest.fixture
def stuck(undoable: Game, fleet: Fleet, workers: list[Worker]) -> HostRun:
    """A step of the first host has failed, and then the undo of the one before it."""
    host = fleet.hosts[0]
    (host.home / "broken").touch()
    (host.home / "stuck").touch()
    job = start(undoable, hosts=[host.name])
    until(ended(job, "failed"), "the job fails")
    return job.host_runs.get()


def test_an_undo_that_fails_stops_and_says_what_is_left(stuck: HostRun) -> None:
    assert (stuck.state, stuck.down) == ("failed", True)
    assert stuck.error == (
        "step “switch” ended with exit status 2; "
        "undoing: step “stop” ended with exit status 3; left to undo by hand: stop"
    )
    (note,) = [e.data for e in Event.objects.filter(job=stuck.job, kind="note")]
    assert note
    assert "undo-stop" in note["text"]


def test_a_step_whose_undo_failed_is_done_again(stuck: HostRun, fleet: Fleet) -> None:
    host, before = fleet.hosts[0], count(fleet.hosts[0])
    assert stuck.step == 2
    (host.home / "broken").unlink()
    orders.retry(stuck.job, by=factories.user("jonas"))
    until(ended(stuck.job, "succeeded"), "what was half undone is whole again")
    assert count(host)[len(before) :] == ["stop", "switch"]


def as_before_its_end(run: HostRun, **left: object) -> None:
    """As if its worker had died just before it could tell the end."""
    before = {"state": "running", "holds_host": True, "ended_at": None, "rung_at": None}
    HostRun.objects.filter(pk=run.pk).update(**before, **left)
    Job.objects.filter(pk=run.job_id).update(state="running", ended_at=None)


def test_an_undo_that_failed_is_not_tried_again_because_a_worker_died(
    stuck: HostRun, fleet: Fleet
) -> None:
    host, before = fleet.hosts[0], count(fleet.hosts[0])
    (host.home / "stuck").unlink()
    first, _, _ = stuck.error.partition("; ")
    as_before_its_end(stuck, error=first, activity="undoing")
    until(ended(stuck.job, "failed"), "another worker tells the end")
    assert count(host) == before
    assert stuck.job.host_runs.get().error == stuck.error


def test_what_failed_first_is_told_whoever_sees_the_undo_fail(
    undoable: Game, fleet: Fleet, workers: list[Worker]
) -> None:
    host = fleet.hosts[0]
    text = UNDOABLE.replace("undo: if [ -e stuck ]", "undo: touch here; sleep 1; if [ -e stuck ]")
    undoable.recipe.revisions.create(number=9, text=text, sha256="9" * 64)
    for name in ("broken", "stuck"):
        (host.home / name).touch()
    job = start(undoable, host)
    until((host.home / "here").exists, "it is taken back")
    workers[-1].stop()
    workers.append(Worker())
    until(ended(job, "failed"), "another worker tells the end")
    assert job.host_runs.get().error == (
        "step “switch” ended with exit status 2; "
        "undoing: step “stop” ended with exit status 3; left to undo by hand: stop"
    )


def test_an_undo_that_is_lost_is_not_tried_again_because_a_worker_died(
    stuck: HostRun, fleet: Fleet
) -> None:
    host, before = fleet.hosts[0], count(fleet.hosts[0])
    (host.home / "stuck").unlink()
    first, _, _ = stuck.error.partition("; ")
    undo = stuck.attempts.filter(name="stop", kind="undo")
    undo.update(state="lost", reason="all was dark")
    plan, _, _ = undo.get().uid.partition(".")
    as_before_its_end(stuck, error=first, activity="undoing", plan=plan)
    until(lambda: stuck.job.host_runs.get().state == "unknown", "nobody can know")
    assert count(host) == before
    run = stuck.job.host_runs.get()
    assert run.reason == "whether step “stop” ran to its end is not known: all was dark"
    orders.answer(stuck.job, by=factories.user("jonas"), hosts=[host.name], answer="it_ran")
    until(ended(stuck.job, "failed"), "the rest is taken back")
    assert stuck.job.host_runs.get().state == "rolled_back"
    assert count(host) == before


LAST_THING_FAILS = """\
recipe: last
steps:
  - {name: work, run: echo work >>count}
  - {name: tidy, always: true, run: "echo tidy >>count; test ! -e broken"}
  - {name: say, always: true, run: echo said >>count}
"""


def test_a_last_thing_that_fails_is_done_again_only_for_a_retry(
    undoable: Game, fleet: Fleet, workers: list[Worker]
) -> None:
    host = fleet.hosts[0]
    undoable.recipe.revisions.create(number=9, text=LAST_THING_FAILS, sha256="9" * 64)
    (host.home / "broken").touch()
    job = start(undoable, hosts=[host.name])
    until(ended(job, "failed"), "the job fails")
    run = job.host_runs.get()
    assert count(host) == ["work", "tidy", "said"]
    assert run.error == "step “tidy” ended with exit status 1"
    as_before_its_end(run, error="")
    until(ended(job, "failed"), "another worker tells the end")
    assert count(host) == ["work", "tidy", "said"]
    assert job.host_runs.get().error == run.error
    (host.home / "broken").unlink()
    orders.retry(job, by=factories.user("jonas"))
    until(ended(job, "succeeded"), "a person has said so")
    assert count(host) == ["work", "tidy", "said", "tidy"]


FINAL = """\
recipe: final
on_failure: undo
steps:
  - {name: stop, run: echo stop >>count, undo: echo undo-stop >>count}
  - {name: work, run: "false"}
  - {name: start, always: true, run: echo start >>count, undo: echo undo-start >>count}
"""


def test_a_last_thing_is_not_taken_back_because_a_worker_died(
    undoable: Game, fleet: Fleet, workers: list[Worker]
) -> None:
    host = fleet.hosts[0]
    undoable.recipe.revisions.create(number=9, text=FINAL, sha256="9" * 64)
    job = start(undoable, host)
    until(ended(job, "failed"), "the job fails")
    assert count(host) == ["stop", "undo-stop", "start"]
    as_before_its_end(job.host_runs.get(), activity="undoing")
    until(ended(job, "failed"), "another worker tells the end")
    assert job.host_runs.get().state == "rolled_back"
    assert count(host) == ["stop", "undo-stop", "start"]


def test_without_a_former_version_nothing_is_undone_by_guess(
    undoable: Game, fleet: Fleet, workers: list[Worker]
) -> None:
    host = fleet.hosts[0]
    (host.home / "version").unlink()
    (host.home / "broken").touch()
    job = start(undoable, hosts=[host.name])
    until(ended(job, "failed"), "the job fails")
    assert "cannot be undone: no version was on the host before" in job.host_runs.get().error
    assert count(host) == ["look", "stop", "switch", "tidy"]


@pytest.mark.parametrize("undo", [True, False])
def test_a_cancel_undoes_what_was_launched_unless_told_not_to(
    undoable: Game, fleet: Fleet, workers: list[Worker], undo: bool
) -> None:
    host = fleet.hosts[0]
    (host.home / "slow").touch()
    job = start(undoable, hosts=[host.name])
    until(lambda: "switch" in count(host), "it switches")
    orders.cancel(job, by=factories.user("jonas"), undo=undo)
    until(ended(job, "cancelled"), "the job is cancelled")
    assert job.host_runs.get().state == ("rolled_back" if undo else "cancelled")
    undone = ["undo-switch to 1.0", "undo-stop"] if undo else []
    assert count(host) == ["look", "stop", "switch", *undone, "tidy"]


def test_a_whole_job_is_taken_back_step_by_step(
    undoable: Game, fleet: Fleet, workers: list[Worker]
) -> None:
    with_recipe(undoable, TAKING_BACK)
    job = start(undoable)
    until(ended(job, "succeeded"), "the job succeeds")
    for host in fleet.hosts:
        (host.home / "count").unlink()
    stuck = fleet.hosts[1]
    (stuck.home / "stuck").touch()
    jonas = factories.user("jonas")
    back, _ = orders.rollback(job, by=jonas)
    until(ended(back, "failed"), "one host does not go back")
    for host in (fleet.hosts[0], *fleet.hosts[2:]):
        assert count(host) == ["undo-switch to 1.0", "undo-stop", "tidy"]
        assert (host.home / "version").read_text() == "1.0\n"
    run = back.host_runs.get(name=stuck.name)
    assert (run.state, run.down) == ("failed", True)
    assert run.error.endswith("left to undo by hand: stop")
    (stuck.home / "stuck").unlink()
    orders.retry(back, by=jonas)
    until(ended(back, "succeeded"), "the retry goes on where the undoing stopped")
    assert count(stuck) == ["undo-switch to 1.0", "tidy", "undo-stop"]
    assert back.host_runs.get(name=stuck.name).version == "1.0"


@pytest.mark.parametrize(("runs", "state"), [("1.0", "succeeded"), ("2.0", "failed")])
def test_a_game_that_was_taken_back_has_to_run_what_it_ran_before(
    undoable: Game, fleet: Fleet, workers: list[Worker], runs: str, state: str
) -> None:
    factories.release(undoable, "1.0")
    with_recipe(undoable, TAKING_BACK + "query: {run: cat running}\n")
    host = fleet.hosts[0]
    (host.home / "running").write_text("version 2.0\n")
    job = start(undoable, hosts=[host.name])
    until(ended(job, "succeeded"), "the job succeeds")
    (host.home / "running").write_text(f"version {runs}\n")
    back, _ = orders.rollback(job, by=factories.user("jonas"))
    until(ended(back, state), "it has been taken back")
    error = back.host_runs.get().error
    assert error == ("all steps ended well, but 2.0 still runs" if state == "failed" else "")
