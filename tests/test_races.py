"""Several conductors at the same moment, each with a connection of its own.

SQLite has one writer at a time and cannot race; bin/test runs this on PostgreSQL.
"""

import random
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import connection, connections, transaction
from django.utils import timezone

from deploy_tasks import bells, conductor, floors, journal, orders, reconciling
from deploy_tasks.errors import OrderRefused
from deploy_tasks.models import AuditEntry, Call, Host, HostRun, Instance, Job, Machine
from tests import factories, waiting
from tests.test_going_back import begun, pager

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif(
        "connection.vendor != 'postgresql'", reason="only PostgreSQL has writers side by side"
    ),
]

LONGEST = 30.0


@pytest.fixture(autouse=True)
def no_bells(monkeypatch: pytest.MonkeyPatch) -> None:
    for bell in ("ring_job", "ring_host_runs", "ring_calls"):
        monkeypatch.setattr(bells, bell, lambda pks: None)


def at_once(*acts: Callable[[], object]) -> None:
    """All of them begin when the last one is ready. Raises what the first of them raised."""
    barrier = threading.Barrier(len(acts), timeout=LONGEST)

    def run(act: Callable[[], object]) -> None:
        try:
            connection.ensure_connection()
            barrier.wait()
            act()
        finally:
            connections.close_all()

    with ThreadPoolExecutor(len(acts)) as pool:
        for under_way in [pool.submit(run, act) for act in acts]:
            under_way.result(LONGEST)


def test_a_process_that_stands_still_in_a_transaction_is_not_waited_for() -> None:
    """Frozen, or cut off: its locks are let go before others take over what it carried."""
    with connection.cursor() as cursor:
        cursor.execute("SHOW idle_in_transaction_session_timeout")
        assert cursor.fetchone() == ("15s",)


@pytest.fixture
def watched() -> Iterator[Callable[[], int]]:
    """Looks again and again how many hosts are down; gives the most that were in one moment."""
    done = threading.Event()
    seen = [0]

    def look() -> None:
        while not done.is_set():
            seen.append(HostRun.objects.filter(out=True).count())
        connections.close_all()

    thread = threading.Thread(target=look)
    thread.start()
    yield lambda: max(seen)
    done.set()
    thread.join(LONGEST)


def hold(job: Job, hosts: list[Host]) -> None:
    """They stand before their first disruptive step."""
    for position, host in enumerate(hosts):
        HostRun.objects.create(
            job=job, host=host, name=host.name, position=position, state="paused", held=True
        )


def bring_one_up() -> None:
    """One that was let in has gone through, and its worker has said so."""
    down = list(HostRun.objects.filter(out=True, state="queued").values_list("pk", flat=True))
    if down:
        up = HostRun.objects.filter(pk=random.choice(down))
        up.update(out=False, state="succeeded", holds_host=False)


def test_jobs_that_share_a_machine_never_take_down_more_than_one_of_them_allows(
    watched: Callable[[], int],
) -> None:
    Instance.objects.get_or_create()
    box = Machine.objects.create(name="box-7")
    jobs = []
    for n in range(4):
        game = factories.game(f"game-{n}")
        terms = {"per_machine": 2} if n == 0 else {}
        job = factories.job(game, state="running", started_at=timezone.now(), rollout=terms)
        hold(job, [factories.host(game, machine=box) for _ in range(3)])
        jobs.append(job)
    # Elsewhere a host of the first job is busy to the end: its limit holds as long.
    elsewhere = factories.host(jobs[0].game)
    busy = HostRun.objects.create(job=jobs[0], host=elsewhere, name=elsewhere.name, state="running")

    def conduct(job: Job) -> Callable[[], None]:
        return lambda: conductor.conduct(job.pk)

    rounds = 0
    while HostRun.objects.exclude(pk=busy.pk).exclude(state="succeeded").exists():
        at_once(*(conduct(job) for job in jobs * 2), bring_one_up)
        assert HostRun.objects.filter(out=True).count() <= 2
        rounds += 1
        assert rounds < 100, "it stands still"
    assert watched() == 2


