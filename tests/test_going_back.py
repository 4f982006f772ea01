"""A job that halts goes back by itself where its rollout says so: once, and told why or why not."""

from typing import Any

import pytest
from django.contrib.auth.models import User
from django.utils import timezone

from deploy_tasks import audit, bells, conductor, orders, restored
from deploy_tasks.errors import InvalidInput
from deploy_tasks.models import AuditEntry, Batch, Call, Event, HostRun, Job
from deploy_tasks.orders import JobOrder
from tests import factories
from tests.test_calls import pager, told_of
from tests.test_rolling_back import RECIPE, did
from webapp import reports

pytestmark = pytest.mark.django_db

GOES_BACK = {"on_halt": "rollback", "canary": 1, "gate": "manual", "batches": ["100%"]}


@pytest.fixture(autouse=True)
def no_bells(monkeypatch: pytest.MonkeyPatch) -> None:
    for bell in ("ring_job", "ring_host_runs", "ring_calls"):
        monkeypatch.setattr(bells, bell, lambda pks: None)


def begun(*states: str, text: str = RECIPE, **rollout: Any) -> Job:
    """Its canary, then a batch; hosts that are not waiting have done all steps."""
    terms = GOES_BACK | rollout
    job = factories.job(
        factories.game(text=text),
        hosts=len(states),
        state="running",
        started_at=timezone.now(),
        rollout=terms,
    )
    job.batches.update(canary=bool(terms["canary"]))
    Batch.objects.create(job=job, n=2)
    for run, state in zip(job.host_runs.order_by("position"), states, strict=True):
        if state != "waiting":
            did(run, 0, 1, 2, 3)
        HostRun.objects.filter(pk=run.pk).update(
            state=state,
            batch=1 if run.position < 1 else 2,
            holds_host=state in ("waiting", "running", "unknown"),
            previous="1.0",
            down=state == "failed",
        )
    return job


def conducted(job: Job) -> Job:
    conductor.conduct(job.pk)
    job.refresh_from_db()
    return job


def way_back(job: Job) -> Job | None:
    return Job.objects.filter(rolls_back=job).first()


def test_a_failed_canary_is_taken_back_without_a_person() -> None:
    job = conducted(begun("failed", "waiting", "waiting"))
    back = way_back(job)
    assert back
    assert (job.state, back.by, back.by_name) == ("cancelled", None, "Patchwave")
    assert [run.undoes for run in back.host_runs.all()] == [job.host_runs.get(position=0)]
    assert set(job.host_runs.filter(batch=2).values_list("state", flat=True)) == {"cancelled"}
    assert back.rollout == GOES_BACK | {"gate": "auto", "on_halt": "wait"}, "nobody may be there"


def test_a_host_that_waits_to_go_down_does_not_hold_it_up() -> None:
    """A halted job lets nobody in: it would wait for ever. What it had prepared is taken back."""
    job = begun("failed", "paused", "waiting")
    job.host_runs.filter(state="paused").update(held=True, fence=1)
    conducted(job)
    back = way_back(job)
    assert back
    assert [run.undoes for run in back.host_runs.all()] == [job.host_runs.get(position=0)]
    conducted(job)
    held = job.host_runs.get(position=1)
    assert (held.state, held.wish, held.held) == ("queued", "cancel_undo", False)


def test_a_host_that_stands_still_after_a_step_does_not_hold_it_up() -> None:
    """Nobody may be there to resume it. The job itself takes it back."""
    job = begun("failed", "paused", "waiting")
    Job.objects.filter(pk=job.pk).update(pause="step", paused_by="mira")
    job.host_runs.filter(state="paused").update(fence=1, out=True)
    conducted(job)
    back = way_back(job)
    assert back
    assert [run.undoes for run in back.host_runs.all()] == [job.host_runs.get(position=0)]
    assert (conducted(job).state, job.pause) == ("halted", "")
    stopped = job.host_runs.get(position=1)
    assert (stopped.state, stopped.wish) == ("queued", "cancel_undo")


def test_a_host_that_stands_still_and_cannot_go_back_is_left_to_a_person() -> None:
    job = begun("failed", "paused", "waiting")
    job.host_runs.filter(state="paused").update(fence=1, out=True, previous="")
    Job.objects.filter(pk=job.pk).update(pause="step", paused_by="mira")
    name = job.host_runs.get(position=1).name
    assert f"not rolled back: {name}: step “switch” cannot be undone" in conducted(job).reason


