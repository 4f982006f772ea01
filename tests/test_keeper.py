"""How a worker shares its threads out among host runs."""

import gc
import math
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import timedelta
from functools import partial
from typing import Any

import pytest
from django.conf import LazySettings
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext

from deploy_tasks import (
    bells,
    calls,
    clock,
    conductor,
    keeper,
    owner,
    reading,
    reconciling,
    refusals,
    tasks,
)
from deploy_tasks.journal import Entry, writer
from deploy_tasks.keeper import Keeper
from deploy_tasks.models import Game, HostRun, Job
from deploy_tasks.runner import Carriage, claimable
from deploy_tasks.states import HostRunState, JobState
from deploy_tasks.wishes import Wish
from tests import factories
from tests.waiting import until


class Carrying:
    """Stands where a host run is carried: remembers whose turn it was, and holds on."""

    def __init__(self) -> None:
        self.begun: list[int] = []
        self.go = threading.Semaphore(0)

    def __call__(self, run: HostRun, **_: object) -> None:
        self.begun.append(run.pk)
        assert run.host
        list(run.host.keys.all())
        assert self.go.acquire(timeout=20)


@pytest.fixture
def carrying(monkeypatch: pytest.MonkeyPatch) -> Carrying:
    carrying = Carrying()
    monkeypatch.setattr(keeper, "carry", carrying)
    return carrying


