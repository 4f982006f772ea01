"""Orders: all or nothing, once for a key, one active job per host, refused in plain words."""

from collections.abc import Callable
from typing import Any, NoReturn

import pytest
from django.contrib.auth.models import User
from django.db import IntegrityError

from deploy_tasks import bells, clock, conductor, orders
from deploy_tasks.audit import AuditUnwritable
from deploy_tasks.errors import HostsBusy, InvalidInput, KeyReused, OrderRefused
from deploy_tasks.models import Attempt, AuditEntry, Event, Game, Host, HostRun, Job, Machine
from deploy_tasks.orders import JobOrder, starting
from deploy_tasks.states import Pause
from tests import audits, factories

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def rung(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, Any]]:
    found: list[tuple[str, Any]] = []
    monkeypatch.setattr(bells, "ring_job", lambda pk: found.append(("job", pk)))
    monkeypatch.setattr(bells, "ring_host_runs", lambda pks: found.append(("hosts", list(pks))))
    return found


@pytest.fixture
def game() -> Game:
    game = factories.game()
    factories.release(game)
    for name, region in (("eu-1", "eu"), ("eu-2", "eu"), ("us-1", "us")):
        factories.host(game, name, labels={"region": region})
    return game


def order(**given: Any) -> JobOrder:
    everyone = not ({"hosts", "labels"} & given.keys())
    return JobOrder.model_validate({"game": "squid", "version": "2.0", "all": everyone, **given})


def start(mira: User, **given: Any) -> Job:
    return orders.start_job(order(**given), by=mira)[0]


def states(job: Job) -> dict[str, str]:
    return dict(job.host_runs.order_by("position").values_list("name", "state"))


def finish(job: Job, **states: str) -> None:
    """As if workers had carried the host runs to these ends."""
    conductor.conduct(job.pk)
    for name, state in states.items():
        HostRun.objects.filter(job=job, name=name.replace("_", "-")).update(
            state=state, holds_host=state in ("running", "unknown"), fence=1
        )
    conductor.conduct(job.pk)
    job.refresh_from_db()


def test_a_start_makes_a_job_of_all_hosts(game: Game, mira: User) -> None:
    job = start(mira, note="for the event")
    assert states(job) == {"eu-1": "waiting", "eu-2": "waiting", "us-1": "waiting"}
    assert job.revision == game.recipe.newest()
    (event,) = Event.objects.all()
    assert (event.seq, event.kind) == (1, "order")
    assert event.data == {"who": "mira", "what": "start", "hosts": 3, "note": "for the event"}
    entry = AuditEntry.objects.get()
    assert (entry.actor, entry.action, entry.object) == (mira, "start_job", f"#{job.pk}")


def test_it_rings_once_committed(
    game: Game,
    mira: User,
    rung: list[tuple[str, Any]],
    django_capture_on_commit_callbacks: Callable[..., Any],
) -> None:
    with django_capture_on_commit_callbacks(execute=True):
        job = start(mira)
        assert rung == []
    assert rung == [("job", job.pk)]


def test_hosts_are_chosen_by_name_or_label(game: Game, mira: User) -> None:
    assert list(states(start(mira, hosts=["us-1"]))) == ["us-1"]
    assert list(states(start(mira, labels={"region": "eu"}))) == ["eu-1", "eu-2"]


def test_labels_that_are_none_do_not_mean_every_host() -> None:
    with pytest.raises(ValueError, match="names no label"):
        order(labels={})


def test_batches_follow_the_rollout(game: Game, mira: User) -> None:
    job = start(mira, rollout={"canary": 1, "order_by": "region"})
    rows = job.host_runs.order_by("position").values_list("name", "batch")
    assert list(rows) == [("eu-1", 1), ("eu-2", 2), ("us-1", 2)]


def test_a_share_that_lets_nobody_go_down_is_refused_before_it_waits_for_ever(
    game: Game, mira: User
) -> None:
    given = {"rollout": {"max_down": {"region": "50%"}}}
    (refusal,) = orders.plan_job(order(**given), by=mira).refusals
    assert refusal["host"] == "us-1"
    assert refusal["reason"].startswith("none of region=us may ever be down: 50% of so few")
    with pytest.raises(InvalidInput, match="none of region=us may ever be down"):
        start(mira, **given)
    start(mira, rollout={"max_down": {"region": 1}})


