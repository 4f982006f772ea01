"""Orders that change a job's course: hosts are left out, terms are changed."""

from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.utils import timezone

from deploy_tasks import bells, conductor, orders
from deploy_tasks.errors import HostsBusy, InvalidInput, OrderRefused
from deploy_tasks.models import Attempt, AuditEntry, Event, HostRun, Job
from deploy_tasks.times import iso
from tests import factories

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def no_bells(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bells, "ring_job", lambda pk: None)
    monkeypatch.setattr(bells, "ring_host_runs", lambda pks: None)


def running(hosts: int = 3, **more: Any) -> Job:
    return factories.job(factories.game(), hosts=hosts, **({"state": "running"} | more))


def states(job: Job) -> list[str]:
    return list(job.host_runs.order_by("position").values_list("state", flat=True))


def names(job: Job) -> list[str]:
    return list(job.host_runs.order_by("position").values_list("name", flat=True))


def told(job: Job) -> list[Any]:
    return [event.data for event in Event.objects.filter(job=job, kind="order").order_by("seq")]


def test_a_named_host_is_left_out_and_free_again(mira: User) -> None:
    job = running()
    orders.skip(job, by=mira, hosts=[names(job)[1]], note="its disk is full")
    assert states(job) == ["waiting", "skipped", "waiting"]
    left = job.host_runs.get(position=1)
    assert (left.holds_host, left.reason) == (False, "left out by mira")
    assert told(job) == [{"who": "mira", "what": "skip", "hosts": 1, "note": "its disk is full"}]
    assert AuditEntry.objects.get().action == "skip_job"


def test_left_out_twice_is_left_out_once(mira: User) -> None:
    job = running()
    for _ in range(2):
        orders.skip(job, by=mira, hosts=[names(job)[0]])
    assert len(told(job)) == 1


def test_the_rest_is_left_out_and_what_runs_goes_on(mira: User) -> None:
    job = running()
    job.host_runs.filter(position=0).update(state="running", fence=1)
    job.host_runs.filter(position=1).update(state="queued")
    orders.skip(job, by=mira, rest=True)
    assert states(job) == ["running", "skipped", "skipped"]


def test_a_job_whose_rest_is_left_out_ends(mira: User) -> None:
    job = running(state="halted")
    job.host_runs.filter(position=0).update(state="failed", holds_host=False, fence=1)
    orders.skip(job, by=mira, rest=True)
    conductor.conduct(job.pk)
    job.refresh_from_db()
    assert job.state == "failed"


def test_a_host_that_has_begun_is_not_left_out(mira: User) -> None:
    job = running()
    job.host_runs.filter(position=0).update(state="waiting", fence=2)  # it waits for its retry
    with pytest.raises(OrderRefused, match="has begun already"):
        orders.skip(job, by=mira, hosts=[names(job)[0]])


@pytest.mark.parametrize(
    ("given", "field"),
    [({"hosts": ["nowhere"]}, "hosts[0]"), ({}, "hosts"), ({"hosts": [], "rest": True}, "hosts")],
)
def test_what_cannot_be_left_out_is_refused(mira: User, given: Any, field: str) -> None:
    with pytest.raises(InvalidInput) as refusal:
        orders.skip(running(), by=mira, **given)
    assert refusal.value.field == field


def test_a_job_goes_on_with_another_width(mira: User) -> None:
    job = running(rollout={"parallel": 1})
    conductor.conduct(job.pk)
    assert states(job) == ["queued", "waiting", "waiting"]
    orders.change(job, by=mira, parallel=2)
    conductor.conduct(job.pk)
    assert states(job) == ["queued", "queued", "waiting"]
    assert told(job) == [{"who": "mira", "what": "change", "terms": {"parallel": 2}}]


def test_another_soak_holds_for_the_batch_that_soaks_too(mira: User) -> None:
    """Who wants to watch for an hour more relies on it."""
    job = running(rollout={"soak": 60})
    began = timezone.now()
    job.batches.update(gate="soaking", soak_until=began + timedelta(seconds=60))
    orders.change(job, by=mira, soak="1h")
    row = job.batches.get()
    assert (row.gate, row.soak_until) == ("soaking", began + timedelta(hours=1))
    (event,) = Event.objects.filter(job=job, kind="batch")
    assert (event.data["to"], event.data["until"]) == ("soaking", iso(row.soak_until))


def test_changed_twice_is_changed_once(mira: User) -> None:
    job = running()
    for _ in range(2):
        orders.change(job, by=mira, soak="5m", gate="manual")
    job.refresh_from_db()
    assert (job.rollout["soak"], job.rollout["gate"]) == (300, "manual")
    assert len(told(job)) == 1


