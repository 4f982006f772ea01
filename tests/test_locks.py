"""Hosts that share an installation are under way one after the other."""

import pytest
from django.contrib.auth.models import User

from deploy_tasks import bells, conductor, locks, orders
from deploy_tasks.models import Game, Host, HostRun, Job, Machine
from deploy_tasks.states import HostRunState
from tests import factories

pytestmark = pytest.mark.django_db

RECIPE = """\
recipe: shared
vars: {root: {type: path}}
lock: root
steps:
  - {name: unpack, run: 'true'}
  - {name: stop, run: 'true', disruptive: true}
"""


@pytest.fixture(autouse=True)
def nobody_works(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bells, "ring_host_runs", lambda ids: None)
    monkeypatch.setattr(bells, "ring_job", lambda pk: None)


@pytest.fixture
def squid() -> Game:
    game = factories.game("squid", RECIPE)
    factories.release(game)
    return game


def host(of: Game, name: str, root: str, **more: object) -> Host:
    return factories.host(of, name, vars={"root": root}, **({"address": "192.0.2.1"} | more))


def order(game: Game, *hosts: Host, **rollout: object) -> Job:
    mira, _ = User.objects.get_or_create(username="mira")
    names = [one.name for one in hosts]
    terms = {"batches": ["100%"], **rollout}
    given = orders.JobOrder(game=game.name, version="2.0", hosts=names, rollout=terms)
    job, _ = orders.start_job(given, by=mira)
    conductor.conduct(job.pk)
    return job


def stand(job: Job) -> dict[str, str]:
    return dict(job.host_runs.order_by("position").values_list("name", "state"))


def end(run: HostRun, state: str = "succeeded") -> None:
    HostRun.objects.filter(pk=run.pk).update(state=state, holds_host=False)


def test_one_is_under_way_and_the_next_begins_when_it_is_through(squid: Game) -> None:
    a, b, c = host(squid, "a", "/srv/x"), host(squid, "b", "/srv/x"), host(squid, "c", "/srv/y")
    job = order(squid, a, b, c)
    assert stand(job) == {"a": "queued", "b": "waiting", "c": "queued"}
    told = job.host_runs.get(name="b").reason
    assert told == "waits until a is through: the two share an installation"
    job.refresh_from_db()
    assert job.wake_at is not None
    end(job.host_runs.get(name="a"))
    conductor.conduct(job.pk)
    begun = job.host_runs.get(name="b")
    assert (begun.state, begun.reason) == ("queued", "")


@pytest.mark.parametrize("state", [*sorted(locks.KEEPS)])
def test_another_job_waits_while_the_first_is_under_way(squid: Game, state: HostRunState) -> None:
    first = order(squid, host(squid, "a", "/srv/x"))
    HostRun.objects.filter(job=first).update(state=state)
    second = order(squid, host(squid, "b", "/srv/x"))
    assert stand(second) == {"b": "waiting"}
    end(first.host_runs.get(), "failed")
    conductor.conduct(second.pk)
    assert stand(second) == {"b": "queued"}


def test_the_same_path_on_another_machine_is_another_installation(squid: Game) -> None:
    box = Machine.objects.create(name="box")
    job = order(
        squid,
        host(squid, "a", "/srv/x"),
        host(squid, "b", "/srv/x", address="192.0.2.2"),
        host(squid, "c", "/srv/x", machine=box),
        host(squid, "d", "/srv/x", machine=box, address="192.0.2.3"),
    )
    assert [name for name, state in stand(job).items() if state == "waiting"] == ["d"]


def test_those_behind_a_host_that_waits_take_its_place(squid: Game) -> None:
    hosts = [host(squid, name, "/srv/x") for name in "ab"] + [host(squid, "c", "/srv/y")]
    job = order(squid, *hosts, parallel=2)
    assert stand(job) == {"a": "queued", "b": "waiting", "c": "queued"}


def test_hosts_stage_and_switch_one_after_the_other(squid: Game) -> None:
    job = order(squid, host(squid, "a", "/srv/x"), host(squid, "b", "/srv/x"), stage="ahead")
    assert stand(job) == {"a": "queued", "b": "waiting"}
    job.host_runs.filter(name="a").update(state="staged")
    conductor.conduct(job.pk)
    assert stand(job) == {"a": "staged", "b": "queued"}
    job.host_runs.filter(name="b").update(state="staged")
    orders.switch(job, by=User.objects.get())
    conductor.conduct(job.pk)
    assert stand(job) == {"a": "queued", "b": "staged"}


def test_those_behind_a_host_that_stays_staged_go_down_in_its_place(squid: Game) -> None:
    hosts = [host(squid, name, "/srv/x") for name in "ab"] + [host(squid, "c", "/srv/y")]
    job = order(squid, *hosts, stage="ahead", parallel=2)
    job.host_runs.update(state="staged", fence=1)
    orders.switch(job, by=User.objects.get())
    conductor.conduct(job.pk)
    assert stand(job) == {"a": "queued", "b": "staged", "c": "queued"}


def test_a_recipe_without_a_lock_keeps_nobody_apart(squid: Game) -> None:
    paper = factories.game("paper")
    factories.release(paper)
    job = order(paper, *[factories.host(paper, name, address="192.0.2.1") for name in "ab"])
    assert stand(job) == {"a": "queued", "b": "queued"}
