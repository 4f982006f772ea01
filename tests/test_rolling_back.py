"""A job is taken back by a job of its own: once, in order, or refused with the reason."""

from typing import Any

import pytest
from django.contrib.auth.models import User

from deploy_tasks import bells, conductor, orders
from deploy_tasks.errors import HostsBusy, OrderRefused
from deploy_tasks.models import Attempt, AuditEntry, Event, Host, HostRun, Job
from tests import factories

pytestmark = pytest.mark.django_db

RECIPE = """\
recipe: steps
current: cat version
steps:
  - {name: look, run: ls}
  - {name: stop, disruptive: true, run: ./stop, undo: ./start}
  - {name: switch, run: ./switch, undo: './switch "$previous"'}
  - {name: check, run: ./check}
"""


@pytest.fixture(autouse=True)
def no_bells(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bells, "ring_job", lambda pk: None)
    monkeypatch.setattr(bells, "ring_host_runs", lambda pks: None)


def updated(hosts: int = 3, *, text: str = RECIPE, state: str = "succeeded", **rollout: Any) -> Job:
    job = factories.job(factories.game(text=text), hosts=hosts, state=state, rollout=rollout)
    for run in job.host_runs.all():
        did(run, 0, 1, 2, 3)
    job.host_runs.update(state="succeeded", holds_host=False, fence=1, previous="1.0")
    return job


def did(run: HostRun, *steps: int, kind: str = "do", state: str = "succeeded") -> None:
    for step in steps:
        Attempt.objects.create(
            host_run=run,
            uid=f"{run.pk}.{kind}.{step}",
            step=step,
            name=f"s{step}",
            kind=kind,
            number=1,
            script_sha256="0" * 64,
            state=state,
        )


def test_the_hosts_that_were_updated_go_back_in_the_same_careful_way(mira: User) -> None:
    job = updated(canary=1)
    job.host_runs.filter(position=2).update(state="skipped")
    Attempt.objects.filter(host_run__position=2).delete()
    back, created = orders.rollback(job, by=mira)
    assert (created, back.rolls_back, back.rollout) == (True, job, {"canary": 1})
    runs = list(back.host_runs.order_by("position"))
    first, second = job.host_runs.order_by("position")[:2]
    assert [(run.name, run.batch, run.previous) for run in runs] == [
        (first.name, 1, "1.0"),
        (second.name, 2, "1.0"),
    ]
    assert [run.undoes for run in runs] == [first, second]
    assert list(back.batches.order_by("n").values_list("n", "canary")) == [(1, True), (2, False)]


def test_it_is_told_in_both_stories_and_in_the_audit(mira: User) -> None:
    job = updated(1)
    back, _ = orders.rollback(job, by=mira)
    (said,) = [event.data for event in Event.objects.filter(job=job, kind="order")]
    assert said == {"who": "mira", "what": "rollback", "hosts": 1, "by_job": back.pk}
    (said,) = [event.data for event in Event.objects.filter(job=back, kind="order")]
    assert said == {"who": "mira", "what": "start", "hosts": 1, "rolls_back": job.pk}
    actions = AuditEntry.objects.order_by("pk").values_list("action", flat=True)
    assert list(actions) == ["rollback_job", "start_job"]


def test_taken_back_twice_is_taken_back_once(mira: User) -> None:
    job = updated(1)
    first, _ = orders.rollback(job, by=mira)
    assert orders.rollback(job, by=mira) == (first, False)


def test_a_halted_job_is_ended_by_it(mira: User) -> None:
    job = updated(state="halted")
    job.host_runs.filter(position=2).update(state="waiting")
    orders.rollback(job, by=mira)
    conductor.conduct(job.pk)
    job.refresh_from_db()
    assert (job.state, job.host_runs.get(position=2).state) == ("cancelled", "cancelled")
    assert job.host_runs.get(position=2).ended_at


def test_a_host_that_failed_half_way_goes_back_too(mira: User) -> None:
    job = updated(2, state="failed")
    broken = job.host_runs.get(position=1)
    broken.attempts.filter(step__gt=1).delete()
    HostRun.objects.filter(pk=broken.pk).update(state="failed", down=True)
    back, _ = orders.rollback(job, by=mira)
    assert back.host_runs.count() == 2


