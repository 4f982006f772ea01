"""Orders that hold a job and let it go on; each may be pressed twice."""

from typing import Any

import pytest
from django.contrib.auth.models import User

from deploy_tasks import bells, conductor, orders
from deploy_tasks.errors import InvalidInput, OrderRefused
from deploy_tasks.models import AuditEntry, Event, Job
from deploy_tasks.states import Pause
from tests import factories

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def no_bells(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bells, "ring_job", lambda pk: None)


def running(hosts: int = 3, **more: Any) -> Job:
    return factories.job(factories.game(), hosts=hosts, **({"state": "running"} | more))


def wishes(job: Job) -> list[str]:
    return list(job.host_runs.order_by("position").values_list("wish", flat=True))


def states(job: Job) -> list[str]:
    return list(job.host_runs.order_by("position").values_list("state", flat=True))


def told(job: Job) -> list[Any]:
    return [event.data for event in Event.objects.filter(job=job, kind="order").order_by("seq")]


def test_a_pause_is_told_and_audited_once(mira: User) -> None:
    job = running()
    for _ in range(2):
        orders.pause(job, by=mira)
    assert told(job) == [{"who": "mira", "what": "pause", "after": "host"}]
    entry = AuditEntry.objects.get()
    assert (entry.action, entry.details) == ("pause_job", {"after": "host"})


def test_what_nobody_has_claimed_yet_waits_again(mira: User) -> None:
    job = running()
    job.host_runs.filter(position=0).update(state="running", fence=1)
    job.host_runs.filter(position=1).update(state="queued")
    orders.pause(job, by=mira)
    assert states(job) == ["running", "waiting", "waiting"]
    assert wishes(job) == ["", "", ""]


def test_a_pause_after_the_batch_lets_it_start_its_hosts(mira: User) -> None:
    job = running()
    job.host_runs.update(state="queued")
    orders.pause(job, by=mira, after=Pause.BATCH)
    assert states(job) == ["queued"] * 3


def test_a_pause_between_steps_is_wished_of_those_that_run(mira: User) -> None:
    job = running()
    job.host_runs.filter(position=0).update(state="running", fence=1)
    job.host_runs.filter(position=1).update(state="running", fence=1, wish="cancel")
    orders.pause(job, by=mira, after=Pause.STEP)
    assert wishes(job) == ["pause", "cancel", ""]
    orders.resume(job, by=mira)
    assert wishes(job) == ["", "cancel", ""]


@pytest.mark.parametrize("state", ["running", "paused"])
@pytest.mark.parametrize("after", [Pause.HOST, Pause.BATCH])
def test_a_pause_that_shall_stop_less_takes_the_wish_back(
    mira: User, after: Pause, state: str
) -> None:
    """Also of one that has stopped by now: it would stop again, each time that it is woken."""
    job = running(1)
    job.host_runs.update(state="running", fence=1)
    orders.pause(job, by=mira, after=Pause.STEP)
    job.host_runs.update(state=state)
    orders.pause(job, by=mira, after=after)
    assert wishes(job) == [""]


@pytest.mark.parametrize("looked_at", [False, True])
def test_resumed_twice_is_resumed_once(mira: User, looked_at: bool) -> None:
    """Also where no worker has looked between the two."""
    job = running()
    orders.pause(job, by=mira)
    if looked_at:
        conductor.conduct(job.pk)
        job.refresh_from_db()
        assert (job.state, job.reason) == ("paused", "paused by mira")
    for _ in range(2):
        assert orders.resume(job, by=mira).pause == ""
    assert [one["what"] for one in told(job)] == ["pause", "resume"]


def test_resume_opens_no_gate(mira: User) -> None:
    job = running(state="paused", reason="batch 1 is done; the next one waits to be promoted")
    job.batches.update(gate="waiting")
    with pytest.raises(OrderRefused, match="nobody has paused the job: batch 1 is done"):
        orders.resume(job, by=mira)


@pytest.mark.parametrize("gate", ["soaking", "waiting"])
def test_promote_opens_the_gate_and_ends_a_pause(mira: User, gate: str) -> None:
    job = running(state="paused", pause="batch", paused_by="mira")
    soak = {"soak_until": "2999-01-01T00:00Z"} if gate == "soaking" else {}
    job.batches.update(gate=gate, **soak)
    job = orders.promote(job, by=mira)
    row = job.batches.get()
    assert (row.gate, row.soak_until, job.pause) == ("open", None, "")
    assert told(job) == [{"who": "mira", "what": "promote", "batch": 1}]


def test_promoted_twice_opens_no_other_gate(mira: User) -> None:
    job = running(state="paused")
    job.batches.update(gate="open")
    factories.batch(job, 2, gate="waiting")
    orders.promote(job, by=mira, batch=1)
    assert job.batches.get(n=2).gate == "waiting"
    assert told(job) == []


def test_promote_may_let_no_later_gate_wait_for_a_person(mira: User) -> None:
    job = running(state="paused")
    Job.objects.filter(pk=job.pk).update(rollout=job.rollout | {"gate": "manual", "soak": "5m"})
    job.batches.update(gate="waiting")
    factories.batch(job, 2, gate="closed")
    for _ in range(2):  # pressed twice it is given once
        job = orders.promote(job, by=mira, batch=1, rest=True)
    assert [batch.gate for batch in job.batches.order_by("n")] == ["open", "closed"]
    assert (job.rollout["gate"], job.rollout["soak"]) == ("auto", 300)
    assert [one["what"] for one in told(job)] == ["change", "promote"]


def test_what_cannot_be_promoted_changes_no_terms(mira: User) -> None:
    job = running()
    Job.objects.filter(pk=job.pk).update(rollout=job.rollout | {"gate": "manual"})
    with pytest.raises(OrderRefused):
        orders.promote(job, by=mira, rest=True)
    job.refresh_from_db()
    assert job.rollout["gate"] == "manual"


@pytest.mark.parametrize(
    ("more", "reason"),
    [
        ({}, "there is no gate to open"),
        ({"state": "halted", "reason": "a canary host failed"}, "the job is halted: a canary"),
        ({"state": "succeeded"}, "the job is over"),
        ({"cancelled": True}, "the job is being cancelled"),
    ],
)
def test_what_cannot_be_promoted_is_refused(mira: User, more: Any, reason: str) -> None:
    job = running(**more)
    with pytest.raises(OrderRefused, match=reason):
        orders.promote(job, by=mira)
    assert not AuditEntry.objects.exists()


def test_a_batch_that_is_not_there_is_not_promoted(mira: User) -> None:
    with pytest.raises(InvalidInput) as refusal:
        orders.promote(running(), by=mira, batch=7)
    assert refusal.value.field == "batch"


@pytest.mark.parametrize("state", ["halted", "succeeded", "cancelled"])
def test_what_does_not_go_on_cannot_be_paused(mira: User, state: str) -> None:
    with pytest.raises(OrderRefused):
        orders.pause(running(state=state), by=mira)