def test_where_nothing_stands_the_job_is_called_off_and_says_so() -> None:
    pager()
    job = begun("rolled_back", "waiting")
    did(job.host_runs.get(position=0), 1, 2, kind="undo")
    conducted(job)
    assert (job.state, way_back(job)) == ("cancelled", None)
    assert list(job.host_runs.values_list("state", flat=True)) == ["rolled_back", "cancelled"]
    (said,) = [event.data for event in Event.objects.filter(job=job, kind="order")]
    note = "a canary host failed; nothing stands on any host that could be taken back"
    assert said == {"who": "Patchwave", "what": "cancel", "note": note}
    # No other job tells how it ends.
    assert told_of(job) == {("ops", "halted"), ("ops", "cancelled")}


def test_the_story_and_the_audit_say_who_ordered_it_and_why() -> None:
    job = conducted(begun("failed", "waiting"))
    back = way_back(job)
    assert back
    told = [e.data for e in Event.objects.filter(job=job).order_by("seq") if e.kind != "host"]
    assert told[:2] == [
        {
            "to": "halted",
            "reason": "a canary host failed; it is rolled back as soon as none of its hosts runs",
        },
        {
            "who": "Patchwave",
            "what": "rollback",
            "hosts": 1,
            "by_job": back.pk,
            "note": "a canary host failed",
        },
    ]
    entries = AuditEntry.objects.order_by("pk").values_list("action", "actor", "actor_name")
    assert list(entries) == [
        ("rollback_job", None, "Patchwave"),
        ("start_job", None, "Patchwave"),
    ]
    assert AuditEntry.objects.filter(details__note="a canary host failed").count() == 2


def test_the_verdict_of_both_tells_it() -> None:
    job = conducted(begun("failed", "waiting"))
    back = way_back(job)
    assert back
    said = reports.job_as_told(job, ordering=False)["verdict"]
    assert said.startswith("Cancelled after ")
    assert (
        f", taken back by job #{back.pk}: 0 of 2 updated, 1 failed, which is down, 1 cancelled"
        in said
    )


def test_it_waits_until_nothing_of_the_job_runs_or_is_unknown() -> None:
    job = conducted(begun("failed", "running", "unknown", "waiting", canary=0, max_failed=0))
    assert (job.state, way_back(job)) == ("halted", None)
    job.host_runs.filter(state="running").update(state="succeeded", holds_host=False)
    assert not way_back(conducted(job))
    job.host_runs.filter(state="unknown").update(state="failed", holds_host=False)
    back = way_back(conducted(job))
    assert back
    assert back.host_runs.count() == 3


def test_where_the_budget_is_spent_by_the_last_hosts_the_job_goes_back_too() -> None:
    job = conducted(begun("failed", "failed", "succeeded", canary=0, max_failed=1))
    back = way_back(job)
    assert back
    assert (job.state, back.host_runs.count()) == ("cancelled", 3)


def test_hosts_that_were_staged_ahead_are_taken_back_by_the_job_itself() -> None:
    job = conducted(begun("failed", "staged", "waiting", stage="ahead"))
    back = way_back(job)
    assert back
    assert [run.undoes for run in back.host_runs.all()] == [job.host_runs.get(position=0)]
    states = list(job.host_runs.order_by("position").values_list("state", "wish"))
    assert states == [("failed", ""), ("staged", "cancel_undo"), ("cancelled", "")]
    conducted(job)
    assert (job.state, job.host_runs.get(position=1).state) == ("halted", "queued")


@pytest.mark.parametrize("states", [("failed", "succeeded"), ("succeeded", "unknown")])
def test_failures_that_are_allowed_and_doubt_take_nothing_back(states: tuple[str, ...]) -> None:
    job = conducted(begun(*states, canary=0, max_failed=1))
    assert way_back(job) is None
    assert job.state in ("failed", "halted")


def test_without_being_told_so_a_person_decides() -> None:
    job = conducted(begun("failed", "waiting", on_halt="wait"))
    assert (job.state, job.reason, way_back(job)) == ("halted", "a canary host failed", None)


def test_a_refusal_is_told_once_and_a_person_decides(mira: User) -> None:
    pager()
    job = begun("failed", "waiting")
    job.host_runs.update(previous="")
    conducted(job)
    name = job.host_runs.get(position=0).name
    assert (job.state, job.reason) == (
        "halted",
        f"a canary host failed; not rolled back: {name}: step “switch” cannot be undone: no version"
        " was on the host before",
    )
    events = job.last_seq
    assert conducted(job).last_seq == events, "it is not tried again"
    assert told_of(job) == {("ops", "halted")}
    orders.cancel(job, by=mira)
    assert conducted(job).state == "cancelled"