def test_a_host_that_was_to_be_tried_again_goes_back_too(mira: User) -> None:
    """First, for it is down and keeps the place that the others wait for."""
    job = updated(2, state="halted", batches=[1, 1], max_down={"region": 1})
    Host.objects.update(labels={"region": "eu"})
    job.host_runs.filter(position=1).update(state="waiting", out=True)
    back, _ = orders.rollback(job, by=mira)
    runs = back.host_runs.order_by("position")
    assert [run.undoes.position for run in runs if run.undoes] == [1, 0]
    left = job.host_runs.get(position=1)
    assert (left.state, left.down) == ("cancelled", True)


def test_hosts_that_are_down_come_first_where_few_may_be_down(mira: User) -> None:
    """They keep the places that everybody before them would wait for."""
    job = updated(4, state="failed", canary=1, batches=[1, 1, 1], max_down={"region": 1})
    Host.objects.update(labels={"region": "eu"})
    job.host_runs.filter(position__in=[1, 3]).update(state="failed", down=True)
    back, _ = orders.rollback(job, by=mira)
    runs = back.host_runs.order_by("position")
    assert [(run.undoes.position, run.batch) for run in runs if run.undoes] == [
        (1, 1),
        (3, 1),
        (0, 1),
        (2, 2),
    ]


def test_what_was_undone_already_is_left_alone(mira: User) -> None:
    job = updated(2, state="failed")
    did(job.host_runs.get(position=1), 1, 2, kind="undo")
    back, _ = orders.rollback(job, by=mira)
    assert [run.name for run in back.host_runs.all()] == [job.host_runs.get(position=0).name]


@pytest.mark.parametrize("given", [{"from_step": "switch"}, {"back": {"any": "switch"}}])
def test_a_retry_of_it_begins_at_no_step_of_anybodys_choice(
    mira: User, given: dict[str, Any]
) -> None:
    back, _ = orders.rollback(updated(1), by=mira)
    back.host_runs.update(state="failed", holds_host=False, fence=1)
    with pytest.raises(OrderRefused, match="it cannot begin at a step"):
        orders.retry(back, by=mira, **given)
    assert orders.retry(back, by=mira).host_runs.get().state == "waiting"


def refused(job: Job, by: User) -> str:
    with pytest.raises(OrderRefused) as refusal:
        orders.rollback(job, by=by)
    assert not Job.objects.filter(rolls_back=job).exists()
    return str(refusal.value)


@pytest.mark.parametrize(
    ("old", "new", "step"),
    [
        (", undo: ./start", "", "stop"),
        ("name: check, run", "name: migrate, repeat: never, run", "migrate"),
    ],
)
def test_a_step_that_cannot_be_undone_refuses_it(mira: User, old: str, new: str, step: str) -> None:
    reason = refused(updated(1, text=RECIPE.replace(old, new)), mira)
    assert reason.endswith(f"step “{step}” cannot be undone: the recipe does not say how")


def test_a_first_install_has_nothing_to_go_back_to(mira: User) -> None:
    job = updated(1)
    job.host_runs.update(previous="")
    assert "no version was on the host before" in refused(job, mira)


@pytest.mark.parametrize("state", ["waiting", "running", "paused"])
def test_a_job_that_still_runs_is_cancelled_first(mira: User, state: str) -> None:
    assert refused(updated(1, state=state), mira) == "the job is not over: cancel it first"


def test_a_host_that_has_not_ended_is_waited_for(mira: User) -> None:
    job = updated(2, state="halted")
    job.host_runs.filter(position=1).update(state="unknown")
    assert "has not ended yet" in refused(job, mira)


def test_a_host_that_has_moved_on_is_not_taken_back_behind_its_back(mira: User) -> None:
    job = updated(1)
    run = job.host_runs.get()
    later = factories.job(job.game, state="succeeded")
    newer = HostRun.objects.create(
        job=later, host=run.host, name=run.name, state="succeeded", holds_host=False
    )
    did(newer, 0)
    assert refused(job, mira) == f"{run.name} has moved on with job #{later.pk}"


def test_a_busy_host_refuses_all_of_it(mira: User) -> None:
    job = updated(2)
    run = job.host_runs.get(position=0)
    HostRun.objects.create(job=factories.job(job.game), host=run.host, name=run.name)
    with pytest.raises(HostsBusy):
        orders.rollback(job, by=mira)


def test_a_rollback_is_not_rolled_back(mira: User) -> None:
    back, _ = orders.rollback(updated(1), by=mira)
    assert "start the update again" in refused(back, mira)


def test_where_nothing_stands_nothing_is_taken_back(mira: User) -> None:
    job = updated(1)
    Attempt.objects.all().delete()
    assert refused(job, mira) == "nothing stands on any host that could be taken back"
