"""The conductor: what may start now, and what state follows for the job."""

from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from deploy_tasks import bells, conductor, orders
from deploy_tasks.models import Batch, Event, HostRun, Job
from deploy_tasks.states import Pause
from tests import factories

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def no_bells(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bells, "ring_host_runs", lambda pks: None)


def job(hosts: int, **rollout: Any) -> Job:
    made = factories.job(factories.game(), hosts=hosts, rollout=rollout)
    if canary := rollout.get("canary", 0):
        made.batches.update(canary=True)
        Batch.objects.create(job=made, n=2)
        HostRun.objects.filter(job=made, position__gte=canary).update(batch=2)
    return made


def conduct(job: Job, *ends: str) -> list[str]:
    """Conduct, after the queued host runs have ended like this; gives the states by position."""
    queued = job.host_runs.filter(state="queued").order_by("position")
    for run, end in zip(list(queued), ends, strict=False):
        HostRun.objects.filter(pk=run.pk).update(state=end, holds_host=end == "unknown")
    conductor.conduct(job.pk)
    job.refresh_from_db()
    return list(job.host_runs.order_by("position").values_list("state", flat=True))


def told(job: Job, kind: str) -> list[Any]:
    return [e.data for e in Event.objects.filter(job=job, kind=kind).order_by("seq")]


def test_no_more_start_than_may_run_at_a_time() -> None:
    made = job(4, parallel=2)
    assert conduct(made) == ["queued", "queued", "waiting", "waiting"]
    assert made.state == "running"
    assert conduct(made) == ["queued", "queued", "waiting", "waiting"]
    assert conduct(made, "succeeded") == ["succeeded", "queued", "queued", "waiting"]


def test_an_order_whose_bell_is_lost_is_looked_at_while_other_hosts_run() -> None:
    made = job(2, parallel=1)
    conduct(made)
    assert conductor.jobs_to_wake() == []
    for order in (orders.pause, orders.resume, orders.cancel):
        order(made, by=factories.user(order.__name__))
        assert conductor.jobs_to_wake() == [made.pk]
        conduct(made)
        assert conductor.jobs_to_wake() == [], "once"


def test_to_let_the_next_host_begin_takes_few_statements() -> None:
    """A large job is looked at ten times a second: this is most of what a conductor costs."""
    made = job(9, parallel=4)
    conduct(made)
    HostRun.objects.filter(position=0).update(state="succeeded", holds_host=False)
    with CaptureQueriesContext(connection) as asked:
        conductor.conduct(made.pk)
    assert made.host_runs.filter(state="queued").count() == 4
    # The job, its tally (2), who waits, who is moved, their events (2).
    own = [one["sql"] for one in asked if "SAVEPOINT" not in one["sql"]]
    assert len(own) == 7


def test_the_canary_goes_first_and_alone() -> None:
    made = job(3, canary=1)
    assert conduct(made) == ["queued", "waiting", "waiting"]
    assert conduct(made, "succeeded") == ["succeeded", "queued", "queued"]
    assert conduct(made, "succeeded", "succeeded") == ["succeeded"] * 3
    assert made.state == "succeeded"
    assert told(made, "batch") == [
        {"n": 1, "to": "running"},
        {"n": 1, "to": "succeeded"},
        {"n": 2, "to": "running"},
        {"n": 2, "to": "succeeded"},
    ]


def test_a_failed_canary_halts_the_job_and_frees_those_that_wait() -> None:
    made = job(3, canary=1)
    conduct(made)
    assert conduct(made, "failed") == ["failed", "waiting", "waiting"]
    assert (made.state, made.reason) == ("halted", "a canary host failed")
    assert not made.host_runs.filter(holds_host=True).exists()


def test_a_spent_budget_halts_the_job() -> None:
    made = job(6, parallel=2, max_failed=1)
    conduct(made)
    assert conduct(made, "failed", "failed")[2:] == ["waiting"] * 4
    assert made.state == "halted"


def test_an_unknown_host_alone_halts_the_job() -> None:
    made = job(2)
    conduct(made)
    conduct(made, "succeeded", "unknown")
    assert made.state == "halted"
    HostRun.objects.filter(state="unknown").update(state="failed", holds_host=False)
    conduct(made)
    assert made.state == "failed"


@pytest.mark.parametrize(
    ("ends", "state"),
    [
        (("succeeded", "succeeded"), "succeeded"),
        (("succeeded", "skipped"), "succeeded"),
        (("succeeded", "failed"), "failed"),
        (("succeeded", "rolled_back"), "failed"),
        (("succeeded", "cancelled"), "cancelled"),
        (("failed", "cancelled"), "failed"),
    ],
)
def test_the_end_follows_from_the_host_runs(ends: tuple[str, ...], state: str) -> None:
    made = job(2)
    conduct(made)
    conduct(made, *ends)
    assert made.state == state
    assert made.ended_at
    assert told(made, "job")[-1]["to"] == state


def test_an_ended_job_is_left_alone() -> None:
    made = job(1)
    conduct(made)
    conduct(made, "succeeded")
    events = Event.objects.count()
    conduct(made)
    assert Event.objects.count() == events


def test_a_job_waits_for_its_time() -> None:
    made = job(1)
    Job.objects.update(start_at="2999-01-01T00:00Z")
    assert conduct(made) == ["waiting"]
    assert made.state == "waiting"


