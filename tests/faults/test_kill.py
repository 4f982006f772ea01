"""R01: a worker is killed, ``kill -9``, at every failpoint there is; another one goes on. And one
that freezes there, in a transaction or out of it, and thaws beside the other."""

import signal
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from demo.fleet import Fleet, FleetHost
from deploy_tasks import conductor, orders
from deploy_tasks.failpoints import POINTS
from deploy_tasks.models import Game, Host, HostRun, Job
from deploy_tasks.states import JOB_ENDED
from tests.faults.crew import Crew, Nursery, Worker
from tests.faults.jobs import RECIPE, is_working, make_game, mira, order, start, wait_for_end
from tests.faults.world import assert_world_ok
from tests.waiting import until

pytestmark = [pytest.mark.ssh, pytest.mark.django_db(transaction=True)]


@dataclass
class Scene:
    """A worker that is killed at ``point``, or frozen, and one that comes after it."""

    point: str
    nursery: Nursery
    crew: Crew
    fleet: Fleet

    #: The how manieth time it comes there.
    times: int = 1
    how: str = "kill"
    thaw: threading.Timer | None = None

    @property
    def host(self) -> FleetHost:
        return self.fleet.hosts[0]

    def doomed(self, **more: Any) -> Worker:
        return self.nursery.worker(failpoint=f"{self.point}:{self.how}:{self.times}", **more)

    def strike(self, worker: Worker) -> None:
        """Or, in a long walk, let it come to its end."""
        until(lambda: worker.state in ("", *"ZXTt") or is_over(), f"{self.point} is reached")
        if self.how == "kill":
            worker.end()
            return
        self.thaw = threading.Timer(FROZEN, worker.send, [signal.SIGCONT])
        self.thaw.start()
        # In a transaction it is waited for, as it would be where its lease runs out by itself.
        HostRun.objects.update(lease_until=None, rung_at=None)

    def kill(self) -> None:
        self.strike(self.doomed())

    def game(self, text: str = RECIPE) -> Game:
        return make_game(self.fleet, text)


def is_over() -> bool:
    return not Job.objects.exclude(state__in=JOB_ENDED).exists()


def update(scene: Scene) -> Job:
    job = start(scene.game(), scene.host)
    scene.kill()
    scene.crew.start()
    wait_for_end(job, "succeeded")
    return job


def an_order(scene: Scene) -> Job:
    """The process that dies is a web process: of its order nothing is left."""
    game, _ = scene.game(), mira()
    given = order(game, scene.host)
    scene.doomed(order=given).wait()
    assert not Job.objects.exists()
    assert not HostRun.objects.exists()
    job = start(game, scene.host)
    scene.crew.start()
    wait_for_end(job, "succeeded")
    return job


def a_lost_bell(scene: Scene) -> Job:
    job = start(scene.game(), scene.host)
    conductor.conduct(job.pk)
    HostRun.objects.update(rung_at="2026-01-01T00:00Z")
    scene.kill()
    scene.crew.start()
    wait_for_end(job, "succeeded")
    return job


def a_second_death(scene: Scene) -> Job:
    job = start(scene.game(), scene.host)
    scene.nursery.worker(failpoint="launch.sent:kill").wait()
    scene.kill()
    scene.crew.start()
    wait_for_end(job, "succeeded")
    return job


def a_warm_shutdown(scene: Scene) -> Job:
    game = scene.game()
    (scene.host.home / "slow").touch()
    job = start(game, scene.host)
    worker = scene.doomed()
    until(lambda: is_working(scene.host), "it works")
    worker.send(signal.SIGTERM)
    worker.wait()
    (scene.host.home / "go").touch()
    scene.crew.start()
    wait_for_end(job, "succeeded")
    return job


def a_cancel(scene: Scene) -> Job:
    game = scene.game()
    (scene.host.home / "slow").touch()
    (scene.host.home / "version").write_text("1.0\n")
    job = start(game, scene.host)
    worker = scene.doomed()
    until(lambda: is_working(scene.host) or worker.state in ("", *"ZXTt"), "it works")
    orders.cancel(job, by=mira())
    scene.strike(worker)
    scene.crew.start()
    wait_for_end(job, "cancelled")
    # Where the cancel came before the first step there is nothing to take back.
    undone = job.host_runs.get().attempts.filter(kind="undo").exists()
    assert job.host_runs.get().state == ("rolled_back" if undone else "cancelled")
    return job


