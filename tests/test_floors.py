"""Enough hosts stay up, whatever several jobs want."""

from typing import Any

import pytest
from django.contrib.auth.models import User
from django.utils import timezone
from hypothesis import given, settings
from hypothesis import strategies as st

from deploy_tasks import bells, conductor, floors, orders
from deploy_tasks.models import Batch, Game, Host, HostRun, Job, Machine
from deploy_tasks.rollout.floor import MACHINE, Wanting, admit, strictest
from tests import factories

EU, US, BOX = ("region", "eu"), ("region", "us"), (MACHINE, "box")


def want(*hosts: tuple[str, set[tuple[str, str]]]) -> list[Wanting]:
    return [Wanting(name, frozenset(groups)) for name, groups in hosts]


@pytest.mark.parametrize(
    ("down", "allowed", "enter", "wait"),
    [
        pytest.param({}, {}, ["a", "b", "c"], {}, id="no limit"),
        pytest.param({}, {EU: 1}, ["a", "c"], {"b": EU}, id="one at a time"),
        pytest.param({EU: 1}, {EU: 1}, ["c"], {"a": EU, "b": EU}, id="one is down already"),
        pytest.param({EU: 5}, {EU: 2}, ["c"], {"a": EU, "b": EU}, id="more are than may be"),
        pytest.param({}, {BOX: 1}, ["a"], {"b": BOX, "c": BOX}, id="on one machine"),
        pytest.param({}, {EU: 2, BOX: 2}, ["a", "b"], {"c": BOX}, id="each limit by itself"),
    ],
)
def test_who_may_go_down(
    down: dict[Any, int], allowed: dict[Any, int], enter: list[str], wait: dict[str, Any]
) -> None:
    hosts = want(("a", {EU, BOX}), ("b", {EU, BOX}), ("c", {US, BOX}))
    admission = admit(hosts, down, allowed)
    assert (admission.enter, admission.wait) == (enter, wait)


def test_of_several_limits_the_strictest_holds() -> None:
    assert strictest([{EU: 3, US: 1}, {EU: 2}]) == {EU: 2, US: 1}


GROUPS = st.sets(st.sampled_from([EU, US, BOX]))


@settings(deadline=None)
@given(
    hosts=st.lists(GROUPS, max_size=20),
    down=st.dictionaries(st.sampled_from([EU, US, BOX]), st.integers(0, 5)),
    allowed=st.dictionaries(st.sampled_from([EU, US, BOX]), st.integers(0, 5)),
)
def test_a_floor_is_never_broken_and_nobody_waits_for_nothing(
    hosts: list[set[Any]], down: dict[Any, int], allowed: dict[Any, int]
) -> None:
    wanting = want(*((str(n), groups) for n, groups in enumerate(hosts)))
    admission = admit(wanting, down, allowed)
    assert sorted([*admission.enter, *admission.wait]) == sorted(one.host for one in wanting)
    of = {one.host: one.groups for one in wanting}

    def now(group: Any) -> int:
        return down.get(group, 0) + sum(group in of[name] for name in admission.enter)

    for group, most in allowed.items():
        assert now(group) <= max(most, down.get(group, 0))
    for group in admission.wait.values():
        assert now(group) >= allowed[group]


@pytest.fixture
def squid(db: None, monkeypatch: pytest.MonkeyPatch) -> Game:
    monkeypatch.setattr(bells, "ring_job", lambda pk: None)
    monkeypatch.setattr(bells, "ring_host_runs", lambda pks: None)
    return factories.game("squid")


def held(of: Game, hosts: list[Host], **rollout: Any) -> Job:
    """A job all of whose hosts stand before their first disruptive step."""
    job = factories.job(of, state="running", started_at=timezone.now(), rollout=rollout)
    for position, host in enumerate(hosts):
        HostRun.objects.create(
            job=job,
            host=host,
            name=host.name,
            position=position,
            state="paused",
            held=True,
            fence=1,
        )
    return job


def hosts(of: Game, count: int, **more: Any) -> list[Host]:
    return [factories.host(of, **more) for _ in range(count)]


def states(job: Job) -> list[str]:
    conductor.conduct(job.pk)
    job.refresh_from_db()
    return list(job.host_runs.order_by("position").values_list("state", flat=True))


def end(job: Job, state: str, **more: Any) -> None:
    running = job.host_runs.filter(state="queued")
    running.update(**({"state": state, "out": False, "holds_host": False} | more))


def test_a_share_of_a_labels_value_is_down_at_once(squid: Game) -> None:
    job = held(squid, hosts(squid, 8, labels={"region": "eu"}), max_down={"region": "25%"})
    assert states(job) == ["queued"] * 2 + ["paused"] * 6
    waits = job.host_runs.filter(state="paused").first()
    assert waits
    assert waits.reason == "waits: at most 2 of region=eu may be down at a time"
    assert job.wake_at
    end(job, "succeeded")
    assert states(job) == ["succeeded"] * 2 + ["queued"] * 2 + ["paused"] * 4


def test_nobody_else_goes_down_where_too_many_have_failed(squid: Game, mira: User) -> None:
    """Also of those that have come as far as that."""
    job = held(
        squid, hosts(squid, 3, labels={"region": "eu"}), max_down={"region": 2}, max_failed=0
    )
    assert states(job) == ["queued", "queued", "paused"]
    job.host_runs.filter(position=0).update(state="succeeded", out=False, holds_host=False)
    job.host_runs.filter(position=1).update(state="failed", out=False, holds_host=False)
    assert states(job) == ["succeeded", "failed", "paused"]
    job.refresh_from_db()
    assert (job.state, job.reason) == ("halted", "1 host failed, at most 0 may")
    orders.change(job, by=mira, max_failed=1)
    assert states(job) == ["succeeded", "failed", "queued"]


