"""The journal: gapless numbers, guarded moves, group commit."""

import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from django.db import IntegrityError, InternalError, OperationalError, connection, transaction
from django.db.models import Max, UniqueConstraint
from django.test.utils import CaptureQueriesContext

from deploy_tasks import journal
from deploy_tasks.errors import LostClaim
from deploy_tasks.journal import Entry, News, Writer, sql, writer
from deploy_tasks.models import Attempt, Event, HostRun, Job
from deploy_tasks.states import HostRunState, JobState
from tests import factories


@pytest.fixture
def bells(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, int]]:
    """What was announced: (job, up to which seq), with the seq that was committed by then."""
    rung: list[tuple[int, int]] = []
    for module in ("writer", "news"):
        monkeypatch.setattr(
            f"deploy_tasks.journal.{module}.announce", lambda job, to: rung.append((job, to))
        )
    return rung


@pytest.fixture
def job(db: None) -> Job:
    return factories.job(factories.game(), hosts=3)


@pytest.fixture
def host_run(job: Job) -> HostRun:
    HostRun.objects.update(state="queued")
    return job.host_runs.get(position=0)


def note(text: str, **more: int) -> News:
    return News(Event.Kind.NOTE, {"text": text}, **more)


def claim(host_run: HostRun, fence: int = 1) -> Entry:
    changes = {"state": "running", "owner": "me"}
    return Entry(host_run.job_id, host_run.pk, fence, claim=True, changes=changes)


def output(host_run: HostRun, attempt: int) -> list[Entry]:
    """Nine bytes of one step, as they came: three at a time."""
    return [
        Entry(
            host_run.job_id,
            host_run.pk,
            1,
            cursor=(at, at + 3),
            attempt_changes={attempt: {"log_offset": at + 3}},
            news=[
                News(
                    Event.Kind.OUTPUT,
                    host_run=host_run.pk,
                    attempt=attempt,
                    offset=at,
                    raw_length=3,
                    output=b"abc",
                )
            ],
        )
        for at in (0, 3, 6)
    ]


def seqs(job: Job) -> list[int]:
    return list(Event.objects.filter(job=job).order_by("seq").values_list("seq", flat=True))


def test_events_are_numbered_without_gaps(job: Job) -> None:
    journal.append(job.pk, [note("a"), note("b")])
    journal.append(job.pk, [note("c")])
    job.refresh_from_db()
    assert seqs(job) == [1, 2, 3]
    assert job.last_seq == 3


def test_a_transaction_that_fails_leaves_no_gap(job: Job) -> None:
    with transaction.atomic():
        journal.append(job.pk, [note("a")])
        transaction.set_rollback(True)
    journal.append(job.pk, [note("b")])
    assert seqs(job) == [1]


def test_it_announces_after_the_commit_only(
    job: Job, bells: list[tuple[int, int]], django_capture_on_commit_callbacks: object
) -> None:
    with django_capture_on_commit_callbacks(execute=True):  # type: ignore[operator]
        journal.append(job.pk, [note("a"), note("b")])
        assert bells == []
    assert bells == [(job.pk, 2)]


def test_a_claim_takes_the_next_token(host_run: HostRun, bells: list[tuple[int, int]]) -> None:
    entry = claim(host_run)
    writer.flush([entry])
    entry.wait()
    host_run.refresh_from_db()
    assert (host_run.state, host_run.fence, host_run.owner) == ("running", 1, "me")


def test_only_one_of_two_claims_wins(host_run: HostRun) -> None:
    first, second, late = claim(host_run), claim(host_run), claim(host_run)
    writer.flush([first, second])
    writer.flush([late])
    first.wait()
    for loser in (second, late):
        with pytest.raises(LostClaim):
            loser.wait()


def test_an_entry_of_an_old_claim_changes_nothing(host_run: HostRun) -> None:
    writer.flush([claim(host_run, 1)])
    writer.flush([claim(host_run, 2)])
    old = Entry(host_run.job_id, host_run.pk, 1, changes={"state": "failed"}, news=[note("never")])
    writer.flush([old])
    with pytest.raises(LostClaim):
        old.wait()
    host_run.refresh_from_db()
    assert host_run.state == "running"
    assert not Event.objects.exists()


def test_a_loser_does_not_hold_up_the_others(job: Job, host_run: HostRun) -> None:
    other = job.host_runs.get(position=1)
    writer.flush([claim(host_run), claim(other)])
    bad = Entry(job.pk, host_run.pk, 9, news=[note("bad")])
    good = Entry(job.pk, other.pk, 1, news=[note("good")])
    writer.flush([bad, good])
    assert [event.data for event in Event.objects.all()] == [{"text": "good"}]
    assert seqs(job) == [1]


def test_two_followers_cannot_store_the_same_bytes(host_run: HostRun) -> None:
    writer.flush([claim(host_run)])
    first = Entry(host_run.job_id, host_run.pk, 1, cursor=(0, 10), news=[note("ten bytes")])
    again = Entry(host_run.job_id, host_run.pk, 1, cursor=(0, 10), news=[note("ten bytes")])
    writer.flush([first])
    writer.flush([again])
    with pytest.raises(LostClaim):
        again.wait()
    host_run.refresh_from_db()
    assert host_run.plan_offset == 10
    assert Event.objects.count() == 1
    assert not first.news, "a quiet host keeps its last entry, and would keep its output"