def test_a_limit_and_a_host_that_goes_without_one_do_not_miss_each_other() -> None:
    Instance.objects.get_or_create()
    free, limited = factories.game("free"), factories.game("limited")

    def claimed(run: HostRun) -> None:
        """What a worker's passage does with the two moments: counted first, then it looks."""
        HostRun.objects.filter(pk=run.pk).update(out=True)
        if floors.limits_in_force(free.pk, own=run.job_id):
            HostRun.objects.filter(pk=run.pk).update(out=False, held=True, state="paused")

    def begins(job: Job) -> None:
        conductor.conduct(job.pk)  # its limits are in force from here on
        runs = HostRun.objects.filter(job=job)
        runs.update(state="paused", held=True)
        conductor.conduct(job.pk)

    for n in range(10):
        box = Machine.objects.create(name=f"box-{n}")
        one = factories.job(free, state="running", started_at=timezone.now())
        host = factories.host(free, machine=box)
        run = HostRun.objects.create(job=one, host=host, name=host.name, state="running")
        two = factories.job(limited, rollout={"per_machine": 1})
        other = factories.host(limited, machine=box)
        HostRun.objects.create(job=two, host=other, name=other.name)
        at_once(lambda run=run: claimed(run), lambda two=two: begins(two))
        down = HostRun.objects.filter(job__in=[one, two], out=True)
        assert down.count() <= 1
        Job.objects.filter(pk__in=[one.pk, two.pk]).update(state="cancelled")
        HostRun.objects.update(out=False, held=False, state="cancelled", holds_host=False)


def test_a_halting_job_is_rolled_back_once_by_whoever_is_first() -> None:
    pager()
    mira = factories.user("mira")
    job = begun("failed", "running", "waiting")
    conductor.conduct(job.pk)
    job.host_runs.filter(state="running").update(state="succeeded", holds_host=False)

    def conduct() -> None:
        conductor.conduct(job.pk)

    def press() -> None:
        try:
            orders.rollback(Job.objects.get(pk=job.pk), by=mira)
        except OrderRefused as refusal:
            raise AssertionError(str(refusal)) from refusal

    at_once(*[conduct] * 4, press, press)
    back = Job.objects.get(rolls_back=job)
    assert back.host_runs.count() == 2
    assert AuditEntry.objects.filter(action="rollback_job").count() == 1
    conduct()
    job.refresh_from_db()
    assert job.state == "cancelled"
    assert Call.objects.filter(job=job, moment="halted").count() == 1


def test_leases_are_renewed_while_the_journal_writes_the_same_host_runs() -> None:
    """Whoever is second waits for the job, and holds nothing that the first still wants."""
    job = factories.job(factories.game(), hosts=3, state="running", started_at=timezone.now())
    job.host_runs.update(state="running")
    rows = job.host_runs.order_by("pk")
    first, _, last = rows.values_list("pk", flat=True)
    until = timezone.now()

    def renew() -> None:
        journal.change_host_runs(job.host_runs.filter(state="running"), lease_until=until)

    with ThreadPoolExecutor(1, initializer=connection.ensure_connection) as pool:
        with transaction.atomic():
            journal.lock(job.pk)
            HostRun.objects.filter(pk=last).update(step=1)
            renewing = pool.submit(renew)
            waiting.until(somebody_waits, "the other one waits")
            HostRun.objects.filter(pk=first).update(step=1)
        renewing.result(LONGEST)
        pool.submit(connections.close_all).result(LONGEST)
    assert list(rows.values_list("step", "lease_until")) == [(1, until), (0, until), (1, until)]


def somebody_waits() -> bool:
    with connection.cursor() as cursor:
        # Not pg_stat_activity: it says the same to the end of a transaction.
        cursor.execute("SELECT count(*) FROM pg_locks WHERE NOT granted")
        return bool(cursor.fetchone()[0])


def test_of_several_reconcilers_one_rings_for_what_was_left(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rung: list[int] = []
    monkeypatch.setattr(bells, "ring_host_runs", rung.extend)
    for game in (factories.game(f"game-{n}") for n in range(5)):
        job = factories.job(game, hosts=40)
        job.host_runs.update(state="running", owner="gone", lease_until=None, rung_at=None)
        rung.clear()
        at_once(*[reconciling.reconcile] * 4)
        left = job.host_runs.values_list("pk", flat=True)
        assert sorted(rung) == sorted(left), "each once, and none is forgotten"
