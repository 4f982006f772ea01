"""Stage now, switch later: what the rows of a job do whose hosts stage ahead."""

from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.utils import timezone

from deploy_tasks import bells, conductor, orders
from deploy_tasks.errors import HostsBusy, InvalidInput, OrderRefused
from deploy_tasks.models import Call, Event, HostRun, Job, Pager
from deploy_tasks.orders import JobOrder
from deploy_tasks.states import Pause
from deploy_tasks.wishes import Wish
from tests import factories

pytestmark = pytest.mark.django_db

NEVER_DOWN = """\
recipe: calm
steps:
  - {name: hello, run: echo hello}
"""


@pytest.fixture(autouse=True)
def no_bells(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bells, "ring_job", lambda pk: None)
    monkeypatch.setattr(bells, "ring_host_runs", lambda pks: None)


def job(hosts: int = 4, **more: Any) -> Job:
    """Its first host is the canary; two may stage, and two be down, at a time."""
    terms = {"stage": "ahead", "stage_parallel": 2, "parallel": 2} | more.pop("rollout", {})
    made = factories.job(factories.game(), hosts=hosts, rollout=terms, **more)
    made.batches.update(canary=True)
    factories.batch(made, 2)
    made.host_runs.filter(position__gte=1).update(batch=2)
    return made


def conduct(job: Job) -> list[str]:
    conductor.conduct(job.pk)
    job.refresh_from_db()
    return states(job)


def states(job: Job) -> list[str]:
    return list(job.host_runs.order_by("position").values_list("state", flat=True))


def stage(job: Job, *ends: str) -> list[str]:
    """Those that stage come so far as a worker would bring them."""
    queued = job.host_runs.filter(state="queued", out=False).order_by("position")
    for run, end in zip(list(queued), ends, strict=False):
        holds = end in ("staged", "unknown")
        changes = {"fence": 1, "held": end == "staged", "holds_host": holds}
        HostRun.objects.filter(pk=run.pk).update(state=end, **changes)
    return conduct(job)


def end(job: Job, *ends: str) -> list[str]:
    """Those that went down end."""
    down = job.host_runs.filter(state="queued", out=True).order_by("position")
    for run, end in zip(list(down), ends, strict=False):
        HostRun.objects.filter(pk=run.pk).update(state=end, out=False, holds_host=False)
    return conduct(job)


def staged(hosts: int = 4, **more: Any) -> Job:
    made = job(hosts, **more)
    conduct(made)
    while made.host_runs.filter(state="queued").exists():
        stage(made, "staged", "staged")
    return made


def told(job: Job, kind: str) -> list[Any]:
    return [e.data for e in Event.objects.filter(job=job, kind=kind).order_by("seq")]


def test_all_hosts_stage_and_wait_for_the_switch() -> None:
    made = job(start_at=timezone.now() + timedelta(hours=5))
    assert conduct(made) == ["queued", "queued", "waiting", "waiting"]
    assert (made.state, made.wake_at) == ("running", made.start_at)
    assert stage(made, "staged") == ["staged", "queued", "queued", "waiting"]
    assert stage(made, "staged", "staged") == ["staged", "staged", "staged", "queued"]
    assert made.state == "running"
    assert stage(made, "staged") == ["staged"] * 4
    assert (made.state, made.reason) == ("paused", "staged; the switch has not begun")
    assert told(made, "batch") == []
    assert made.wake_at == made.start_at, "they go down when the time has come"


def test_people_are_called_once_where_the_switch_waits_for_them() -> None:
    made = job(2)
    Pager.objects.create(name="night", moments=["waits"])
    conduct(made)
    assert stage(made, "staged", "staged") == ["staged", "staged"]
    conduct(made)
    assert [call.moment for call in Call.objects.all()] == ["waits"]


def test_hosts_are_looked_at_before_they_stage(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bells, "ring_looks", lambda pks: None)
    later = timezone.now() + timedelta(hours=5)
    made = job(2, rollout={"preflight": True}, start_at=later)
    factories.batch(made, 0)
    assert conduct(made) == ["waiting", "waiting"]
    assert made.batches.get(n=0).gate == "soaking", "workers look at them now, not at the switch"
    made.batches.filter(n=0).update(gate="open", soak_until=None)
    assert conduct(made) == ["queued", "queued"]