def test_a_credential_that_hosts_refuse_halts_the_job() -> None:
    made = job(8, parallel=4)
    conduct(made)
    HostRun.objects.filter(position__lt=2).update(refused_credential="fleet")
    conduct(made, "failed", "failed", "succeeded")
    assert made.state == "running"
    HostRun.objects.filter(position=3).update(refused_credential="fleet")
    assert conduct(made, "failed")[7] == "waiting"
    assert (made.state, made.reason) == ("halted", "3 hosts refused credential fleet")


def gates(job: Job) -> dict[int, str]:
    return dict(job.batches.order_by("n").values_list("n", "gate"))


def test_a_manual_gate_pauses_the_job_until_it_is_promoted() -> None:
    made = job(3, canary=1, gate="manual")
    conduct(made)
    assert conduct(made, "succeeded") == ["succeeded", "waiting", "waiting"]
    assert made.state == "paused"
    assert made.reason == "batch 1 is done; the next one waits to be promoted"
    assert gates(made) == {1: "waiting", 2: "closed"}
    orders.promote(made, by=factories.user("otto"))
    assert conduct(made) == ["succeeded", "queued", "queued"]
    assert (made.state, made.reason) == ("running", "")
    assert [one["to"] for one in told(made, "batch")] == ["running", "gate", "succeeded", "running"]


def test_a_batch_soaks_and_the_job_goes_on_by_itself() -> None:
    made = job(3, canary=1, soak=60)
    conduct(made)
    assert conduct(made, "succeeded") == ["succeeded", "waiting", "waiting"]
    assert (made.state, gates(made)[1]) == ("running", "soaking")
    assert made.wake_at == made.batches.get(n=1).soak_until
    assert conductor.jobs_to_wake() == []
    soaked(made)
    assert conductor.jobs_to_wake() == [made.pk]
    assert conduct(made) == ["succeeded", "queued", "queued"]


def soaked(job: Job) -> None:
    """As if the time were over."""
    past = timezone.now() - timedelta(seconds=1)
    job.batches.filter(gate="soaking").update(soak_until=past)
    Job.objects.filter(pk=job.pk).update(wake_at=past)


def test_a_job_has_not_succeeded_before_its_last_batch_has_soaked() -> None:
    made = job(1, soak=60)
    conduct(made)
    conduct(made, "succeeded")
    assert made.state == "running"
    soaked(made)
    conduct(made)
    assert made.state == "succeeded"


def test_a_success_that_is_taken_back_while_the_canary_soaks_halts_the_job() -> None:
    made = job(3, canary=1, soak=60)
    conduct(made)
    conduct(made, "succeeded")
    made.host_runs.filter(position=0).update(state="failed")
    assert conduct(made) == ["failed", "waiting", "waiting"]
    assert (made.state, made.reason) == ("halted", "a canary host failed")
    assert made.wake_at is None


def test_a_retried_host_makes_its_batch_soak_again() -> None:
    made = job(3, canary=1, soak=60)
    conduct(made)
    conduct(made, "succeeded")
    made.host_runs.filter(position=0).update(state="failed", holds_host=False)
    conduct(made)
    orders.retry(made, by=factories.user("otto"))
    assert gates(made)[1] == "closed"
    assert conduct(made) == ["queued", "waiting", "waiting"]
    conduct(made, "succeeded")
    assert gates(made)[1] == "soaking"


def test_staggered_hosts_start_when_their_time_has_come() -> None:
    made = job(2, stagger=60)
    assert conduct(made) == ["queued", "waiting"]
    assert conduct(made, "succeeded") == ["succeeded", "waiting"]
    past = timezone.now() - timedelta(seconds=1)
    Job.objects.update(next_start_at=past, wake_at=past)
    assert conductor.jobs_to_wake() == [made.pk]
    assert conduct(made) == ["succeeded", "queued"]


def test_a_paused_job_goes_to_its_end_when_nothing_waits_any_more() -> None:
    made = job(1)
    conduct(made)
    orders.pause(made, by=factories.user("otto"))
    Job.objects.update(state="running")
    made.host_runs.update(state="succeeded", holds_host=False)
    conduct(made)
    assert (made.state, made.pause) == ("succeeded", "")


def test_hosts_that_stand_still_go_on_when_the_pause_is_over() -> None:
    made = job(2)
    conduct(made)
    otto = factories.user("otto")
    made.host_runs.update(state="running")
    orders.pause(made, by=otto, after=Pause.STEP)
    made.host_runs.update(state="paused")
    assert conduct(made) == ["paused", "paused"]
    assert (made.state, made.reason) == ("paused", "paused by otto")
    orders.resume(made, by=otto)
    assert conduct(made) == ["queued", "queued"]
    assert made.state == "running"


def test_a_host_that_hears_of_the_pause_too_late_does_not_stay_behind() -> None:
    made = job(1)
    conduct(made)
    made.host_runs.update(state="paused")
    assert conduct(made) == ["queued"]


def test_what_is_paused_goes_on_to_be_cancelled() -> None:
    made = job(1)
    conduct(made)
    otto = factories.user("otto")
    orders.pause(made, by=otto, after=Pause.STEP)
    made.host_runs.update(state="paused", fence=1)
    orders.cancel(made, by=otto)
    assert conduct(made) == ["queued"]
    assert made.host_runs.get().wish == "cancel_undo"