def test_a_job_of_which_all_hosts_have_ended_stays_halted_where_it_cannot_go_back() -> None:
    job = begun("failed")
    job.host_runs.update(previous="")
    assert conducted(job).state == "halted"
    assert conducted(job).state == "halted"


def test_halted_anew_after_a_retry_it_is_tried_anew(mira: User) -> None:
    job = begun("failed", "waiting")
    job.host_runs.update(previous="")
    conducted(job)
    orders.retry(job, by=mira)
    job.host_runs.filter(position=0).update(state="failed", holds_host=False, previous="1.0")
    assert way_back(conducted(job))


def test_a_host_that_another_job_has_by_then_is_left_to_it() -> None:
    job = begun("failed", "waiting")
    other = factories.job(job.game, state="running")
    host = job.host_runs.get(position=0).host
    assert host
    HostRun.objects.create(job=other, host=host, name=host.name, state="running")
    assert f"not rolled back: busy: {host.name} (#{other.pk})" in conducted(job).reason


def test_a_person_who_was_quicker_has_the_one_rollback_there_is(mira: User) -> None:
    job = begun("failed", "running", "waiting")
    conducted(job)
    job.host_runs.filter(state="running").update(state="succeeded", holds_host=False)
    back, created = orders.rollback(job, by=mira)
    assert created
    conducted(job)
    assert (job.state, way_back(job)) == ("cancelled", back)


def test_one_who_cancels_first_has_cancelled_it(mira: User) -> None:
    job = begun("failed", "running", "waiting")
    conducted(job)
    orders.cancel(job, by=mira)
    job.host_runs.filter(state="running").update(state="cancelled", holds_host=False)
    assert (conducted(job).state, way_back(job)) == ("cancelled", None)


def test_while_the_audit_cannot_be_written_it_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    def unwritable(*args: Any, **kwargs: Any) -> None:
        raise audit.AuditUnwritable("the audit cannot be written")

    job = begun("failed", "waiting")
    with monkeypatch.context() as patch:
        patch.setattr(audit, "record", unwritable)
        assert (conducted(job).state, way_back(job)) == ("halted", None)
    assert way_back(conducted(job))


def test_people_are_called_when_it_halts_and_of_what_takes_it_back() -> None:
    pager()
    job = conducted(begun("failed", "waiting"))
    assert told_of(job) == {("ops", "halted")}, "that it is cancelled follows"
    assert Call.objects.count() == 1


def test_the_rollback_itself_is_not_taken_back() -> None:
    back = way_back(conducted(begun("failed", "waiting")))
    assert back
    back.host_runs.update(state="failed", holds_host=False)
    assert (conducted(back).state, way_back(back)) == ("failed", None)


def test_a_job_of_a_restored_backup_does_not_go_back_by_itself() -> None:
    job = begun("failed", "waiting")
    restored.hold_open_jobs(timezone.now())
    assert way_back(conducted(job)) is None


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (RECIPE.replace(", undo: ./start", ""), "step “stop” cannot be undone"),
        (factories.RECIPE, "does not say how a step is undone"),
    ],
)
def test_an_order_that_relies_on_it_in_vain_is_refused_before_it_starts(
    mira: User, text: str, why: str
) -> None:
    game = factories.game(text=text)
    factories.release(game)
    factories.host(game)
    order = JobOrder.model_validate(
        {"game": "squid", "version": "2.0", "all": True, "rollout": {"on_halt": "rollback"}}
    )
    with pytest.raises(InvalidInput, match=why) as refusal:
        orders.start_job(order, by=mira)
    assert refusal.value.field == "rollout.on_halt"


def test_a_host_that_a_later_job_has_brought_up_is_not_told_as_down() -> None:
    job = conducted(begun("failed", "waiting"))
    back = way_back(job)
    assert back
    assert "which is down" in reports.job_as_told(job, ordering=False)["verdict"]
    back.host_runs.update(state="succeeded", holds_host=False)
    assert "down" not in reports.job_as_told(job, ordering=False)["verdict"]
    assert [one["down"] for one in reports.hosts(job)["hosts"]] == [False, False]