def test_entries_of_one_moment_become_one(host_run: HostRun, bells: list[tuple[int, int]]) -> None:
    writer.flush([claim(host_run)])
    made = Attempt(host_run=host_run, uid="p.1", step=0, name="stop", number=1)
    writer.flush([Entry(host_run.job_id, host_run.pk, 1, attempts=[made])])
    attempt = made.pk
    entries = output(host_run, attempt)
    end = Entry(
        host_run.job_id,
        host_run.pk,
        1,
        changes={"state": "succeeded", "holds_host": False},
        attempt_changes={attempt: {"state": "succeeded"}},
    )
    assert writer.flush([*entries, end]) == {host_run.job_id: 1}
    event = Event.objects.get()
    assert (bytes(event.output or b""), event.offset, event.raw_length) == (b"abcabcabc", 0, 9)
    assert bells == [(host_run.job_id, 1)]
    made.refresh_from_db()
    assert (made.state, made.log_offset) == ("succeeded", 9)
    host_run.refresh_from_db()
    assert (host_run.state, host_run.plan_offset) == ("succeeded", 9)


def test_a_commit_that_failed_stores_no_byte_twice_when_it_is_tried_again(
    host_run: HostRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    writer.flush([claim(host_run)])
    made = Attempt(host_run=host_run, uid="p.1", step=0, name="stop", number=1)
    writer.flush([Entry(host_run.job_id, host_run.pk, 1, attempts=[made])])
    entries = output(host_run, made.pk)

    def at(failpoint: str) -> None:
        if failpoint == "flush.written":
            raise OperationalError("the connection is gone")

    monkeypatch.setattr(writer, "failpoint", at)
    with pytest.raises(OperationalError):
        writer.flush(entries)
    monkeypatch.undo()
    writer.flush(entries)
    event = Event.objects.get()
    assert (bytes(event.output or b""), event.raw_length) == (b"abcabcabc", 9)


def test_a_flush_is_one_transaction_of_as_many_statements_for_few_hosts_as_for_many(
    db: None,
) -> None:
    asked = []
    for hosts in (2, 30):
        job = factories.job(factories.game(f"game-{hosts}"), hosts=hosts)
        HostRun.objects.filter(job=job).update(state="queued")
        runs = list(job.host_runs.all())
        writer.flush([claim(run) for run in runs])
        made = [
            Attempt(host_run=run, uid=f"{run.pk}.1", step=0, name="stop", number=1) for run in runs
        ]
        plans = [
            Entry(job.pk, run.pk, 1, attempts=[one]) for run, one in zip(runs, made, strict=True)
        ]
        writer.flush(plans)
        moment = [
            Entry(
                job.pk,
                run.pk,
                1,
                changes={"step": 1},
                cursor=(0, 3),
                attempt_changes={one.pk: {"log_offset": 3, "state": "running"}},
                news=[note("running", host_run=run.pk), note("abc", host_run=run.pk)],
            )
            for run, one in zip(runs, made, strict=True)
        ]
        with CaptureQueriesContext(connection) as seen:
            writer.flush(moment)
        statements = [query["sql"] for query in seen.captured_queries]
        assert sum(text.startswith("SAVEPOINT") for text in statements) == 1
        asked.append(len(statements))
    # Host runs, attempts, the job's newest number, the events; the job's lock, where there is one.
    assert asked[0] == asked[1] <= 2 + 5


def test_an_ended_host_run_cannot_hold_its_host(host_run: HostRun) -> None:
    writer.flush([claim(host_run)])
    with pytest.raises(IntegrityError), transaction.atomic():
        writer.flush([Entry(host_run.job_id, host_run.pk, 1, changes={"state": "failed"})])


def test_a_move_takes_only_its_arrow(job: Job) -> None:
    ids = list(job.host_runs.order_by("position").values_list("pk", flat=True))
    HostRun.objects.filter(pk=ids[0]).update(state="running")
    moved = journal.move_host_runs(job, ids, [HostRunState.WAITING], HostRunState.QUEUED)
    assert moved == ids[1:]
    assert [event.host_run_id for event in Event.objects.order_by("seq")] == ids[1:]


def test_a_job_moves_once(job: Job) -> None:
    assert journal.move_job(job, [JobState.WAITING], JobState.RUNNING)
    assert not journal.move_job(job, [JobState.WAITING], JobState.RUNNING)
    assert Event.objects.get().data == {"to": "running"}


REAL_FLUSH = writer.flush


class Commits:
    """Stands before ``flush``: counts, and fails as often as told."""

    def __init__(self, failures: list[Exception]) -> None:
        self.failures, self.sizes = failures, list[int]()
        self.real = REAL_FLUSH

    def __call__(self, entries: list[Entry]) -> set[int]:
        self.sizes.append(len(entries))
        if self.failures:
            raise self.failures.pop(0)
        return self.real(entries)


@pytest.fixture
def thread(transactional_db: None) -> Iterator[Writer]:
    one = Writer()
    yield one
    one.close()


def test_threads_are_served_in_few_commits(thread: Writer, monkeypatch: pytest.MonkeyPatch) -> None:
    job = factories.job(factories.game(), hosts=20)
    HostRun.objects.update(state="queued")
    commits = Commits([])
    monkeypatch.setattr(writer, "flush", commits)
    entries = [claim(one) for one in job.host_runs.all()]
    threads = [threading.Thread(target=thread.put, args=(entry,)) for entry in entries]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    for entry in entries:
        entry.wait()
    assert sum(commits.sizes) == 20
    assert len(commits.sizes) < 10
    connection.close()


def test_what_follows_a_loss_is_lost_whatever_its_own_guard_says(host_run: HostRun) -> None:
    HostRun.objects.filter(pk=host_run.pk).update(state="running", fence=1, plan_offset=7)
    first = Entry(host_run.job_id, host_run.pk, 1, cursor=(0, 10), news=[note("ten bytes")])
    end = Entry(host_run.job_id, host_run.pk, 1, changes={"state": "failed"}, before=first)
    writer.flush([first])
    writer.flush([end])
    with pytest.raises(LostClaim):
        end.wait()
    assert HostRun.objects.get(pk=host_run.pk).state == "running"


def test_who_loses_a_claim_writes_nothing_under_the_winners_token(host_run: HostRun) -> None:
    HostRun.objects.filter(pk=host_run.pk).update(state="running", fence=1)
    lost = claim(host_run)
    end = Entry(host_run.job_id, host_run.pk, 1, changes={"state": "failed"}, before=lost)
    writer.flush([lost, end])
    with pytest.raises(LostClaim):
        end.wait()
    assert HostRun.objects.get(pk=host_run.pk).state == "running"


@pytest.mark.parametrize(
    "failure",
    [
        OperationalError("database is locked"),
        InternalError("terminating connection due to idle-in-transaction timeout"),
    ],
    ids=["busy", "we stood still"],
)
def test_a_busy_database_is_tried_again(
    failure: Exception, thread: Writer, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = factories.job(factories.game(), hosts=1)
    HostRun.objects.update(state="queued")
    monkeypatch.setattr(writer, "flush", Commits([failure]))
    monkeypatch.setattr(writer.time, "sleep", lambda seconds: None)
    entry = thread.put(claim(job.host_runs.get()))
    entry.wait()
    assert HostRun.objects.get().state == "running"


def test_one_bad_entry_stands_alone(thread: Writer) -> None:
    job = factories.job(factories.game(), hosts=3)
    HostRun.objects.update(state="queued")
    good, bad, fine = (claim(one) for one in job.host_runs.order_by("pk"))
    bad.changes["state"] = "succeeded"  # and still holds its host: the database refuses
    for entry in (good, bad, fine):
        thread.put(entry)
    good.wait()
    fine.wait()
    with pytest.raises(IntegrityError):
        bad.wait()
    states = sorted(HostRun.objects.values_list("state", flat=True))
    assert states == ["queued", "running", "running"]
    assert Event.objects.aggregate(Max("seq"))["seq__max"] is None


def test_an_error_of_ours_does_not_end_the_journal(
    thread: Writer, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = factories.job(factories.game(), hosts=2)
    HostRun.objects.update(state="queued")
    bad, good = (claim(one) for one in job.host_runs.order_by("pk"))
    monkeypatch.setattr(writer, "flush", Commits([TypeError("ours"), TypeError("ours")]))
    thread.put(bad)
    with pytest.raises(TypeError):
        bad.wait()
    monkeypatch.setattr(writer, "flush", Commits([]))
    thread.put(good)
    good.wait()


@pytest.mark.parametrize("zone", ["UTC", "Asia/Shanghai"])
@pytest.mark.parametrize("microsecond", [0, 120_000])
def test_times_are_written_as_django_writes_them(job: Job, zone: str, microsecond: int) -> None:
    at = datetime(2026, 11, 1, 8, 30, 5, microsecond, ZoneInfo(zone))
    at = at.astimezone(UTC) if zone == "UTC" else at
    sql.update(Job, ["started_at", "wake_at"], [(job.pk, at, None)])
    table = connection.ops.quote_name(Job._meta.db_table)
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT started_at FROM {table}")
        ours = cursor.fetchall()
        Job.objects.update(started_at=at)
        cursor.execute(f"SELECT started_at FROM {table}")
        assert cursor.fetchall() == ours
    job.refresh_from_db()
    assert (job.started_at, job.wake_at) == (at, None)


@pytest.mark.parametrize("model", [Event, Attempt])
def test_no_row_of_a_step_goes_into_two_indexes_that_begin_alike(
    model: type[Event | Attempt],
) -> None:
    unique = [one for one in model._meta.constraints if isinstance(one, UniqueConstraint)]
    begins = [one.fields[0] for one in [*unique, *model._meta.indexes] if not one.condition]
    own = [one.name for one in model._meta.concrete_fields if one.db_index]
    assert len({*begins, *own}) == len([*begins, *own])