def test_a_larger_budget_ends_the_halt_that_it_made(mira: User) -> None:
    job = running(rollout={"parallel": 1, "max_failed": 0})
    conductor.conduct(job.pk)
    job.host_runs.filter(position=0).update(state="failed", holds_host=False, fence=1)
    conductor.conduct(job.pk)
    job.refresh_from_db()
    assert job.state == "halted"
    assert orders.change(job, by=mira, max_failed=1).state == "running"
    conductor.conduct(job.pk)
    assert states(job) == ["failed", "queued", "waiting"]


def test_a_halted_job_whose_hosts_are_taken_stays_halted(mira: User) -> None:
    job = running(state="halted", rollout={"max_failed": 0})
    job.host_runs.update(holds_host=False)
    run = job.host_runs.first()
    assert run
    other = factories.job(job.game)
    HostRun.objects.create(job=other, host=run.host, name=run.name)
    with pytest.raises(HostsBusy):
        orders.change(job, by=mira, max_failed=5)
    job.refresh_from_db()
    assert (job.state, job.rollout) == ("halted", {"max_failed": 0})


@pytest.mark.parametrize("goes_on_by", ["change", "retry"])
def test_a_halted_job_that_goes_on_leaves_hosts_to_newer_jobs(mira: User, goes_on_by: str) -> None:
    """They were free meanwhile; an old job must not take a host back by accident."""
    job = running(state="halted", rollout={"max_failed": 0})
    broken(job, 0)
    job.host_runs.update(holds_host=False)
    hotfix = factories.job(job.game, state="succeeded")
    host = job.host_runs.get(position=2).host
    later = HostRun.objects.create(job=hotfix, host=host, state="succeeded", holds_host=False)
    Attempt.objects.create(host_run=later, uid="p.1", step=0, name="stop", number=1)
    if goes_on_by == "change":
        orders.change(job, by=mira, max_failed=5)
    else:
        orders.retry(job, by=mira)
    assert states(job)[1:] == ["waiting", "skipped"]
    left = job.host_runs.get(position=2)
    assert (left.holds_host, left.reason) == (False, f"has moved on with job #{hotfix.pk}")


@pytest.mark.parametrize(
    ("terms", "field"), [({"parallel": 0}, "parallel"), ({"max_failed": "many"}, "max_failed")]
)
def test_terms_that_cannot_be_are_refused_with_their_field(
    mira: User, terms: Any, field: str
) -> None:
    with pytest.raises(InvalidInput) as refusal:
        orders.change(running(), by=mira, **terms)
    assert refusal.value.field == field


def test_a_job_that_is_over_has_its_course_behind_it(mira: User) -> None:
    job = running(state="succeeded")
    with pytest.raises(OrderRefused, match="the job is over"):
        orders.skip(job, by=mira, rest=True)
    with pytest.raises(OrderRefused, match="the job is over"):
        orders.change(job, by=mira, parallel=3)


# ---- set aside after they failed


def broken(job: Job, *positions: int, **more: Any) -> list[str]:
    """Those hosts have failed; gives their names."""
    failed = job.host_runs.filter(position__in=positions)
    failed.update(**({"state": "failed", "holds_host": False, "fence": 1} | more))
    return list(failed.order_by("position").values_list("name", flat=True))


def halted_by_two_of_four() -> tuple[Job, list[str]]:
    job = running(4, rollout={"parallel": 1, "max_failed": 1})
    failed = broken(job, 0, 1)
    conductor.conduct(job.pk)
    job.refresh_from_db()
    assert job.state == "halted"
    return job, failed


def test_a_job_goes_on_without_the_hosts_that_halted_it(mira: User) -> None:
    job, failed = halted_by_two_of_four()
    assert orders.exclude(job, by=mira, hosts=failed[:1], note="no disk").state == "running"
    conductor.conduct(job.pk)
    assert states(job) == ["failed", "failed", "queued", "waiting"]
    aside = job.host_runs.get(position=0)
    assert (aside.excluded, aside.reason) == (True, "excluded by mira")
    assert told(job) == [{"who": "mira", "what": "exclude", "hosts": 1, "note": "no disk"}]
    assert AuditEntry.objects.get().action == "exclude_job"
    said = Event.objects.get(job=job, host_run=aside, kind="host").data
    assert said == {"excluded": True, "reason": "excluded by mira"}


def test_excluded_twice_is_excluded_once(mira: User) -> None:
    job, failed = halted_by_two_of_four()
    for _ in range(2):
        orders.exclude(job, by=mira, hosts=failed)
    assert len(told(job)) == 1