def test_a_staged_host_keeps_its_lock(mira: User) -> None:
    made = staged()
    assert made.host_runs.filter(holds_host=True).count() == 4
    order = {"game": made.game.name, "version": made.release.version, "all": True}
    with pytest.raises(HostsBusy):
        orders.start_job(JobOrder.model_validate(order), by=mira)


def test_the_switch_goes_by_canary_and_batches(mira: User) -> None:
    made = staged()
    orders.switch(made, by=mira)
    assert conduct(made) == ["queued", "staged", "staged", "staged"]
    assert (made.state, made.reason) == ("running", "")
    assert list(made.host_runs.filter(out=True, held=False).values_list("position", flat=True)) == [
        0
    ]
    assert end(made, "succeeded") == ["succeeded", "queued", "queued", "staged"]
    assert end(made, "succeeded", "succeeded") == ["succeeded"] * 3 + ["queued"]
    assert end(made, "succeeded") == ["succeeded"] * 4
    assert made.state == "succeeded"
    assert [(one["n"], one["to"]) for one in told(made, "batch")] == [
        (1, "running"),
        (1, "succeeded"),
        (2, "running"),
        (2, "succeeded"),
    ]


def test_the_time_of_the_switch_opens_it() -> None:
    made = staged(start_at=timezone.now() + timedelta(hours=5))
    Job.objects.update(start_at=timezone.now() - timedelta(seconds=1))
    assert conduct(made) == ["queued", "staged", "staged", "staged"]


def test_one_that_is_late_stages_in_its_batch_while_others_go_down(mira: User) -> None:
    made = job(5)
    conduct(made)
    assert stage(made, "staged", "staged") == ["staged", "staged", "queued", "queued", "waiting"]
    orders.switch(made, by=mira)
    assert conduct(made) == ["queued", "staged", "queued", "queued", "waiting"]
    assert end(made, "succeeded") == ["succeeded", "queued", "queued", "queued", "waiting"]
    assert made.host_runs.filter(out=True).count() == 1, "only one of those is down"
    assert stage(made, "staged") == ["succeeded", "queued", "queued", "queued", "queued"]


def test_a_failure_while_staging_is_told_early_and_repaired(mira: User) -> None:
    made = job()
    conduct(made)
    assert stage(made, "failed", "staged") == ["failed", "staged", "waiting", "waiting"]
    assert (made.state, made.reason) == ("halted", "a canary host failed")
    assert made.host_runs.filter(holds_host=True).count() == 1, "what is staged is kept"
    orders.retry(made, by=mira)
    assert conduct(made) == ["queued", "staged", "queued", "waiting"]
    assert made.state == "running"


def test_a_host_that_is_down_and_tried_again_waits_for_its_batch_alone(mira: User) -> None:
    made = staged(2, rollout={"max_failed": 5})
    orders.switch(made, by=mira)
    conduct(made)
    down = made.host_runs.filter(position=0)
    down.update(state="failed", down=True, out=False, holds_host=False)
    assert conduct(made) == ["failed", "staged"]
    orders.retry(made, by=mira)
    assert made.host_runs.filter(state="waiting", out=True).exists()
    assert conduct(made) == ["queued", "staged"]
    assert made.host_runs.filter(state="queued", out=True, held=False).exists()


def test_staggered_hosts_go_down_one_by_one(mira: User) -> None:
    made = staged(4, rollout={"stagger": 60})
    orders.switch(made, by=mira)
    conduct(made)
    assert end(made, "succeeded") == ["succeeded", "staged", "staged", "staged"]
    Job.objects.update(next_start_at=timezone.now() - timedelta(seconds=1))
    assert conduct(made) == ["succeeded", "queued", "staged", "staged"]


