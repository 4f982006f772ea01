"""Who has to be told is written down in the transaction in which a job moves."""

from datetime import timedelta
from typing import Any

import pytest
from django.db import transaction
from django.utils import timezone

from deploy_tasks import bells, calls, clock, conductor, journal, reconciling
from deploy_tasks.models import MOMENTS, Call, Game, Job, Moment, Pager
from deploy_tasks.states import HostRunState, JobState
from tests import factories

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def rung(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The calls that were rung for."""
    found: list[int] = []
    monkeypatch.setattr(bells, "ring_calls", lambda ids: found.extend(ids))
    return found


@pytest.fixture
def job(squid: Game) -> Job:
    return factories.job(squid, hosts=3, state=JobState.RUNNING)


def pager(name: str = "ops", **more: Any) -> Pager:
    given: dict[str, Any] = {"kind": "webhook", "moments": list(MOMENTS), "sealed": b""}
    return Pager.objects.create(name=name, **(given | more))


def told_of(job: Job) -> set[tuple[str, str]]:
    return set(Call.objects.filter(job=job).values_list("pager__name", "moment"))


def become_unknown(job: Job, count: int = 1) -> None:
    waiting = job.host_runs.filter(state=HostRunState.WAITING).values_list("pk", flat=True)
    with transaction.atomic():
        journal.move_host_runs(
            journal.lock(job.pk),
            waiting[:count],
            [HostRunState.WAITING],
            HostRunState.UNKNOWN,
        )


def halt(job: Job) -> None:
    with transaction.atomic():
        conductor.halt(journal.lock(job.pk), "a canary host failed")


@pytest.mark.parametrize(
    ("to", "moment"),
    [
        (JobState.HALTED, Moment.HALTED),
        (JobState.SUCCEEDED, Moment.SUCCEEDED),
        (JobState.FAILED, Moment.FAILED),
        (JobState.CANCELLED, Moment.CANCELLED),
    ],
)
def test_a_job_that_halts_or_ends_is_told_at_once(
    job: Job, rung: list[int], to: JobState, moment: Moment
) -> None:
    pager()
    with transaction.atomic():
        journal.move_job(journal.lock(job.pk), [JobState.RUNNING], to)
    call = Call.objects.get()
    assert (call.moment, call.state, rung) == (moment, "waiting", [call.pk])


def test_a_job_that_begins_wakes_nobody(squid: Game) -> None:
    pager()
    job = factories.job(squid, state=JobState.WAITING)
    with transaction.atomic():
        journal.move_job(journal.lock(job.pk), [JobState.WAITING], JobState.RUNNING)
    assert not Call.objects.exists()


def test_only_pagers_of_the_game_and_of_all_games_that_want_it_are_called(
    job: Job, squid: Game
) -> None:
    pager("all")
    pager("here", game=squid)
    pager("elsewhere", game=factories.game("paper"))
    pager("other", moments=[Moment.SUCCEEDED])
    halt(job)
    assert told_of(job) == {("all", "halted"), ("here", "halted")}


def test_a_move_that_is_taken_back_calls_nobody(job: Job, rung: list[int]) -> None:
    pager()
    with transaction.atomic():
        conductor.halt(journal.lock(job.pk), "x")
        transaction.set_rollback(True)
    assert not Call.objects.exists()
    assert not rung


def test_hosts_that_become_unknown_one_by_one_are_one_call(job: Job, rung: list[int]) -> None:
    pager()
    for _host in range(3):
        become_unknown(job)
    call = Call.objects.get()
    assert call.moment == Moment.UNKNOWN
    assert call.due_at > clock.now() + timedelta(seconds=5)
    assert not rung, "what the journal commits waits for no broker"


def test_a_host_that_is_unknown_later_is_not_told_before_five_minutes(job: Job) -> None:
    pager()
    become_unknown(job)
    told_at = timezone.now()
    Call.objects.update(state=Call.State.TOLD, ended_at=told_at)
    become_unknown(job)
    assert Call.objects.get(state="waiting").due_at == told_at + calls.AGAIN


def test_what_halts_again_before_it_was_told_is_told_once(job: Job) -> None:
    pager()
    halt(job)
    Job.objects.update(state=JobState.RUNNING)
    halt(job)
    assert Call.objects.count() == 1
    Call.objects.update(state=Call.State.TOLD)
    Job.objects.update(state=JobState.RUNNING)
    halt(job)
    assert Call.objects.count() == 2


def test_a_call_whose_bell_was_lost_is_rung_for_again(job: Job, rung: list[int]) -> None:
    pager()
    halt(job)
    rung.clear()
    reconciling.reconcile()
    assert rung == [Call.objects.get().pk]
    Call.objects.update(due_at=clock.now() + timedelta(minutes=1))
    rung.clear()
    reconciling.reconcile()
    assert not rung