def test_a_canary_that_is_excluded_halts_no_more(mira: User) -> None:
    job = running(3, rollout={"canary": 1, "batches": ["100%"]})
    job.host_runs.filter(position__gt=0).update(batch=2)
    job.batches.update(canary=True)
    job.batches.create(n=2)
    failed = broken(job, 0)
    conductor.conduct(job.pk)
    assert states(job)[1:] == ["waiting", "waiting"]
    orders.exclude(job, by=mira, hosts=failed)
    conductor.conduct(job.pk)
    assert states(job) == ["failed", "queued", "queued"]


def test_a_job_halts_again_where_too_many_others_failed(mira: User) -> None:
    job, _failed = halted_by_two_of_four()
    broken(job, 2)
    orders.exclude(job, by=mira, hosts=[names(job)[0]])
    conductor.conduct(job.pk)
    job.refresh_from_db()
    assert (job.state, states(job)[3]) == ("halted", "waiting")


def test_a_retry_of_all_leaves_the_excluded_and_one_by_name_takes_them_in(mira: User) -> None:
    job, failed = halted_by_two_of_four()
    orders.exclude(job, by=mira, hosts=failed[:1])
    orders.retry(job, by=mira)
    assert states(job)[:2] == ["failed", "waiting"]
    orders.retry(job, by=mira, hosts=failed[:1])
    again = job.host_runs.get(position=0)
    assert (again.state, again.excluded) == ("waiting", False)


def test_a_retry_of_all_says_so_where_all_are_excluded(mira: User) -> None:
    job, failed = halted_by_two_of_four()
    orders.exclude(job, by=mira, hosts=failed)
    with pytest.raises(OrderRefused, match="all hosts that failed are excluded"):
        orders.retry(job, by=mira)


def test_a_job_with_excluded_hosts_ends_as_failed_and_counts_them(mira: User) -> None:
    job, failed = halted_by_two_of_four()
    orders.exclude(job, by=mira, hosts=failed)
    job.host_runs.filter(position__gt=1).update(state="succeeded", holds_host=False)
    conductor.conduct(job.pk)
    job.refresh_from_db()
    assert (job.state, job.reason) == ("failed", "failed hosts: 2")


def test_what_has_not_failed_is_not_excluded(mira: User) -> None:
    job, failed = halted_by_two_of_four()
    with pytest.raises(OrderRefused, match="has not failed"):
        orders.exclude(job, by=mira, hosts=[failed[0], names(job)[3]])
    for hosts, field in ((["nowhere"], "hosts[0]"), ([], "hosts")):
        with pytest.raises(InvalidInput) as refusal:
            orders.exclude(job, by=mira, hosts=hosts)
        assert refusal.value.field == field
    assert not job.host_runs.filter(excluded=True).exists()


def test_a_job_goes_on_without_hosts_of_which_nobody_knows_how_they_stand(mira: User) -> None:
    job = running(4, rollout={"max_failed": 0})
    runs = job.host_runs
    runs.filter(position=0).update(state="unknown", plan="p", reason="who knows")
    claimed = {"owner": "a worker", "lease_until": timezone.now(), "fence": 3}
    runs.filter(position=1).update(state="running", link="unreachable", plan="q", **claimed)
    doubted = names(job)[:2]
    for run in runs.filter(name__in=doubted):
        run.attempts.create(uid=f"{run.plan}.1", step=0, name="stop", number=1, state="running")
    orders.exclude(job, by=mira, hosts=doubted, note="the rack has burnt")
    conductor.conduct(job.pk)
    assert states(job) == ["failed", "failed", "queued", "queued"]
    for run in runs.filter(name__in=doubted).select_related("host"):
        assert (run.error, run.reason) == ("given up by mira", "excluded by mira")
        assert (run.excluded, run.holds_host) == (True, False)
        assert run.host
        assert run.host.unended_plan == run.plan
        assert run.attempts.get().state == "lost"
    away = runs.get(position=1)
    assert (away.fence, away.owner, away.lease_until) == (4, "", None)
    assert [order["what"] for order in told(job)] == ["exclude"]


def test_one_that_cannot_be_reached_and_has_not_begun_is_left_out_instead(mira: User) -> None:
    job = running()
    job.host_runs.filter(position=0).update(link="unreachable")
    with pytest.raises(OrderRefused, match="has not failed"):
        orders.exclude(job, by=mira, hosts=names(job)[:1])


def test_why_terms_were_changed_is_kept(mira: User) -> None:
    job = running()
    orders.change(job, by=mira, parallel=7, note="the night is short")
    assert told(job)[0]["note"] == "the night is short"
