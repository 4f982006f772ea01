"""What one worker has drawn from the ends of steps, or has not: the next one goes on from there, or
a retry."""

import pytest

from demo.fleet import Fleet, FleetHost
from deploy_tasks import orders, owner
from deploy_tasks.models import Game, HostRun, Job
from tests.faults.jobs import mira, start
from tests.runner.world import Worker, count, ended
from tests.waiting import until

pytestmark = [pytest.mark.ssh, pytest.mark.django_db(transaction=True)]

#: Each step but one can be broken.
BREAKABLE = """\
recipe: breakable
steps:
  - {name: look, optional: true, run: "echo look >>count; test ! -e blind"}
  - {name: stop, repeat: never, disruptive: true, run: echo stop >>count}
  - {name: work, run: "echo work >>count; test ! -e broken"}
  - {name: tidy, always: true, optional: true, run: "echo tidy >>count; test ! -e dusty"}
"""
ONCE = ["look", "stop", "work", "tidy"]


@pytest.fixture
def host(game: Game, fleet: Fleet, workers: list[Worker]) -> FleetHost:
    game.recipe.revisions.create(number=7, text=BREAKABLE, sha256="7" * 64)
    return fleet.hosts[0]


def failed(game: Game, host: FleetHost, *broken: str) -> HostRun:
    """Its work has, and what else is broken, and would go well now."""
    broken = ("broken", *broken)
    for name in broken:
        (host.home / name).touch()
    job = start(game, host)
    until(ended(job, "failed"), "the job fails")
    assert count(host) == ONCE
    for name in broken:
        (host.home / name).unlink()
    return job.host_runs.get()


def before_its_end(run: HostRun, **left: object) -> None:
    """As if its worker had died, or let go, just before it could tell what follows from it."""
    then = {"state": "running", "error": "", "holds_host": True, "ended_at": None, "rung_at": None}
    HostRun.objects.filter(pk=run.pk).update(**{**then, **left})
    Job.objects.filter(pk=run.job_id).update(state="running", ended_at=None)


def retried(job: Job) -> None:
    orders.retry(job, by=mira())
    until(ended(job, "succeeded"), "a retry goes well")


@pytest.mark.parametrize(("broken", "again"), [("blind", []), ("dusty", ["tidy"])])
def test_a_retry_begins_at_what_failed_whatever_else_may_fail(
    game: Game, host: FleetHost, broken: str, again: list[str]
) -> None:
    run = failed(game, host, broken)
    assert run.step == 2
    retried(run.job)
    assert count(host) == [*ONCE, "work", *again]


@pytest.mark.parametrize(
    ("activity", "died"), [("pausing", True), ("uploading", True), ("", False)]
)
def test_a_failure_is_a_failure_whatever_its_worker_was_about_when_it_was_gone(
    game: Game, host: FleetHost, activity: str, died: bool
) -> None:
    run = failed(game, host)
    work = run.attempts.get(name="work")
    run.attempts.filter(name="tidy").delete()
    # Our id, at another time.
    name = f"{owner.me().rpartition(':')[0]}:1" if died else ""
    before_its_end(run, activity=activity, plan=work.uid.partition(".")[0], owner=name)
    until(ended(run.job, "failed"), "another worker tells the end")
    assert run.job.host_runs.get().error == work.reason
    assert count(host) == [*ONCE, "tidy"]


def test_a_last_thing_that_did_run_is_no_step_forward(game: Game, host: FleetHost) -> None:
    run = failed(game, host)
    run.attempts.filter(name="tidy").update(state="lost", reason="all was dark")
    before_its_end(run, error=run.error, down=False)
    until(lambda: run.job.host_runs.get().state == "unknown", "nobody can know")
    assert run.job.host_runs.get().down, "nobody brought up what was stopped"
    orders.answer(run.job, by=mira(), hosts=[host.name], answer="it_ran")
    until(ended(run.job, "failed"), "the work has failed all the same")
    retried(run.job)
    assert count(host) == [*ONCE, "work"]
