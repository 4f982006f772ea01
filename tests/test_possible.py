"""What a job is said to allow (``can``) is what its orders do: every order in every state."""

from collections.abc import Callable, Mapping
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import transaction
from django.utils import timezone

from deploy_tasks import bells, orders
from deploy_tasks.errors import HostsBusy, InvalidInput, OrderRefused
from deploy_tasks.models import Attempt, Batch, Event, HostRun, Job
from deploy_tasks.states import HOST_ENDED, HOST_RETRYABLE, JOB_ENDED, Pause
from tests import factories
from tests.test_rolling_back import RECIPE, did
from webapp import reports

pytestmark = pytest.mark.django_db

#: Columns of a host run, by what is said of it. Those with a fence have been at work.
HOSTS: Mapping[str, dict[str, Any]] = {
    "waiting": {},
    "queued": {"state": "queued"},
    "queued anew": {"state": "queued", "fence": 1, "out": True},
    "waiting anew": {"state": "waiting", "fence": 2},
    "running": {"state": "running", "fence": 1, "out": True},
    "running, not down yet": {"state": "running", "fence": 1, "held": True},
    "out of reach": {"state": "running", "fence": 1, "out": True, "link": "unreachable"},
    "stopped": {"state": "paused", "fence": 1, "out": True},
    "held": {"state": "paused", "fence": 1, "held": True},
    "staged": {"state": "staged", "fence": 1, "held": True},
    "unknown": {"state": "unknown", "fence": 1, "out": True},
    "succeeded": {"state": "succeeded", "fence": 1},
    "skipped": {"state": "skipped"},
    "failed": {"state": "failed", "fence": 1},
    "failed at once": {"state": "failed"},
    "excluded": {"state": "failed", "fence": 1, "excluded": True},
    "rolled back": {"state": "rolled_back", "fence": 1},
    "cancelled": {"state": "cancelled", "fence": 1},
    "cancelled before it began": {"state": "cancelled"},
}
JOBS: Mapping[str, dict[str, Any]] = {
    "waiting": {"state": "waiting"},
    "running": {"state": "running"},
    "paused": {"state": "paused", "pause": "host"},
    "paused after steps": {"state": "paused", "pause": "step"},
    "at a gate": {"state": "paused", "gate": "waiting"},
    "halted": {"state": "halted", "gate": "waiting"},
    "halted and paused, with one that failed": {
        "state": "halted",
        "pause": "step",
        "and": "failed",
    },
    "cancelling": {"state": "running", "cancelled": True},
    "checking": {"state": "paused", "check": "waiting"},
    "staging": {"state": "running", "stage": True},
    "switched": {"state": "running", "stage": True, "switched": True},
    "a halted rollback": {"state": "halted", "back": True},
    "failed": {"state": "failed"},
    "cancelled": {"state": "cancelled", "cancelled": True},
    "a rollback that failed": {"state": "failed", "back": True},
}


@pytest.fixture(autouse=True)
def no_bells(monkeypatch: pytest.MonkeyPatch) -> None:
    for bell in ("ring_job", "ring_host_runs", "ring_calls"):
        monkeypatch.setattr(bells, bell, lambda pks: None)


def names(job: Job, *states: str) -> list[str]:
    return list(job.host_runs.filter(state__in=states).values_list("name", flat=True))


def excludable(job: Job) -> list[str]:
    return names(job, "failed", "rolled_back", "unknown") or list(
        job.host_runs.filter(link="unreachable").values_list("name", flat=True)
    )


ORDERS: Mapping[str, Callable[[Job, User], Any]] = {
    "retry": lambda job, by: orders.retry(job, by=by, hosts=names(job, *HOST_RETRYABLE) or None),
    "cancel": lambda job, by: orders.cancel(job, by=by),
    "answer": lambda job, by: orders.answer(
        job, by=by, hosts=names(job, "unknown"), answer="give_up"
    ),
    "rollback": lambda job, by: orders.rollback(job, by=by),
    "skip": lambda job, by: orders.skip(job, by=by, rest=True),
    "change": lambda job, by: orders.change(job, by=by, parallel=7),
    "exclude": lambda job, by: orders.exclude(job, by=by, hosts=excludable(job)),
    "pause": lambda job, by: orders.pause(job, by=by, after=Pause.STEP),
    "resume": lambda job, by: orders.resume(job, by=by),
    "check": lambda job, by: orders.check(job, by=by),
    "promote": lambda job, by: orders.promote(job, by=by),
    "switch": lambda job, by: orders.switch(job, by=by),
}


def job_with(job: Mapping[str, Any], host: Mapping[str, Any]) -> Job:
    given = dict(job)
    hosts = [host, *([HOSTS[given.pop("and")]] if "and" in given else [])]
    gate, check = given.pop("gate", "closed"), given.pop("check", "")
    stage, switched, back = (given.pop(name, False) for name in ("stage", "switched", "back"))
    of = factories.game(text=RECIPE)
    made = factories.job(
        of,
        hosts=len(hosts),
        paused_by="mira" if given.get("pause") else "",
        start_at=timezone.now() if switched else None,
        rollout={"stage": "ahead"} if stage else {},
        rolls_back=factories.job(of, state="cancelled") if back else None,
        **given,
    )
    made.batches.update(gate=gate, soak_until=timezone.now() if gate == "soaking" else None)
    if check:
        Batch.objects.create(job=made, n=0, gate=check)
    for run, columns in zip(made.host_runs.order_by("position"), hosts, strict=True):
        state = columns.get("state", "waiting")
        # A halt lets those go that wait.
        holds = state not in HOST_ENDED and (made.state, state) != ("halted", "waiting")
        HostRun.objects.filter(pk=run.pk).update(holds_host=holds, previous="1.0", **columns)
        if columns.get("fence") and not columns.get("held"):
            did(run, 1)
        if state == "rolled_back":
            did(run, 1, kind="undo")
        if state == "unknown":
            Attempt.objects.filter(host_run=run).update(state="lost")
    return made


def taken(job: Job, by: User) -> set[str]:
    """Orders that do something, and are not refused."""
    return {name for name, order in ORDERS.items() if does_something(job, order, by)}


def does_something(job: Job, order: Callable[[Job, User], Any], by: User) -> bool:
    told = Event.objects.filter(kind="order")
    before = told.count()
    try:
        with transaction.atomic():
            order(job, by)
            after = told.count()
            raise Undone
    except Undone:
        return after > before
    except (OrderRefused, InvalidInput, HostsBusy):
        return False


class Undone(Exception):
    """Nothing of an order stays."""


def fits(job: str, host: str) -> bool:
    """Whether there can be such a host in such a job."""
    given, columns = JOBS[job], HOSTS[host]
    if given["state"] in JOB_ENDED:
        return columns.get("state") in HOST_ENDED
    if columns.get("state") == "staged":
        return bool(given.get("stage"))
    return True


@pytest.mark.parametrize("job", JOBS)
def test_each_order_is_told_as_possible_where_it_is_taken(job: str, mira: User) -> None:
    wrong = {}
    for host in HOSTS:
        if not fits(job, host):
            continue
        with transaction.atomic():
            made = job_with(JOBS[job], HOSTS[host])
            told = set(reports.job_as_told(made, ordering=True)["can"])
            done = taken(made, mira)
            transaction.set_rollback(True)
        if told != done:
            wrong[host] = {"told in vain": told - done, "untold": done - told}
    assert not wrong, "\n".join(f"{host}: {what}" for host, what in wrong.items())