@pytest.fixture
def no_timer(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody looks unasked: a reconciler that has found a job standing still may come to conduct it
    a while later, when the test has changed what it finds."""
    monkeypatch.setattr(Keeper, "_keep", lambda _self: None)


@pytest.fixture
def worker(transactional_db: None, settings: LazySettings) -> Iterator[Keeper]:
    settings.WORKER_THREADS = 2
    worker = Keeper()
    worker.start()
    yield worker
    worker.close()


def queued(hosts: int) -> list[int]:
    game = Game.objects.first() or factories.game()
    # At once: a job of which nothing is queued yet stands still, and a reconciler conducts it.
    with transaction.atomic():
        job = factories.job(game, hosts)
        job.host_runs.update(state=HostRunState.QUEUED, rung_at=clock.now())
    return list(job.host_runs.order_by("pk").values_list("pk", flat=True))


def test_no_more_host_runs_at_a_time_than_there_are_threads(
    worker: Keeper, carrying: Carrying
) -> None:
    ids = queued(5)
    worker.run_hosts(ids)
    for done in range(3):
        until(lambda done=done: len(carrying.begun) == done + 2, "the free threads have one each")  # type: ignore[misc]
        carrying.go.release()
    carrying.go.release(2)
    until(lambda: len(carrying.begun) == 5, "each has had its turn")
    assert sorted(carrying.begun) == ids


def test_a_worker_that_is_busy_keeps_nothing_from_another(
    worker: Keeper, carrying: Carrying, settings: LazySettings
) -> None:
    ids = queued(6)
    worker.run_hosts(ids)
    until(lambda: len(carrying.begun) == 2, "its threads are busy")
    settings.WORKER_THREADS = 3
    other = Keeper()
    other.start()
    try:
        until(lambda: len(carrying.begun) == 5, "the other one has found what was left")
        carrying.go.release(6)
        until(lambda: len(carrying.begun) == 6, "whoever was free first had the last one")
    finally:
        other.close()
    assert sorted(carrying.begun) == ids


def test_one_whose_worker_has_died_is_left_like_one_that_never_began(
    worker: Keeper, carrying: Carrying
) -> None:
    ids = queued(3)
    worker.run_hosts(ids[:2])
    until(lambda: len(carrying.begun) == 2, "its threads are busy")
    HostRun.objects.filter(pk=ids[2]).update(state="running", owner="gone", lease_until=None)
    worker.run_hosts(ids[2:])
    carrying.go.release(3)
    until(lambda: len(carrying.begun) == 3, "the first thread that is free takes it")


def test_what_is_left_does_not_hold_up_the_end_of_the_worker(
    worker: Keeper, carrying: Carrying
) -> None:
    ids = queued(3)
    worker.run_hosts(ids)
    until(lambda: len(carrying.begun) == 2, "the threads are busy")
    worker.stop()
    carrying.go.release(2)
    worker.close()
    assert sorted(carrying.begun) == ids[:2]


def test_an_error_of_ours_gives_the_thread_back(
    worker: Keeper, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    ids = queued(3)
    begun: list[int] = []

    def fail(run: HostRun, **_: object) -> None:
        begun.append(run.pk)
        raise RuntimeError("ours")

    monkeypatch.setattr(keeper, "carry", fail)
    worker.run_hosts(ids)
    until(lambda: sorted(begun) == ids, "each has had its turn")
    assert "is left to the reconciler" in caplog.text


@pytest.mark.usefixtures("no_timer")
def test_a_hand_that_is_free_again_takes_the_next_host(
    worker: Keeper, carrying: Carrying, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without a message: to send and take one costs as much as a third of an update."""
    rung: list[int] = []

    def ring(_task: str, messages: list[list[list[int]]]) -> bool:
        rung.extend(pk for (ids,) in messages for pk in ids)
        return True

    monkeypatch.setattr(bells, "_ring", ring)
    job = factories.job(factories.game(), 5, rollout={"parallel": 3})
    conductor.conduct(job.pk)
    ids = list(job.host_runs.order_by("position").values_list("pk", flat=True))
    assert rung == ids[:3]
    ended = {"state": HostRunState.SUCCEEDED, "holds_host": False}
    HostRun.objects.filter(pk__in=ids[:2]).update(**ended)
    rung.clear()
    worker.conduct_soon({job.pk: 1})
    until(lambda: carrying.begun == ids[3:4], "one has ended here, so one begins here")
    until(lambda: rung == ids[4:], "any worker may have the other")
    carrying.go.release()


@pytest.mark.usefixtures("no_timer")
def test_whoever_is_free_may_have_what_no_bell_can_be_rung_for(
    worker: Keeper, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At once: a batch that opens while the broker is full waits for no second bell."""
    monkeypatch.setattr(bells, "_ring", lambda *_: False)
    job = factories.job(factories.game(), 5)
    worker.conduct_soon({job.pk: 0})
    left = job.host_runs.filter(state=HostRunState.QUEUED, rung_at=None)
    until(lambda: left.count() == 5, "they are left")


def test_a_job_is_conducted_between_two_commits_of_the_journal(
    worker: Keeper, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who waits for SQLite sleeps, and the journal would have it again before he wakes."""
    took_turns: list[str] = []

    def note(what: str) -> None:
        assert worker.writer.turn.locked()
        took_turns.append(what)

    def flush(entries: list[Entry]) -> Counter[int]:
        note("journal")
        entries[0].done.set()
        return Counter({1: 1})

    monkeypatch.setattr(conductor, "conduct", lambda _job: note("conductor"))
    monkeypatch.setattr(writer, "flush", flush)
    worker.writer.put(Entry(1, 1, 1)).wait()
    until(lambda: took_turns == ["journal", "conductor"], "each has had its turn")


def test_the_journal_does_not_wait_for_rows_of_the_next_hosts(
    worker: Keeper, carrying: Carrying, monkeypatch: pytest.MonkeyPatch
) -> None:
    ids = queued(1)
    job = HostRun.objects.get(pk=ids[0]).job_id
    read = reading.begin_with
    held: list[bool] = []

    def note(ids: list[int]) -> Any:
        held.append(worker.writer.turn.locked())
        return read(ids)

    def conduct(_job: int) -> None:
        if threading.current_thread().name == "conductor" and not held:
            bells.ring_host_runs(ids)

    monkeypatch.setattr(keeper, "begin_with", note)
    monkeypatch.setattr(conductor, "conduct", conduct)
    worker.conduct_soon({job: 1})
    until(lambda: carrying.begun == ids, "it begins")
    carrying.go.release()
    assert held == [False]


def test_with_nothing_under_way_a_job_is_looked_at_at_once(
    worker: Keeper, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked_at: list[int] = []
    monkeypatch.setattr(keeper, "REST", math.inf)
    monkeypatch.setattr(keeper, "LONGEST_REST", 3600)
    monkeypatch.setattr(conductor, "conduct", looked_at.append)
    for job in (1, 2):
        worker.conduct_soon({job: 1})
        until(lambda job=job: job in looked_at, "nobody waits an hour")  # type: ignore[misc]


@pytest.mark.usefixtures("no_timer")
@pytest.mark.parametrize("ends", ["nobody is left to wait for", "enough have ended"])
def test_while_hosts_are_under_way_a_look_rests_as_many_times_as_long_as_it_took(
    ends: str, worker: Keeper, carrying: Carrying, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked_at: list[int] = []
    rests: list[float] = []
    wait_for = worker._jobs_wait.wait_for

    def note(is_enough: Callable[[], bool], seconds: float) -> bool:
        rests.append(seconds)
        return wait_for(is_enough, seconds)

    monkeypatch.setattr(keeper, "REST", math.inf)
    monkeypatch.setattr(keeper, "LONGEST_REST", 3600)
    monkeypatch.setattr(worker._jobs_wait, "wait_for", note)
    monkeypatch.setattr(conductor, "conduct", looked_at.append)
    ids = queued(1)
    worker.run_hosts(ids)
    until(lambda: carrying.begun == ids, "one is under way")
    for job in (1, 2):
        worker.conduct_soon({job: 1})
        until(lambda job=job: len(rests) == job, "the conductor has heard")  # type: ignore[misc]
    assert rests[0] == 0
    assert rests[1] == pytest.approx(3600, abs=60)
    assert looked_at == [1]
    if some_go_on := ends == "enough have ended":
        worker.conduct_soon({2: keeper.ENOUGH - 1})
    else:
        carrying.go.release()
    until(lambda: looked_at == [1, 2], ends)
    assert bool(worker._carriages) == some_go_on
    carrying.go.release()


def test_host_runs_that_begin_together_are_read_together(
    worker: Keeper, carrying: Carrying
) -> None:
    """Whatever their number: a query for each host would be felt by a fleet of 5,000."""
    ids = queued(3)
    carrying.go.release(3)
    asked = []
    for together in (ids[:2], ids[2:]):
        until(lambda: worker._free_hands._value == 2, "the threads are free")
        with CaptureQueriesContext(connection) as queries:
            worker.run_hosts(together)
        asked.append(len(queries))
    # They with their hosts, keys, rules about keys, and credentials that hosts refuse.
    assert asked == [4, 4]


@pytest.mark.usefixtures("no_timer")
def test_who_begins_knows_which_credentials_hosts_refuse(
    worker: Keeper, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: dict[int, frozenset[str] | None] = {}

    def carry(run: HostRun, *, carriage: Carriage, **_: object) -> None:
        told[run.pk] = carriage.burnt

    monkeypatch.setattr(keeper, "carry", carry)
    ids = queued(refusals.LIMIT + 1)
    HostRun.objects.filter(pk__in=ids[:-1]).update(refused_credential="fleet")
    HostRun.objects.filter(pk=ids[-1]).update(refused_credential="other")
    worker.run_hosts(ids[-1:])
    until(
        lambda: told == {ids[-1]: frozenset({"fleet"})}, "enough hosts have refused one of the two"
    )


@pytest.mark.usefixtures("no_timer")
def test_what_has_ended_meanwhile_is_followed_here(
    worker: Keeper, carrying: Carrying, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A commit is counted after it was made: a job may be looked at in between."""
    ids = queued(2)
    job = HostRun.objects.get(pk=ids[0]).job_id
    rung: list[int] = []
    monkeypatch.setattr(bells, "_ring", lambda _task, messages: rung.extend(messages))

    def conduct(_job: int) -> None:
        if not carrying.begun:
            worker.conduct_soon({job: 1})
            bells.ring_host_runs(ids)

    monkeypatch.setattr(conductor, "conduct", conduct)
    worker.conduct_soon({job: 1})
    until(lambda: len(carrying.begun) == 2, "both begin here")
    carrying.go.release(2)
    assert rung == []


def test_what_a_worker_has_loaded_is_no_garbage_to_look_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(tasks, "the_keeper", lambda: None)
    try:
        tasks._begin()
        assert gc.get_freeze_count() > 10 * len(gc.get_objects())
    finally:
        gc.unfreeze()


@pytest.mark.django_db
def test_a_clock_that_was_set_back_holds_nothing_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """A lease and a bell of times that are to come are of before; those of a moment ago stand."""
    rung: list[int] = []
    monkeypatch.setattr(bells, "ring_host_runs", rung.extend)
    lost, left, heard, carried = queued(4)
    now, later = clock.now(), clock.now() + timedelta(hours=1)
    rows = HostRun.objects
    rows.filter(pk=lost).update(rung_at=later)
    rows.filter(pk=left).update(state="running", owner="far:1:1", lease_until=later, rung_at=later)
    rows.filter(pk=heard).update(rung_at=now)
    soon = now + timedelta(seconds=12)
    rows.filter(pk=carried).update(state="running", owner="far:1:1", lease_until=soon, rung_at=now)
    reconciling.reconcile()
    assert sorted(rung) == [lost, left]
    assert claimable(rows.get(pk=left))
    assert not claimable(rows.get(pk=carried))


@pytest.mark.django_db
def test_many_that_are_left_take_no_statement_each(monkeypatch: pytest.MonkeyPatch) -> None:
    rung: list[int] = []
    monkeypatch.setattr(bells, "ring_host_runs", rung.extend)
    asked = []
    for hosts in (2, 40):
        ids = queued(hosts)
        HostRun.objects.filter(pk__in=ids).update(state="running", owner="gone", rung_at=None)
        with CaptureQueriesContext(connection) as queries:
            reconciling.reconcile()
        assert rung[-hosts:] == ids
        asked.append(len(queries))
    assert asked[0] == asked[1]
    reconciling.reconcile()
    assert len(rung) == 42, "they were rung for just now"


def carried(worker: Keeper, hosts: int) -> list[int]:
    """Host runs that this worker has claimed, and whose hosts say nothing."""
    ids = queued(hosts)
    lease_until = clock.now() + timedelta(seconds=1)
    claimed = {"state": "running", "owner": owner.me(), "fence": 1}
    HostRun.objects.filter(pk__in=ids).update(lease_until=lease_until, **claimed)
    worker._carriages |= {pk: Carriage(pk, 1, worker.stopping) for pk in ids}
    return ids


@pytest.fixture
def quiet(db: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[Keeper]:
    """One whose timer is turned by the test."""
    monkeypatch.setattr(bells, "_ring", lambda *_, **__: None)
    worker = Keeper()
    yield worker
    worker.writer.close()


def test_quiet_hosts_take_no_statement_each(quiet: Keeper) -> None:
    """Neither more of them nor longer ones: a list of a thousand ids is a tenth of a core."""
    asked = []
    for hosts in (1, 1, 40):
        HostRun.objects.all().delete()
        Job.objects.update(state=JobState.SUCCEEDED)
        quiet._carriages.clear()
        carried(quiet, hosts)
        with CaptureQueriesContext(connection) as queries:
            quiet._look()
            quiet._renew()
            quiet._reconcile()
        asked.append([len(query["sql"]) for query in queries])
    _before, first, second = asked
    assert len(first) == len(second) < 20
    # A number more of its only job, say, and no id of a host run.
    assert sum(second) - sum(first) < 40


def test_what_nobody_carries_any_more_is_not_renewed(quiet: Keeper) -> None:
    """After an error of ours, say: the reconciler takes it up when its lease is over."""
    kept, left = carried(quiet, 2)
    quiet._look()
    del quiet._carriages[left]
    quiet._renew()
    soon = clock.now() + timedelta(seconds=5)
    assert list(HostRun.objects.filter(lease_until__gt=soon)) == [HostRun.objects.get(pk=kept)]


def test_a_wish_and_a_loss_reach_whoever_carries_it(quiet: Keeper) -> None:
    cancelled, lost, left, _same = carried(quiet, 4)
    HostRun.objects.filter(pk=cancelled).update(wish=Wish.CANCEL)
    HostRun.objects.filter(pk=lost).update(owner="far:1:1", fence=2)
    HostRun.objects.filter(pk=left).update(owner="", lease_until=None)
    woken: list[int] = []
    for pk, carriage in quiet._carriages.items():
        carriage.wake = partial(woken.append, pk)
    quiet._look()
    assert sorted(woken) == sorted([cancelled, lost])
    assert quiet._carriages[cancelled].wish == Wish.CANCEL
    assert [pk for pk, carriage in quiet._carriages.items() if carriage.lost] == [lost]


def test_the_clock_of_others_reconciles_only_where_ours_is_late(
    quiet: Keeper, monkeypatch: pytest.MonkeyPatch
) -> None:
    done: list[bool] = []
    monkeypatch.setattr(keeper, "reconcile", lambda **_: done.append(True))
    quiet.reconcile_if_late()
    quiet.reconcile_if_late()
    assert done == [True]
    quiet._reconciled -= keeper.RENEW_EVERY + keeper.LOOK_EVERY
    quiet.reconcile_if_late()
    assert done == [True, True]


class Rounds:
    """Stands where the keeper waits: a few rounds, without waiting."""

    def __init__(self, rounds: int) -> None:
        self.waited: list[float] = []
        self._rounds = rounds

    def wait(self, seconds: float) -> bool:
        self.waited.append(seconds)
        return len(self.waited) > self._rounds

    def is_set(self) -> bool:
        return False


def test_leases_are_renewed_whatever_is_wrong_with_all_else(
    quiet: Keeper, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken() -> None:
        raise RuntimeError("a row that nobody can read")

    done: list[str] = []
    for name in ("_look", "_reconcile"):
        monkeypatch.setattr(quiet, name, broken)
    monkeypatch.setattr(quiet, "_renew", lambda: done.append("renewed"))
    monkeypatch.setattr(keeper.disk, "look", lambda: done.append("measured"))
    monkeypatch.setattr(quiet, "stopping", rounds := Rounds(3))
    quiet._keep()
    assert done == ["renewed", "measured"]
    # Nor does it try again without a pause.
    assert rounds.waited == [0.0, 1.0, 1.0, 1.0]


def test_leases_that_could_not_be_renewed_are_tried_at_the_next_look(
    quiet: Keeper, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried: list[bool] = []

    def renew() -> None:
        tried.append(True)
        if len(tried) == 1:
            raise RuntimeError("away for a moment")

    monkeypatch.setattr(quiet, "_renew", renew)
    monkeypatch.setattr(quiet, "stopping", Rounds(4))
    quiet._keep()
    assert len(tried) == 2


def test_a_job_that_cannot_be_conducted_keeps_nobody_from_the_others(
    quiet: Keeper, monkeypatch: pytest.MonkeyPatch
) -> None:
    game = factories.game()
    jobs = [factories.job(game, 1).pk for _ in range(3)]
    conducted: list[int] = []

    def conduct(job_id: int) -> None:
        conducted.append(job_id)
        if job_id == jobs[0]:
            raise ValueError("a rollout that this version cannot read")

    rung: list[bool] = []
    monkeypatch.setattr(conductor, "conduct", conduct)
    monkeypatch.setattr(calls, "ring_due", lambda: rung.append(True))
    reconciling.reconcile()
    assert (sorted(conducted), rung) == (jobs, [True])