@pytest.mark.parametrize(
    ("most", "batches"),
    [
        # Where places are left, nobody has to come before others.
        (2, [["eu-1"], ["eu-2"], ["us-1"]]),
        (1, [["eu-2", "eu-1"], ["us-1"]]),
    ],
)
def test_a_host_that_is_down_comes_first_where_others_wait_for_its_place(
    game: Game, mira: User, most: int, batches: list[list[str]]
) -> None:
    earlier = start(mira, hosts=["eu-2", "us-1"])
    finish(earlier, eu_2="failed", us_1="succeeded")
    earlier.host_runs.filter(name="eu-2").update(down=True)
    given = {"rollout": {"canary": 1, "batches": [1, "repeat"], "max_down": {"region": most}}}
    plan = orders.plan_job(order(**given), by=mira)
    assert [batch.hosts for batch in plan.batches] == batches
    assert [one["host"] for one in plan.down] == batches[0][:-1]
    job = start(mira, **given)
    assert list(states(job)) == [name for batch in batches for name in batch]


def test_the_plan_starts_nothing(game: Game, mira: User) -> None:
    plan = orders.plan_job(order(rollout={"canary": 1}), by=mira).as_json()
    assert [batch["hosts"] for batch in plan["batches"]] == [["eu-1"], ["eu-2", "us-1"]]
    assert [step["name"] for step in plan["steps"]] == ["stop", "start"]
    assert plan["refusals"] == []
    assert not Job.objects.exists()


def test_the_plan_names_what_would_refuse_the_order(game: Game, mira: User) -> None:
    busy = start(mira, hosts=["eu-1"])
    Host.objects.get(name="us-1").keys.all().delete()
    plan = orders.plan_job(order(), by=mira)
    assert plan.refusals == [
        {
            "host": "eu-1",
            "reason": f"busy with job #{busy.pk} of mira",
            "job": busy.pk,
            "by": "mira",
            "since": plan.refusals[0]["since"],
        },
        {
            "host": "us-1",
            "reason": "no host key of us-1 is pinned; approve its fingerprint first",
        },
    ]


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({"game": "nothing"}, "game"),
        ({"version": "9"}, "version"),
        ({"hosts": ["eu-1", "xx-9"]}, "hosts[1]"),
        ({"hosts": ["eu-1", "eu-1"]}, "hosts[1]"),
        ({"hosts": []}, "hosts"),
        ({"labels": {"region": "mars"}}, "labels"),
        ({"vars": {"nobody": "asks"}}, "vars.nobody"),
        ({"rollout": {"canary": ["eu-1", "eu-9"]}}, "rollout.canary[1]"),
        ({"rollout": {"canary": {"region": "mars"}}}, "rollout.canary"),
    ],
)
def test_what_is_not_there_is_refused_with_its_field(
    game: Game, mira: User, given: dict[str, Any], field: str
) -> None:
    with pytest.raises(InvalidInput) as refusal:
        start(mira, **given)
    assert refusal.value.field == field
    assert not Job.objects.exists()


def test_a_host_without_a_pinned_key_refuses_the_order(game: Game, mira: User) -> None:
    Host.objects.get(name="eu-2").keys.update(approved_at=None)
    with pytest.raises(InvalidInput, match="no host key of eu-2 is pinned"):
        start(mira)
    assert not Job.objects.exists()


def test_a_busy_host_refuses_the_whole_order(game: Game, mira: User) -> None:
    first = start(mira, hosts=["eu-2"])
    with pytest.raises(HostsBusy) as refusal:
        start(factories.user("jonas"))
    (busy,) = refusal.value.details["hosts"]
    assert (busy["host"], busy["job"], busy["by"]) == ("eu-2", first.pk, "mira")
    assert Job.objects.count() == 1


def test_the_database_keeps_one_active_job_per_host(game: Game, mira: User) -> None:
    job = start(mira)
    other = factories.job(game)
    with pytest.raises(IntegrityError):
        HostRun.objects.create(job=other, host=job.host_runs.all()[0].host, name="x")


def test_the_same_key_and_order_give_the_same_job(game: Game, mira: User) -> None:
    first, created = orders.start_job(order(), by=mira, key="k")
    again, created_again = orders.start_job(order(), by=mira, key="k")
    assert (created, created_again) == (True, False)
    assert first == again


