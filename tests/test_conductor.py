"""The conductor: what may start now, and what state follows for the job."""

from typing import Any

import pytest

from deploy_tasks import bells, conductor
from deploy_tasks.models import Event, HostRun, Job
from tests import factories

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def no_bells(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bells, "ring_host_runs", lambda pks: None)


def job(hosts: int, **rollout: Any) -> Job:
    made = factories.job(factories.game(), hosts=hosts, rollout=rollout)
    canary = rollout.get("canary", 0)
    HostRun.objects.filter(job=made, position__gte=canary).update(batch=2 if canary else 1)
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
