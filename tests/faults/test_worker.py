"""R03-R32 of a worker: it dies, freezes or stops in mid-step, is rung for too often, or finds
another key at the host; what it left is found by the next one, and nobody does a thing twice."""

import itertools
import signal
import threading
from collections import Counter
from collections.abc import Callable, Sequence
from datetime import timedelta
from pathlib import Path

import pytest
from django.db import OperationalError, connection
from django.utils import timezone

from demo.fleet import Fleet, FleetHost
from demo.keys import make_key
from demo.processes import gone
from deploy_tasks import desk, failpoints, keeper, orders, owner, reading, reconciling, revisions
from deploy_tasks.journal import Entry, writer
from deploy_tasks.models import Event, Game, HostRun, Job
from deploy_tasks.runner import passage
from tests.faults.crew import Crew, Nursery
from tests.faults.jobs import RECIPE, is_working, make_game, mira, start, wait_for_end
from tests.faults.world import COUNT, assert_world_ok, started
from tests.waiting import until

pytestmark = [pytest.mark.ssh, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def host(fleet: Fleet) -> FleetHost:
    return fleet.hosts[0]


def plan_of(job: Job, host: FleetHost) -> Path:
    return host.home / ".patchwave/runs" / job.host_runs.get().plan


@pytest.mark.parametrize(
    "point", ["plan.committed", "launch.sent", "log.read", "end.before", "flush.begun"]
)
def test_a_worker_that_was_frozen_past_its_lease_changes_nothing_any_more(
    point: str,
    nursery: Nursery,
    crew: Crew,
    game: Game,
    host: FleetHost,
    fleet: Fleet,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Its thread stands still, and its leases run out; another worker ends the job."""
    frozen, thawed = threading.Event(), threading.Event()

    def freeze() -> None:
        frozen.set()
        thawed.wait(60)

    # It looks after nothing: it takes no bell for what it would not carry on.
    monkeypatch.setattr(keeper.Keeper, "_renew", lambda _: None)
    monkeypatch.setattr(keeper.Keeper, "_take_left", lambda _: None)
    monkeypatch.setattr(keeper, "reconcile", lambda: None)
    failpoints.at(point, freeze)
    crew.start()
    job = start(game, host)
    assert frozen.wait(20)
    HostRun.objects.update(lease_until=timezone.now() - timedelta(seconds=1))
    other = nursery.worker()
    try:
        wait_for_end(job, "succeeded")
    finally:
        thawed.set()
        other.end()
    told = job.last_seq
    crew.stop()
    job.refresh_from_db()
    assert (job.state, job.last_seq) == ("succeeded", told)
    assert_world_ok(fleet, job)


def test_what_was_written_until_a_claim_is_not_done_again(
    nursery: Nursery, crew: Crew, host: FleetHost, fleet: Fleet, transactional_db: None
) -> None:
    """A frozen worker goes on after the next one has read the row, and before that claims it."""
    held = "current: while [ -e hold ]; do sleep .02; done; cat"
    job = start(make_game(fleet, RECIPE.replace("current: cat", held)), host)
    (host.home / "slow").touch()
    thawed = nursery.worker()
    until(lambda: is_working(host), "it works")
    (host.home / "hold").touch()
    read = job.host_runs.select_related(*reading.PLACE).prefetch_related(*reading.KEYS).get()
    (host.home / "go").touch()
    told = read.attempts.filter(name="tidy", state="succeeded")
    until(told.exists, "all steps are told, and the version is asked for")
    thawed.end()
    read.lease_until = None
    (host.home / "hold").unlink()
    crew.keeper._take_free_hands(1)
    crew.keeper._hands.take(crew.keeper._run_and_free(read, None))
    until(lambda: job.host_runs.get().state == "succeeded", "it waits for no lease", seconds=10)
    crew.start()
    wait_for_end(job, "succeeded")
    assert_world_ok(fleet, job)


def test_a_failure_whose_consequence_was_not_stored_is_not_tried_again(
    nursery: Nursery, crew: Crew, host: FleetHost, fleet: Fleet, transactional_db: None
) -> None:
    """A worker died between the two, as the rows tell."""
    job = start(make_game(fleet, RECIPE.partition("  - name: tidy")[0]), host)
    (host.home / "broken").touch()
    worker = nursery.worker()
    wait_for_end(job, "failed")
    worker.end()
    error = job.host_runs.get().error
    dead = f"{owner.me().partition(':')[0]}:{worker.pid}:1"
    lost = {"error": "", "owner": dead, "holds_host": True, "ended_at": None}
    HostRun.objects.update(state="running", **lost)
    Job.objects.update(state="running", ended_at=None)
    (host.home / "broken").unlink()
    crew.start()
    wait_for_end(job, "failed")
    assert job.host_runs.get().error == error
    assert_world_ok(fleet, job)


def test_a_step_that_ended_while_no_worker_lived_is_told_as_it_was(
    nursery: Nursery, crew: Crew, game: Game, host: FleetHost, fleet: Fleet
) -> None:
    """R03: with the host's own times."""
    (host.home / "slow").touch()
    job = start(game, host)
    worker = nursery.worker()
    until(lambda: is_working(host), "it works")
    worker.end()
    (host.home / "go").touch()
    until(lambda: b" Z done\n" in (plan_of(job, host) / "log").read_bytes(), "it is through")
    through = timezone.now()
    until(lambda: timezone.now() > through + timedelta(seconds=2), "time passes")
    crew.start()
    wait_for_end(job, "succeeded")
    ended_at = job.host_runs.get().attempts.get(name="work").ended_at
    assert ended_at
    assert ended_at < through + timedelta(seconds=1)
    assert_world_ok(fleet, job)


def test_a_worker_that_is_told_to_stop_leaves_its_step_alone(
    nursery: Nursery, crew: Crew, game: Game, host: FleetHost, fleet: Fleet
) -> None:
    """R05, R07: a deploy of the tool itself. The job ends by the recipe it began with."""
    (host.home / "slow").touch()
    job = start(game, host)
    worker = nursery.worker()
    until(lambda: is_working(host), "it works")
    worker.send(signal.SIGTERM)
    worker.wait(10)
    run = job.host_runs.get()
    assert (run.state, run.owner, run.lease_until) == ("running", "", None)
    assert not gone(int((plan_of(job, host) / "now").read_text().split()[1]))
    revisions.store(RECIPE.replace("echo tidy", "exit 1"), file="")
    crew.start()
    (host.home / "go").touch()
    wait_for_end(job, "succeeded")
    assert_world_ok(fleet, job)


def test_fifty_deliveries_of_a_bell_start_one_passage(
    crew: Crew, game: Game, host: FleetHost, fleet: Fleet
) -> None:
    """R15: at once, and again when all is over."""
    crew.start()
    job = start(game, host)
    ids = list(job.host_runs.values_list("pk", flat=True))
    for _ in range(50):
        crew.send_task("deploy_tasks.tasks.run_hosts", [ids])
    wait_for_end(job, "succeeded")
    told = job.last_seq
    crew.send_task("deploy_tasks.tasks.run_hosts", [ids])
    crew.stop()
    job.refresh_from_db()
    assert job.last_seq == told
    assert Event.objects.filter(job=job, kind="host", data__to="running").count() == 1
    assert_world_ok(fleet, job)


def test_workers_and_beats_that_all_look_at_once_carry_each_host_once(
    nursery: Nursery, crew: Crew, game: Game, fleet: Fleet
) -> None:
    """R21: three workers, and beats that do nothing but reconcile."""
    crew.start()
    others = [nursery.worker(), nursery.worker()]
    over = threading.Event()

    def beat() -> None:
        while not over.wait(0.02):
            # What it finds is rung for once more each time.
            HostRun.objects.update(rung_at=None)
            reconciling.reconcile()
        connection.close()

    beats = [threading.Thread(target=beat) for _ in range(2)]
    for one in beats:
        one.start()
    try:
        job = start(game)
        wait_for_end(job, "succeeded")
    finally:
        over.set()
        for one in beats:
            one.join()
        for other in others:
            other.end()
    running = Event.objects.filter(job=job, kind="host", data__to="running")
    assert running.count() == len(fleet.hosts)
    assert_world_ok(fleet, job)


def test_a_full_disk_of_ours_loses_nothing(
    crew: Crew, game: Game, host: FleetHost, fleet: Fleet, monkeypatch: pytest.MonkeyPatch
) -> None:
    """R14: the host goes on meanwhile, and nothing counts as stored that is not."""
    full, write = threading.Event(), writer.flush

    def flush(entries: Sequence[Entry]) -> Counter[int]:
        if full.is_set():
            raise OperationalError("database or disk is full")
        return write(entries)

    monkeypatch.setattr(writer, "flush", flush)
    (host.home / "slow").touch()
    crew.start()
    job = start(game, host)
    until(lambda: is_working(host), "it works")
    until(lambda: job.host_runs.get().attempts.filter(log_offset__gt=0).exists(), "it is told")
    full.set()
    (host.home / "go").touch()
    until(lambda: b" Z done\n" in (plan_of(job, host) / "log").read_bytes(), "it is through")
    job.refresh_from_db()
    assert job.state == "running"
    full.clear()
    wait_for_end(job, "succeeded")
    assert_world_ok(fleet, job)


def test_questions_that_the_database_does_not_answer_are_asked_again(
    crew: Crew, game: Game, host: FleetHost, fleet: Fleet, monkeypatch: pytest.MonkeyPatch
) -> None:
    """R11: nothing is wrong with the host, and no person has to decide."""
    asked, answer = itertools.count(), desk._answer

    def some(question: Callable[[], object]) -> object:
        # Further and further apart: each of them is the last one before a way through.
        if next(asked) in (1, 3, 6, 10):
            raise OperationalError("server closed the connection unexpectedly")
        return answer(question)

    monkeypatch.setattr(desk, "_answer", some)
    monkeypatch.setattr(passage, "AWAY_FOR", 0.1)
    (host.home / "broken").touch()
    crew.start()
    job = start(game, host)
    wait_for_end(job, "failed")
    (host.home / "broken").unlink()
    orders.retry(job, by=mira())
    wait_for_end(job, "succeeded")
    assert next(asked) > 10
    assert_world_ok(fleet, job, repeated={"work", "tidy"})


def test_another_host_key_in_mid_run_stops_us_before_the_log_in(
    own_fleet: Fleet, crew: Crew, transactional_db: None
) -> None:
    """R32: the host goes on by itself; what became of it a person says."""
    crew.start()
    host = own_fleet.hosts[0]
    game = make_game(own_fleet, RECIPE)
    (host.home / "slow").touch()
    job = start(game, host)
    until(lambda: is_working(host), "it works")
    own_fleet.stop(host.group)
    for file in own_fleet.directory.glob(f"host_key_{host.group}*"):
        file.unlink()
    make_key(own_fleet.directory / f"host_key_{host.group}")
    own_fleet.start(host.group)
    tried = own_fleet.log(host.group).count("Accepted publickey")
    run = job.host_runs.get()
    until(lambda: run.refresh_from_db() or run.state == "unknown", "it is stopped")
    assert "host key changed: pinned SHA256:" in run.reason
    assert own_fleet.log(host.group).count("Accepted publickey") == tried
    (host.home / "go").touch()
    until(lambda: b" Z done\n" in (plan_of(job, host) / "log").read_bytes(), "it is through")
    orders.answer(job, by=mira(), hosts=[host.name], answer="give_up")
    wait_for_end(job, "failed")
    assert max(started(host).values()) == 1


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_millions_of_lines_are_stored_as_they_are_and_do_not_slow_the_host(
    crew: Crew, host: FleetHost, fleet: Fleet, transactional_db: None
) -> None:
    """R44."""
    text = f"recipe: faults\nsteps:\n  - {{name: talk, run: '{COUNT}; seq 1 6000000'}}\n"
    crew.start()
    job = start(make_game(fleet, text), host)
    wait_for_end(job, "succeeded", seconds=500)
    assert_world_ok(fleet, job)