def test_another_value_has_a_share_of_its_own(squid: Game) -> None:
    both = [*hosts(squid, 2, labels={"region": "eu"}), *hosts(squid, 2, labels={"region": "us"})]
    assert states(held(squid, both, max_down={"region": 1})) == ["queued", "paused"] * 2


def test_a_host_that_stays_down_keeps_its_place_until_it_is_up(squid: Game, mira: User) -> None:
    job = held(squid, hosts(squid, 2, labels={"region": "eu"}), max_down={"region": 1})
    assert states(job) == ["queued", "paused"]
    end(job, "failed", down=True)
    assert states(job) == ["failed", "paused"]
    orders.retry(job, by=mira)
    assert job.host_runs.filter(out=True).count() == 1, "also while it waits for its retry"
    assert states(job) == ["queued", "paused"]
    end(job, "succeeded")
    assert states(job) == ["succeeded", "queued"]


def test_who_is_down_is_tried_again_before_its_batch_where_others_wait_for_its_place(
    squid: Game,
) -> None:
    job = held(squid, hosts(squid, 2, labels={"region": "eu"}), max_down={"region": 1})
    Batch.objects.create(job=job, n=2)
    again = {"state": "waiting", "held": False, "out": True}
    job.host_runs.filter(position=1).update(batch=2, **again)
    assert states(job) == ["paused", "queued"]
    end(job, "succeeded")
    assert states(job) == ["queued", "succeeded"]


def test_a_later_job_brings_a_host_up_again(squid: Game) -> None:
    eu = hosts(squid, 2, labels={"region": "eu"})
    old = held(squid, eu[:1], max_down={"region": 1})
    states(old)
    end(old, "failed", down=True)
    states(old)
    again = held(squid, eu[:1], max_down={"region": 1})
    assert states(again) == ["queued"], "it is down already, and takes nobody's place"
    end(again, "succeeded")
    assert states(again) == ["succeeded"]
    assert states(held(squid, eu[1:], max_down={"region": 1})) == ["queued"]


def test_two_jobs_on_one_machine_take_turns(squid: Game) -> None:
    box = Machine.objects.create(name="box-7")
    chess = factories.game("chess")
    first = held(squid, hosts(squid, 2, machine=box), per_machine=1)
    second = held(chess, hosts(chess, 2, machine=box))
    assert states(first) == ["queued", "paused"]
    assert states(second) == ["paused", "paused"]
    why = second.host_runs.first()
    assert why
    assert why.reason == "waits: at most 1 on machine box-7 may be down at a time"
    end(first, "succeeded")
    assert states(second) == ["queued", "paused"]
    assert states(first) == ["succeeded", "paused"]


def test_a_limit_is_no_business_of_another_games_label(squid: Game) -> None:
    chess = factories.game("chess")
    states(held(squid, hosts(squid, 1, labels={"region": "eu"}), max_down={"region": 1}))
    assert states(held(chess, hosts(chess, 1, labels={"region": "eu"}))) == ["queued"]


def test_a_host_run_that_is_under_way_without_a_limit_is_counted(squid: Game) -> None:
    eu = hosts(squid, 3, labels={"region": "eu"})
    free = factories.job(squid, state="running")
    HostRun.objects.create(job=free, host=eu[0], name=eu[0].name, state="running", out=True)
    job = held(squid, eu[1:], max_down={"region": 2})
    assert states(job) == ["queued", "paused"]
    assert floors.limits_in_force(squid.pk, own=free.pk)
    assert not floors.limits_in_force(squid.pk, own=job.pk)


def test_nobody_goes_down_in_a_job_that_is_paused(squid: Game, mira: User) -> None:
    job = held(squid, hosts(squid, 1, labels={"region": "eu"}), max_down={"region": 1})
    orders.pause(job, by=mira)
    assert states(job) == ["paused"]
    orders.resume(job, by=mira)
    assert states(job) == ["queued"]


def test_a_host_that_waits_to_go_down_can_be_cancelled(squid: Game, mira: User) -> None:
    job = held(squid, hosts(squid, 2, labels={"region": "eu"}), max_down={"region": 1})
    states(job)
    orders.cancel(job, by=mira)
    assert states(job) == ["queued", "queued"]
    assert set(job.host_runs.values_list("wish", flat=True)) == {"cancel_undo"}


def test_who_waits_to_go_down_takes_nobodys_place(squid: Game, mira: User) -> None:
    """Else the retry of a host that is down would wait for the one that waits for it."""
    eu = hosts(squid, 2, labels={"region": "eu"})
    job = held(squid, eu, max_down={"region": 1}, parallel=1)
    assert states(job) == ["queued", "paused"]
    end(job, "failed", down=True)
    assert states(job) == ["failed", "paused"]
    orders.retry(job, by=mira)
    assert states(job) == ["queued", "paused"]


def test_no_more_are_let_in_than_may_run_at_a_time(squid: Game) -> None:
    job = held(squid, hosts(squid, 3, labels={"region": "eu"}), max_down={"region": 3}, parallel=2)
    assert states(job) == ["queued", "queued", "paused"]
    end(job, "succeeded")
    assert states(job) == ["succeeded", "succeeded", "queued"]
