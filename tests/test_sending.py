"""A call that is due is told, by real programs to real receivers, and tried again where not."""

import json
import threading
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from pytest_django import Settings

from deploy_tasks import bells, clock, vault
from deploy_tasks.models import Call, Game, HostRun, Job, Moment, Pager
from deploy_tasks.states import HostRunState, JobState
from tests import factories
from tests.test_outside import Receiver, receiver
from webapp.calls import pagers, sending, webhook
from webapp.models import Grant, Role

pytestmark = pytest.mark.django_db
__all__ = ["receiver"]

SECRET = "correct horse battery"


@pytest.fixture(autouse=True)
def here(settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.HOME = tmp_path
    settings.PRIVATE_KEYS = tmp_path / "keys" / "seal"
    settings.CALL_NETWORKS = ["127.0.0.0/8"]
    settings.CALL_SCHEMES = ["http", "https", "json", "discord"]
    vault.ensure_keys()
    monkeypatch.setattr(bells, "ring_calls", lambda ids: None)


@pytest.fixture
def boss() -> User:
    return factories.user("boss", is_superuser=True)


@pytest.fixture
def job(squid: Game) -> Job:
    job = factories.job(squid, hosts=3, state=JobState.HALTED, reason="a canary host failed")
    first = job.host_runs.order_by("position")[:1].get()
    HostRun.objects.filter(pk=first.pk).update(
        state=HostRunState.FAILED, down=True, holds_host=False
    )
    return job


def add(url: str, by: User, **more: Any) -> Pager:
    return pagers.add(pagers.Wanted("ops", url, secret=SECRET, **more), by=by)


def due(pager: Pager, job: Job | None, moment: Moment = Moment.HALTED, **more: Any) -> Call:
    now = clock.now()
    given = {"pager": pager, "job": job, "moment": moment, "at": now, "due_at": now}
    return Call.objects.create(**(given | more))


def tell(call: Call) -> Call:
    sending.tell(call.pk)
    call.refresh_from_db()
    return call


def test_a_webhook_is_sent_a_signed_sentence_with_a_link_and_the_job(
    receiver: Receiver, boss: User, job: Job
) -> None:
    call = tell(due(add(f"{receiver.url}/hook", boss), job))
    assert (call.state, call.tries) == ("told", 1)
    ((_path, headers, body),) = receiver.taken
    told = json.loads(body)
    assert told["sentence"] == (
        f"Job #{job.pk}, squid 2.0: Halted in batch 1 of 1: 0 of 3 updated, 1 failed,"
        " which is down. (a canary host failed)"
    )
    assert told["link"].endswith(f"/jobs/{job.pk}/")
    assert (told["id"], told["moment"]) == (call.pk, "halted")
    assert told["job"]["state"] == "halted"
    sign = webhook.signature(body, call=call.pk, stamp=headers["webhook-timestamp"], secret=SECRET)
    assert headers["webhook-signature"] == f"v1,{sign}"


def test_a_signature_is_that_of_the_standard() -> None:
    # The example of the standard's own libraries.
    sign = webhook.signature(
        '{"test": 2432232314}',
        call="msg_p5jXN8AQM9LWM0D4loKWxJek",  # type: ignore[arg-type]
        stamp="1614265330",
        secret="whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
    )
    assert sign == "g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_a_chat_is_told_in_the_pagers_language(receiver: Receiver, boss: User, job: Job) -> None:
    url = receiver.url.replace("http", "json")
    tell(due(add(url, boss, language="zh-hans"), job))
    message = json.loads(receiver.taken[0][2])["message"]
    assert message.startswith(f"任务 #{job.pk}，squid 2.0：")
    assert "有灰度区服失败" in message
    assert f"/jobs/{job.pk}/" in message


def test_a_call_that_comes_late_says_what_has_become_of_the_job(
    receiver: Receiver, boss: User, job: Job
) -> None:
    Job.objects.update(state=JobState.RUNNING, reason="")
    tell(due(add(receiver.url, boss), job, at=clock.now() - timedelta(hours=1)))
    told = json.loads(receiver.taken[0][2])["sentence"]
    assert "was halted at" in told
    assert "has gone on since. 0 of 3 updated, 1 failed" in told


def test_unknown_hosts_are_named(receiver: Receiver, boss: User, job: Job) -> None:
    HostRun.objects.update(state=HostRunState.UNKNOWN)
    tell(due(add(receiver.url, boss), job, Moment.UNKNOWN))
    names = ", ".join(run.name for run in job.host_runs.order_by("position"))
    assert f"the outcome on {names} is unknown" in json.loads(receiver.taken[0][2])["sentence"]


def test_unknown_hosts_that_are_answered_for_by_now_wake_nobody(
    receiver: Receiver, boss: User, job: Job
) -> None:
    assert tell(due(add(receiver.url, boss), job, Moment.UNKNOWN)).state == "moot"
    assert not receiver.taken


def test_a_second_bell_and_a_second_worker_tell_nothing_twice(
    receiver: Receiver, boss: User, job: Job
) -> None:
    call = due(add(receiver.url, boss), job)
    for _bell in range(3):
        tell(call)
    assert len(receiver.taken) == 1


def test_a_call_whose_worker_died_is_tried_again_after_its_lease(
    receiver: Receiver, boss: User, job: Job, monkeypatch: pytest.MonkeyPatch
) -> None:
    call = due(add(receiver.url, boss), job)
    monkeypatch.setattr(sending, "_try", lambda call: None)  # dead before it said anything
    tell(call)
    monkeypatch.undo()
    assert tell(call).state == "waiting", "another may still be at it"
    Call.objects.update(due_at=clock.now())
    assert (tell(call).state, call.tries) == ("told", 2)


def test_a_receiver_that_fails_is_tried_more_and_more_seldom_and_then_given_up(
    receiver: Receiver, boss: User, job: Job, settings: Settings
) -> None:
    receiver.status, settings.CALL_TRIES = 500, 3
    call = due(add(receiver.url, boss), job)
    waits = []
    for _try in range(3):
        Call.objects.update(due_at=clock.now())
        tell(call)
        waits.append((call.due_at - clock.now()).total_seconds())
    assert call.state == "failed"
    assert call.error == "the receiver answered 500"
    assert 0 < waits[0] < waits[1]
    assert tell(call).tries == 3
    job.refresh_from_db()
    assert job.state == JobState.HALTED, "the job has nothing to do with it"


def test_a_receiver_that_never_answers_is_left_after_its_time(
    receiver: Receiver, boss: User, job: Job, monkeypatch: pytest.MonkeyPatch
) -> None:
    receiver.hold = threading.Event()
    monkeypatch.setattr(sending, "LIMIT", 1.5)
    call = tell(due(add(receiver.url, boss), job))
    assert (call.state, call.error) == ("waiting", "no end within 1 s")


def test_slow_receivers_take_no_more_threads_than_there_are_seats(
    receiver: Receiver, boss: User, job: Job
) -> None:
    call = due(add(receiver.url, boss), job)
    for _seat in range(4):
        assert sending.SEATS.acquire(blocking=False)
    try:
        assert (tell(call).state, call.tries) == ("waiting", 0)
    finally:
        for _seat in range(4):
            sending.SEATS.release()
    assert tell(call).state == "told"


def test_what_went_wrong_holds_nothing_of_the_address(boss: User, job: Job) -> None:
    token = "JHMHI8qBe7bk2ZwO5U711o3dV_js"
    call = tell(due(add(f"json://127.0.0.1:1/{token}/?key=topsecret", boss), job))
    assert call.error
    assert token not in call.error
    assert "topsecret" not in call.error


def test_a_person_is_told_only_of_what_they_may_see(
    receiver: Receiver, squid: Game, job: Job
) -> None:
    mira = factories.user("mira")
    Grant.objects.create(user=mira, game=squid, role=Role.VIEWER)
    pager = add(receiver.url, mira, game=squid, mine=True)
    Grant.objects.all().delete()
    assert tell(due(pager, job)).state == "moot"
    assert not receiver.taken


def test_a_pager_that_was_taken_away_ends_its_calls(
    receiver: Receiver, boss: User, job: Job
) -> None:
    pager = add(receiver.url, boss)
    call = due(pager, job)
    Pager.objects.filter(pk=pager.pk)._raw_delete("default")
    sending.tell(call.pk)
    assert not Call.objects.exists()


def test_a_pager_that_this_worker_cannot_open_says_so(
    receiver: Receiver, boss: User, job: Job
) -> None:
    pager = add(receiver.url, boss)
    Pager.objects.update(key_id="gone")
    assert "is not on this worker" in tell(due(pager, job)).error


def test_a_test_is_tried_once(receiver: Receiver, boss: User) -> None:
    pager = add(receiver.url, boss)
    assert tell(due(pager, None, Moment.TEST)).state == "told"
    assert "reaches you here" in json.loads(receiver.taken[0][2])["sentence"]
    receiver.status = 500
    assert tell(due(pager, None, Moment.TEST)).state == "failed"