def test_limits_hold_for_staged_hosts_too(mira: User) -> None:
    made = staged(4, rollout={"max_down": {"region": 1}})
    for run in made.host_runs.all():
        run.host.labels = {"region": "eu"}
        run.host.save()
    orders.switch(made, by=mira)
    conduct(made)
    assert end(made, "succeeded") == ["succeeded", "queued", "staged", "staged"]
    waits = made.host_runs.get(position=2)
    assert waits.reason == "waits: at most 1 of region=eu may be down at a time"
    assert made.wake_at, "other jobs' hosts come up meanwhile"


def test_the_switch_is_ordered_once_and_can_be_moved_before(mira: User) -> None:
    made = staged(start_at=timezone.now() + timedelta(hours=1))
    later = timezone.now() + timedelta(hours=2)
    for _ in range(2):
        made = orders.switch(made, by=mira, at=later)
    assert made.start_at == later
    for _ in range(2):
        orders.switch(made, by=mira)
    orders_told = told(made, "order")
    assert [(one["what"], one["who"]) for one in orders_told] == [("switch", "mira")] * 2
    with pytest.raises(OrderRefused, match="the switch has begun"):
        orders.switch(made, by=mira, at=later)


def test_what_stages_nothing_has_no_switch(mira: User) -> None:
    plain = factories.job(factories.game("chess"), hosts=1)
    with pytest.raises(OrderRefused, match="stages nothing ahead"):
        orders.switch(plain, by=mira)
    halted = job(state="halted", reason="a canary host failed")
    with pytest.raises(OrderRefused, match="halted: a canary"):
        orders.switch(halted, by=mira)


def test_a_pause_keeps_hosts_from_staging_and_from_going_down(mira: User) -> None:
    made = job()
    orders.pause(made, by=mira, after=Pause.HOST)
    assert conduct(made) == ["waiting"] * 4
    orders.resume(made, by=mira)
    for _ in range(3):
        stage(made, "staged", "staged")
    orders.pause(made, by=mira, after=Pause.STEP)
    orders.switch(made, by=mira)
    assert conduct(made) == ["staged"] * 4
    orders.resume(made, by=mira)
    assert conduct(made) == ["queued", "staged", "staged", "staged"]


@pytest.mark.parametrize("pause", [None, Pause.STEP])
def test_a_staged_host_is_left_out_by_a_worker(mira: User, pause: Pause | None) -> None:
    made = staged()
    if pause:
        orders.pause(made, by=mira, after=pause)
    name = made.host_runs.get(position=1).name
    for _ in range(2):
        orders.skip(made, by=mira, hosts=[name])
    assert conduct(made) == ["staged", "queued", "staged", "staged"]
    left = made.host_runs.get(position=1)
    assert (left.wish, left.out) == (Wish.LEAVE_OUT, False)
    assert [one["what"] for one in told(made, "order")].count("skip") == 1


def test_one_that_has_gone_down_is_not_left_out(mira: User) -> None:
    made = staged()
    orders.switch(made, by=mira)
    conduct(made)
    with pytest.raises(OrderRefused, match="has begun already"):
        orders.skip(made, by=mira, hosts=[made.host_runs.get(position=0).name])
    orders.skip(made, by=mira, rest=True)
    assert conduct(made) == ["queued"] * 4
    assert made.host_runs.filter(wish=Wish.LEAVE_OUT).count() == 3


def test_a_cancel_lets_workers_end_what_is_staged(mira: User) -> None:
    made = staged()
    orders.cancel(made, by=mira)
    assert conduct(made) == ["queued"] * 4
    assert made.host_runs.filter(wish=Wish.CANCEL_AND_UNDO, out=False).count() == 4


def test_a_recipe_that_takes_nobody_down_has_nothing_to_stage_ahead_of(mira: User) -> None:
    calm = factories.game("calm", text=NEVER_DOWN)
    factories.release(calm)
    factories.host(calm)
    order = {"game": "calm", "version": "2.0", "all": True, "rollout": {"stage": "ahead"}}
    with pytest.raises(InvalidInput) as refusal:
        orders.plan_job(JobOrder.model_validate(order), by=mira)
    assert refusal.value.field == "rollout.stage"