def test_a_second_click_that_overtakes_the_first_gets_its_job(
    game: Game, mira: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    first: list[Job] = []

    def choose_slowly(given: JobOrder) -> object:
        monkeypatch.undo()
        first.append(orders.start_job(given, by=mira, key="k")[0])
        return starting.choose(given)

    monkeypatch.setattr(starting, "choose", choose_slowly)
    assert orders.start_job(order(), by=mira, key="k") == (first[0], False)


def test_a_key_with_another_order_is_refused(game: Game, mira: User) -> None:
    orders.start_job(order(hosts=["eu-1"]), by=mira, key="k")
    with pytest.raises(KeyReused):
        orders.start_job(order(hosts=["eu-2"]), by=mira, key="k")


def test_a_key_is_its_users_own(game: Game, mira: User) -> None:
    orders.start_job(order(hosts=["eu-1"]), by=mira, key="k")
    jonas = factories.user("jonas")
    assert orders.start_job(order(hosts=["eu-2"]), by=jonas, key="k")[1]


def test_a_retry_brings_failed_hosts_back(game: Game, mira: User) -> None:
    job = start(mira)
    finish(job, eu_1="succeeded", eu_2="failed", us_1="succeeded")
    assert job.state == "failed"
    HostRun.objects.filter(name="eu-2").update(step=1, error="broken", down=True)
    job = orders.retry(job, by=mira)
    assert (job.state, job.ended_at) == ("running", None)
    run = job.host_runs.get(name="eu-2")
    assert (run.state, run.step, run.error, run.down) == ("waiting", 1, "", False)
    assert (run.holds_host, run.fence) == (True, 2)
    assert states(job)["eu-1"] == "succeeded"


def test_a_retry_may_name_hosts_and_a_step(game: Game, mira: User) -> None:
    job = start(mira)
    finish(job, eu_1="failed", eu_2="failed", us_1="succeeded")
    HostRun.objects.update(step=1)
    job = orders.retry(job, by=mira, hosts=["eu-1"], from_step="stop")
    assert states(job) == {"eu-1": "waiting", "eu-2": "failed", "us-1": "succeeded"}
    assert job.host_runs.get(name="eu-1").step == 0


def test_a_retry_takes_those_back_whose_cause_stands_in_an_earlier_step(
    game: Game, mira: User
) -> None:
    job = start(mira)
    finish(job, eu_1="failed", eu_2="failed", us_1="failed")
    HostRun.objects.exclude(name="us-1").update(step=1)
    # One that a second person has taken further back meanwhile stays there.
    job = orders.retry(job, by=mira, back={"eu-1": "stop", "us-1": "start"})
    assert dict(job.host_runs.values_list("name", "step")) == {"eu-1": 0, "eu-2": 1, "us-1": 0}
    assert set(states(job).values()) == {"waiting"}


def test_a_retry_tells_the_step_to_which_all_of_its_hosts_went_back(game: Game, mira: User) -> None:
    job = start(mira)
    finish(job, eu_1="failed", eu_2="failed", us_1="failed")
    HostRun.objects.update(step=1)
    orders.retry(job, by=mira, hosts=["eu-1"], back={"eu-1": "stop", "eu-2": "stop"})
    orders.retry(job, by=mira, back={"eu-2": "stop"})
    told = [event.data for event in job.events.filter(kind="order").order_by("seq")]
    assert [one.get("from_step") for one in told if one["what"] == "retry"] == ["stop", None]


def test_a_retry_refuses_what_cannot_be(game: Game, mira: User) -> None:
    job = start(mira)
    finish(job, eu_1="succeeded", eu_2="failed", us_1="succeeded")
    with pytest.raises(OrderRefused, match="eu-1 has not failed"):
        orders.retry(job, by=mira, hosts=["eu-1"])
    with pytest.raises(InvalidInput, match="“xx” is not in this job"):
        orders.retry(job, by=mira, hosts=["xx"])
    with pytest.raises(InvalidInput, match="no step “x”"):
        orders.retry(job, by=mira, from_step="x")


def test_a_retry_with_nothing_to_retry_is_refused(game: Game, mira: User) -> None:
    job = start(mira)
    finish(job, eu_1="succeeded", eu_2="succeeded", us_1="succeeded")
    with pytest.raises(OrderRefused):
        orders.retry(job, by=mira)


def test_a_retry_of_a_host_that_is_busy_elsewhere_is_refused(game: Game, mira: User) -> None:
    job = start(mira, hosts=["eu-1"])
    finish(job, eu_1="failed")
    newer = start(mira, hosts=["eu-1"])
    with pytest.raises(HostsBusy) as refusal:
        orders.retry(job, by=mira)
    assert refusal.value.details["hosts"][0]["job"] == newer.pk
    assert states(job) == {"eu-1": "failed"}


def test_a_retry_of_a_host_that_has_moved_on_is_refused(game: Game, mira: User) -> None:
    job = start(mira, hosts=["eu-1"])
    finish(job, eu_1="failed")
    newer = start(mira, hosts=["eu-1"])
    Attempt.objects.create(host_run=newer.host_runs.get(), uid="p.1", step=0, name="stop", number=1)
    finish(newer, eu_1="succeeded")
    with pytest.raises(OrderRefused, match=f"eu-1 has moved on with job #{newer.pk}"):
        orders.retry(job, by=mira)


def test_a_retry_that_names_no_host_reopens_nothing(game: Game, mira: User) -> None:
    job = start(mira)
    finish(job, eu_1="succeeded", eu_2="succeeded", us_1="succeeded")
    with pytest.raises(InvalidInput, match="say which hosts"):
        orders.retry(job, by=mira, hosts=[])
    job.refresh_from_db()
    assert job.state == "succeeded"


def test_a_host_that_is_down_stays_counted_through_every_retry(game: Game, mira: User) -> None:
    job = start(mira, hosts=["eu-1"])
    finish(job, eu_1="failed")
    job.host_runs.update(down=True)
    orders.retry(job, by=mira)
    orders.cancel(job, by=mira)
    conductor.conduct(job.pk)
    run = job.host_runs.get()
    assert (run.state, run.down, run.out) == ("cancelled", True, False), "it is named as down"
    orders.retry(job, by=mira)
    run = job.host_runs.get()
    assert (run.state, run.out) == ("waiting", True)


def ended(by: User, recipe: str, state: str) -> Job:
    """A job of one host that has ended so."""
    game = factories.game(text=recipe)
    factories.release(game)
    factories.host(game, "eu-1")
    job = start(by)
    finish(job, eu_1=state)
    return job


def test_a_step_that_must_never_be_repeated_is_not(mira: User) -> None:
    text = "recipe: once\nsteps:\n  - {name: wipe, run: rm world, repeat: never}\n"
    job = ended(mira, text, "failed")
    Attempt.objects.create(
        host_run=job.host_runs.get(), uid="p.1", step=0, name="wipe", number=1, state="failed"
    )
    with pytest.raises(OrderRefused, match="“wipe” must never be repeated"):
        orders.retry(job, by=mira)


def test_what_a_retry_does_not_come_to_again_keeps_nobody_from_it(mira: User) -> None:
    text = """\
recipe: once
steps:
  - {name: announce, run: say, repeat: never, optional: true}
  - {name: start, run: start}
"""
    job = ended(mira, text, "failed")
    HostRun.objects.update(step=1)
    run = job.host_runs.get()
    for n, name in enumerate(("announce", "start")):
        Attempt.objects.create(
            host_run=run, uid=f"p.{n}", step=n, name=name, number=1, state="failed"
        )
    with pytest.raises(OrderRefused, match="must never be repeated"):
        orders.retry(job, by=mira, from_step="announce")
    assert orders.retry(job, by=mira).state == "running"
    assert job.host_runs.get().step == 1


def test_a_retry_does_not_go_back_over_what_must_not_be_repeated(mira: User) -> None:
    text = """\
recipe: once
steps:
  - {name: wipe, run: rm world, repeat: never}
  - {name: start, run: start}
"""
    job = ended(mira, text, "failed")
    HostRun.objects.update(step=1)
    with pytest.raises(OrderRefused, match="“wipe” stands on eu-1"):
        orders.retry(job, by=mira, from_step="wipe")
    assert orders.retry(job, by=mira, from_step="start").state == "running"


def test_a_retry_after_half_an_undo_does_not_repeat_what_stands(mira: User) -> None:
    text = """\
recipe: once
steps:
  - {name: stop, run: stop, undo: start}
  - {name: wipe, run: rm world, repeat: never}
  - {name: start, run: start}
"""
    job = ended(mira, text, "rolled_back")
    run = job.host_runs.get()
    tried = [("stop", 0, "do", "succeeded"), ("wipe", 1, "do", "succeeded")]
    tried += [("start", 2, "do", "failed"), ("stop", 0, "undo", "succeeded")]
    for name, step, kind, state in tried:
        told = {"uid": f"{kind}.{step}", "name": name, "step": step, "kind": kind, "state": state}
        Attempt.objects.create(host_run=run, number=1, started_at=clock.now(), **told)
    with pytest.raises(OrderRefused, match="“wipe” stands on eu-1 and must never be repeated"):
        orders.retry(job, by=mira)
    assert orders.retry(job, by=mira, from_step="start").state == "running"


def test_a_cancel_starts_none_of_those_that_wait(game: Game, mira: User) -> None:
    job = start(mira, rollout={"parallel": 1})
    finish(job, eu_1="running")
    orders.cancel(job, by=mira)
    assert states(job) == {"eu-1": "running", "eu-2": "cancelled", "us-1": "cancelled"}
    assert list(job.host_runs.filter(holds_host=True).values_list("name", "wish")) == [
        ("eu-1", "cancel_undo")
    ]
    orders.cancel(job, by=mira, force=True)
    assert job.host_runs.get(name="eu-1").wish == "force_undo"
    orders.cancel(job, by=mira, undo=False)
    assert job.host_runs.get(name="eu-1").wish == "cancel"
    finish(job, eu_1="cancelled")
    assert job.state == "cancelled"
    with pytest.raises(OrderRefused):
        orders.cancel(job, by=mira)


def unknown(job: Job) -> HostRun:
    finish(job, eu_1="unknown")
    run = job.host_runs.get(name="eu-1")
    run.plan = "p"
    run.save()
    Attempt.objects.create(host_run=run, uid="p.1", step=0, name="stop", number=1, state="lost")
    return run


def test_an_answer_that_it_ran_goes_on_with_the_next_step(game: Game, mira: User) -> None:
    job = start(mira, hosts=["eu-1"])
    run = unknown(job)
    job.host_runs.update(down=True)
    assert job.state == "halted"
    orders.answer(job, by=mira, hosts=["eu-1"], answer="it_ran", note="saw it")
    run.refresh_from_db()
    assert (run.state, run.step, run.attempts.get().state) == ("queued", 1, "succeeded")
    assert not run.down, "how it is, its end will tell"
    job.refresh_from_db()
    assert job.state == "running"


def test_an_answer_for_several_leads_each_on_from_where_it_stood(game: Game, mira: User) -> None:
    job = start(mira, hosts=["eu-1", "eu-2"])
    one = unknown(job)
    finish(job, eu_2="unknown")
    two = job.host_runs.get(name="eu-2")
    HostRun.objects.filter(pk=two.pk).update(plan="q", step=1)
    Attempt.objects.create(host_run=two, uid="q.1", step=1, name="start", number=1, state="lost")
    orders.answer(job, by=mira, hosts=["eu-1", "eu-2", "eu-1"], answer="it_ran")
    for run, step, plan in ((one, 1, "p"), (two, 2, "q")):
        run.refresh_from_db()
        assert run.host
        run.host.refresh_from_db()
        assert (run.state, run.step, run.plan) == ("queued", step, "")
        assert run.host.unended_plan == plan
    told = Event.objects.filter(job=job, kind="order").latest("seq").data or {}
    assert (told["hosts"], told["names"]) == (2, ["eu-1", "eu-2"])


def test_an_answer_that_it_ran_is_about_all_that_was_lost(game: Game, mira: User) -> None:
    """What was to be taken back is not taken back again."""
    job = start(mira, hosts=["eu-1"])
    run = unknown(job)
    run.attempts.all().delete()
    for number, name in enumerate(("start", "stop"), 1):
        lost = {"uid": f"p.{number}", "step": 2 - number, "name": name, "state": "lost"}
        Attempt.objects.create(host_run=run, number=1, kind="undo", **lost)
    orders.answer(job, by=mira, hosts=["eu-1"], answer="it_ran")
    run.refresh_from_db()
    assert (run.state, run.step) == ("queued", 0)
    assert set(run.attempts.values_list("state", flat=True)) == {"succeeded"}


def test_an_answer_that_it_did_not_run_attempts_it_again(game: Game, mira: User) -> None:
    job = start(mira, hosts=["eu-1"])
    run = unknown(job)
    orders.answer(job, by=mira, hosts=["eu-1"], answer="it_did_not_run")
    run.refresh_from_db()
    assert (run.state, run.step, run.attempts.get().state) == ("queued", 0, "lost")


def test_an_answer_is_about_the_plan_that_was_on_the_host_last(game: Game, mira: User) -> None:
    job = start(mira, hosts=["eu-1"])
    run = unknown(job)
    HostRun.objects.filter(pk=run.pk).update(plan="later", step=1)
    orders.answer(job, by=mira, hosts=["eu-1"], answer="it_ran")
    run.refresh_from_db()
    # Out of reach, say: the host itself is asked again.
    assert (run.state, run.step, run.attempts.get().state) == ("queued", 1, "lost")


@pytest.mark.parametrize("answer", ["it_ran", "it_did_not_run"])
def test_what_is_answered_for_after_a_cancel_goes_on_to_be_cancelled(
    answer: orders.answering.Answer, game: Game, mira: User
) -> None:
    job = start(mira, hosts=["eu-1", "eu-2"])
    run = unknown(job)
    orders.cancel(job, by=mira)
    orders.answer(job, by=mira, hosts=["eu-1"], answer=answer)
    run.refresh_from_db()
    assert (run.state, run.wish) == ("queued", "cancel_undo")


def test_what_is_answered_for_in_a_pause_stands_still(game: Game, mira: User) -> None:
    job = start(mira, hosts=["eu-1", "eu-2"])
    finish(job, eu_2="running")
    run = unknown(job)
    orders.pause(job, by=mira, after=Pause.STEP)
    orders.answer(job, by=mira, hosts=["eu-1"], answer="it_ran")
    run.refresh_from_db()
    assert (run.state, run.wish) == ("queued", "pause")
    orders.resume(job, by=mira)
    run.refresh_from_db()
    assert run.wish == ""


def test_what_a_person_says_of_an_attempt_is_part_of_its_story(game: Game, mira: User) -> None:
    job = start(mira, hosts=["eu-1"])
    unknown(job)
    orders.answer(job, by=mira, hosts=["eu-1"], answer="it_ran")
    told = Event.objects.get(job=job, kind="step").data or {}
    assert (told["step"], told["to"], told["reason"]) == (
        "stop",
        "succeeded",
        "a person says that it ran",
    )


@pytest.mark.parametrize("answer", ["it_ran", "give_up"])
def test_what_a_person_decides_about_unseen_is_ended_before_anything_else_starts(
    answer: orders.answering.Answer, game: Game, mira: User
) -> None:
    job = start(mira, hosts=["eu-1"])
    run = unknown(job)
    assert run.host
    orders.answer(job, by=mira, hosts=["eu-1"], answer=answer)
    run.host.refresh_from_db()
    assert run.host.unended_plan == run.plan


def test_what_is_still_open_of_a_host_that_is_given_up_is_lost(game: Game, mira: User) -> None:
    job = start(mira, hosts=["eu-1"])
    run = unknown(job)
    run.attempts.update(state="running")
    orders.answer(job, by=mira, hosts=["eu-1"], answer="give_up")
    told = Event.objects.get(job=job, kind="step").data or {}
    assert (run.attempts.get().state, told["to"], told["reason"]) == (
        "lost",
        "lost",
        "given up by mira",
    )


def test_an_answer_takes_the_hosts_again_that_the_halt_had_let_go(game: Game, mira: User) -> None:
    job = start(mira, rollout={"canary": 1})
    run = unknown(job)
    other = start(mira, hosts=["us-1"])
    with pytest.raises(HostsBusy, match=rf"us-1 \(#{other.pk}\)"):
        orders.answer(job, by=mira, hosts=["eu-1"], answer="it_ran")
    run.refresh_from_db()
    assert run.state == "unknown"
    finish(other, us_1="succeeded")
    orders.answer(job, by=mira, hosts=["eu-1"], answer="it_ran")
    assert set(job.host_runs.values_list("holds_host", flat=True)) == {True}


def test_giving_up_frees_the_host(game: Game, mira: User) -> None:
    job = start(mira, hosts=["eu-1"])
    run = unknown(job)
    orders.answer(job, by=mira, hosts=["eu-1"], answer="give_up")
    run.refresh_from_db()
    assert (run.state, run.holds_host, run.error) == ("failed", False, "given up by mira")
    conductor.conduct(job.pk)
    job.refresh_from_db()
    assert job.state == "failed"


def test_a_job_that_was_halted_goes_on_without_who_is_given_up(game: Game, mira: User) -> None:
    job = start(mira, rollout={"batches": [1, 1]})
    unknown(job)
    assert job.state == "halted"
    orders.answer(job, by=mira, hosts=["eu-1"], answer="give_up")
    conductor.conduct(job.pk)
    states = job.host_runs.order_by("position").values_list("state", flat=True)
    assert list(states[:2]) == ["failed", "queued"]


def test_giving_up_frees_the_host_also_where_others_of_its_job_are_busy(
    game: Game, mira: User
) -> None:
    job = start(mira, rollout={"batches": [1, 1]})
    run = unknown(job)
    start(mira, hosts=["us-1"])
    orders.answer(job, by=mira, hosts=["eu-1"], answer="give_up")
    run.refresh_from_db()
    job.refresh_from_db()
    assert (run.holds_host, job.state) == (False, "halted")


@pytest.mark.parametrize(
    ("disruptive", "attempts", "down"),
    [
        ("stop", {"state": "lost"}, True),
        ("stop", {"state": "new"}, True),  # it was on its way, and may have begun
        ("stop", {"state": "abandoned"}, False),
        ("start", {"state": "lost"}, False),
        ("", {"state": "lost"}, False),
    ],
)
def test_who_is_given_up_where_players_may_feel_it_is_down(
    disruptive: str, attempts: dict[str, str], down: bool, mira: User
) -> None:
    text = factories.RECIPE.replace(
        f"name: {disruptive}", f"name: {disruptive}\n    disruptive: true"
    )
    game = factories.game(text=text if disruptive else factories.RECIPE)
    factories.release(game)
    factories.host(game, "eu-1")
    job = start(mira)
    unknown(job).attempts.update(**attempts)
    job.host_runs.update(out=True)
    orders.answer(job, by=mira, hosts=["eu-1"], answer="give_up")
    told = Event.objects.filter(job=job, kind="host").latest("seq").data or {}
    run = job.host_runs.get()
    assert (run.down, told.get("down", False), run.out) == (down, down, False)


def test_an_answer_nobody_waits_for_is_refused(game: Game, mira: User) -> None:
    job = start(mira, hosts=["eu-1"])
    with pytest.raises(OrderRefused, match="eu-1 awaits no answer"):
        orders.answer(job, by=mira, hosts=["eu-1"], answer="it_ran")


def test_starting_many_hosts_takes_few_queries(
    game: Game, mira: User, django_assert_max_num_queries: Callable[..., Any]
) -> None:
    for number in range(300):
        machine = Machine.objects.create(name=f"box-{number}")
        factories.host(game, f"host-{number}", machine=machine)
    with django_assert_max_num_queries(25):
        start(mira)


def test_what_cannot_be_written_down_is_not_started(game: Game, mira: User) -> None:
    with audits.unwritable(), pytest.raises(AuditUnwritable, match="the audit cannot be written"):
        start(mira)
    assert not Job.objects.exists()


def test_a_cancel_needs_no_audit_and_is_written_down_later(game: Game, mira: User) -> None:
    job = start(mira)
    with audits.unwritable():
        orders.cancel(job, by=mira)
    job.refresh_from_db()
    assert job.cancelled
    start(mira)
    told = list(AuditEntry.objects.order_by("number").values_list("action", "game"))
    assert told == [("start_job", "squid"), ("cancel_job", "squid"), ("start_job", "squid")]


@pytest.mark.django_db(transaction=True)
def test_an_order_stands_also_where_its_bell_breaks(
    game: Game, mira: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(job_id: int) -> NoReturn:
        raise RuntimeError("a bell that breaks")

    job = start(mira)
    monkeypatch.setattr(bells, "ring_job", broken)
    assert orders.cancel(job, by=mira).cancelled
