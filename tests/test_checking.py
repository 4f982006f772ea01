"""The check of a job's hosts before its first batch."""

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from deploy_tasks import bells, checking, conductor, orders
from deploy_tasks.errors import OrderRefused
from deploy_tasks.models import Call, Event, Game, HostCheck, HostRun, Job, Pager
from deploy_tasks.orders import JobOrder
from deploy_tasks.states import Gate, HostRunState
from tests import factories

pytestmark = pytest.mark.django_db

OK = {"part": "shell", "result": "ok", "says": "sh"}
FULL = {"part": "disk", "result": "problem", "says": "1 MB free"}


@pytest.fixture(autouse=True)
def silent(monkeypatch: pytest.MonkeyPatch) -> None:
    for bell in ("ring_looks", "ring_host_runs", "ring_job", "ring_calls"):
        monkeypatch.setattr(bells, bell, lambda ids: None)


@pytest.fixture
def squid() -> Game:
    game = factories.game("squid")
    factories.release(game, "2.0")
    for name in ("eu-1", "eu-2", "eu-3"):
        factories.host(game, name)
    return game


@pytest.fixture
def job(squid: Game) -> Job:
    order = {"game": "squid", "version": "2.0", "all": True, "rollout": {"preflight": True}}
    return orders.start_job(JobOrder.model_validate(order), by=factories.user("mira"))[0]


def conduct(job: Job) -> list[str]:
    conductor.conduct(job.pk)
    job.refresh_from_db()
    return list(job.host_runs.order_by("position").values_list("state", flat=True))


def looked(**items: Any) -> None:
    """All looks have ended; ``eu_1=FULL`` gives a host's finding."""
    for check in HostCheck.objects.select_related("host"):
        found = items.get(check.host.name.replace("-", "_"))
        check.items, check.ended_at = [OK, *([found] if found else [])], timezone.now()
        check.save()


def gate(job: Job) -> str:
    return job.batches.get(n=checking.FIRST).gate


def test_no_host_starts_before_workers_have_looked_at_all(job: Job) -> None:
    assert conduct(job) == ["waiting"] * 3
    assert (job.state, gate(job)) == ("running", Gate.SOAKING)
    assert HostCheck.objects.filter(ended_at=None).count() == 3
    assert job.wake_at
    assert conduct(job) == ["waiting"] * 3


def test_where_all_are_fit_the_job_goes_on_by_itself(job: Job) -> None:
    conduct(job)
    looked()
    assert conduct(job) == ["queued"] * 3
    assert gate(job) == Gate.OPEN


def test_a_host_that_is_not_fit_holds_the_job_and_calls_a_person(job: Job) -> None:
    Pager.objects.create(name="ops", kind="webhook", moments=["waits"], sealed=b"")
    conduct(job)
    looked(eu_2=FULL)
    assert conduct(job) == ["waiting"] * 3
    assert (job.state, job.reason) == ("paused", "1 of 3 hosts is not fit: eu-2")
    note = Event.objects.get(kind="note")
    assert note.data == {"text": "not fit: 1 MB free"}
    assert note.host_run == job.host_runs.get(name="eu-2")
    assert Call.objects.get().moment == "waits"
    conduct(job)
    assert Event.objects.filter(kind="note").count() == 1


def test_a_host_that_is_left_out_holds_nothing(job: Job) -> None:
    conduct(job)
    looked(eu_2=FULL)
    conduct(job)
    HostRun.objects.filter(name="eu-2").update(state=HostRunState.SKIPPED, holds_host=False)
    assert conduct(job) == ["queued", "skipped", "queued"]


def test_a_host_that_was_mended_and_looked_at_again_holds_nothing(job: Job) -> None:
    conduct(job)
    looked(eu_2=FULL)
    conduct(job)
    orders.check(job, by=factories.user("olga"))
    conduct(job)
    assert (job.state, gate(job)) == ("running", Gate.SOAKING)
    assert HostCheck.objects.filter(ended_at=None).count() == 3
    looked()
    assert conduct(job) == ["queued"] * 3


def test_a_person_may_begin_all_the_same(job: Job) -> None:
    conduct(job)
    looked(eu_1=FULL)
    conduct(job)
    orders.promote(job, by=factories.user("olga"))
    assert conduct(job) == ["queued"] * 3
    assert job.state == "running"


def test_workers_that_never_look_hold_the_job_with_a_reason(job: Job) -> None:
    conduct(job)
    past = timezone.now() - timedelta(seconds=1)
    job.batches.filter(n=checking.FIRST).update(soak_until=past)
    conduct(job)
    assert job.reason == "3 of 3 hosts are not fit: eu-1, eu-2, eu-3"
    assert {event.data["text"] for event in Event.objects.filter(kind="note")} == {
        "not fit: no worker has looked at it"
    }


def test_nothing_is_checked_before_the_jobs_own_time(job: Job) -> None:
    Job.objects.update(start_at=timezone.now() + timedelta(hours=1))
    assert conduct(job) == ["waiting"] * 3
    assert gate(job) == Gate.CLOSED


def test_without_it_nobody_is_looked_at(squid: Game) -> None:
    order = JobOrder(game="squid", version="2.0", all=True)
    job = orders.start_job(order, by=factories.user("mira"))[0]
    assert conduct(job) == ["queued"] * 3
    assert not HostCheck.objects.exists()
    with pytest.raises(OrderRefused, match="no check of the hosts to repeat"):
        orders.check(job, by=factories.user("olga"))


def test_a_check_is_safe_to_press_twice(job: Job) -> None:
    conduct(job)
    for _press in range(2):
        orders.check(job, by=factories.user(f"u{_press}"))
    assert gate(job) == Gate.SOAKING
    assert Event.objects.filter(kind="order").count() == 1