def an_undo(scene: Scene) -> Job:
    game = scene.game(RECIPE.replace("steps:", "on_failure: undo\nsteps:"))
    (scene.host.home / "broken").touch()
    (scene.host.home / "version").write_text("1.0\n")
    job = start(game, scene.host)
    scene.kill()
    scene.crew.start()
    wait_for_end(job, "failed")
    assert job.host_runs.get().state == "rolled_back"
    return job


def a_plan_that_never_began(scene: Scene) -> Job:
    """Its directory was claimed on the host by a launcher that died."""
    job = start(scene.game(), scene.host)
    # Of the plan of "stop"; the artifact is sent without one.
    scene.nursery.worker(failpoint="plan.committed:kill").wait()
    run = job.host_runs.get()
    (scene.host.home / ".patchwave/runs" / run.plan).mkdir(parents=True)
    scene.kill()
    scene.crew.start()
    wait_for_end(job, "succeeded")
    assert run.attempts.filter(state="abandoned", uid__startswith=run.plan).count() == 4
    return job


def a_plan_given_up(scene: Scene) -> Job:
    """Whoever comes next asks the host again, and finds nothing to end."""
    game = scene.game()
    Host.objects.filter(name=scene.host.name).update(unended_plan="p123")
    job = start(game, scene.host)
    scene.kill()
    assert Host.objects.get(name=scene.host.name).unended_plan
    scene.crew.start()
    wait_for_end(job, "succeeded")
    assert not Host.objects.get(name=scene.host.name).unended_plan
    return job


#: Seconds.
FROZEN = 3.0
STORIES: dict[str, Callable[[Scene], Job]] = {
    "order.written": an_order,
    "reconcile.marked": a_lost_bell,
    "reconcile.freed": a_second_death,
    "let-go.before": a_warm_shutdown,
    "wish.sent": a_cancel,
    "undo.begun": an_undo,
    "unended.quiet": a_plan_given_up,
    "abandon.before": a_plan_that_never_began,
    "abandon.answered": a_plan_that_never_began,
}


#: Of an order, and of a worker that ends anyway.
NO_PASSAGE = ("order.written", "let-go.before")


@pytest.mark.parametrize("point", POINTS)
def test_a_worker_killed_anywhere_costs_nothing(
    point: str, nursery: Nursery, crew: Crew, fleet: Fleet
) -> None:
    job = STORIES.get(point, update)(Scene(point, nursery, crew, fleet))
    assert_world_ok(fleet, job)


@pytest.mark.parametrize("story", [a_cancel, an_undo])
@pytest.mark.parametrize(
    ("point", "times"), [("plan.committed", 2), ("plan.through", 2), ("end.before", 1)]
)
def test_a_worker_killed_while_it_takes_steps_back_leaves_that_to_the_next(
    point: str,
    times: int,
    story: Callable[[Scene], Job],
    nursery: Nursery,
    crew: Crew,
    fleet: Fleet,
) -> None:
    job = story(Scene(point, nursery, crew, fleet, times))
    assert job.host_runs.get().state == "rolled_back"
    assert_world_ok(fleet, job)


@pytest.mark.slow
@pytest.mark.parametrize("story", [update, a_cancel, an_undo])
@pytest.mark.parametrize("times", [2, 3, 5, 8])
@pytest.mark.parametrize("point", [point for point in POINTS if point not in STORIES])
def test_a_worker_killed_at_any_later_time_costs_nothing(
    point: str,
    times: int,
    story: Callable[[Scene], Job],
    nursery: Nursery,
    crew: Crew,
    fleet: Fleet,
) -> None:
    job = story(Scene(point, nursery, crew, fleet, times))
    assert_world_ok(fleet, job)


@pytest.mark.slow
@pytest.mark.parametrize("times", [1, 2, 4])
@pytest.mark.parametrize("point", [one for one in POINTS if one not in NO_PASSAGE])
def test_a_worker_that_freezes_anywhere_does_nothing_more_that_counts(
    point: str, times: int, nursery: Nursery, crew: Crew, fleet: Fleet
) -> None:
    scene = Scene(point, nursery, crew, fleet, times, how="stop")
    job = (STORIES.get(point, update) if times == 1 else update)(scene)
    if scene.thaw:
        scene.thaw.join()
        time.sleep(1.0)
    assert_world_ok(fleet, job)
