"""Versions: wanted, on disk, running; and which hosts are known to have drifted."""

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from deploy_tasks import orders, truth
from deploy_tasks.models import Game, Host, HostRun, Job, Sighting
from deploy_tasks.orders import JobOrder
from deploy_tasks.states import HostRunState
from tests import factories

pytestmark = pytest.mark.django_db

NOW = timezone.now()


@pytest.fixture
def squid() -> Game:
    game = factories.game("squid")
    factories.release(game, "2.0")
    factories.release(game, "1.0")
    return game


@pytest.fixture
def host(squid: Game) -> Host:
    """A job for 2.0 ended well on it, an hour ago."""
    run = factories.job(squid, hosts=1).host_runs.get()
    HostRun.objects.filter(pk=run.pk).update(
        state=HostRunState.SUCCEEDED,
        holds_host=False,
        version="2.0",
        ended_at=NOW - timedelta(hours=1),
    )
    assert run.host
    return run.host


def see(host: Host, **what: Any) -> None:
    Sighting.objects.create(host=host, **({"at": NOW} | what))


def told(host: Host) -> truth.Truth:
    return truth.of(Host.objects.filter(pk=host.pk))[host.pk]


def drifted() -> list[str]:
    return [host.name for host in truth.drifted(Host.objects.all())]


def test_a_host_that_nobody_has_seen_is_not_known(squid: Game) -> None:
    assert told(factories.host(squid)) == truth.Truth()


def test_without_a_look_since_the_job_has_the_last_word(host: Host) -> None:
    see(host, on_disk="1.0", running="1.0", at=NOW - timedelta(hours=2))
    found = told(host)
    assert (found.wanted, found.on_disk, found.running, found.players) == ("2.0", "2.0", "", None)
    assert drifted() == []


def test_what_lies_there_now_is_compared_with_what_the_job_left(host: Host) -> None:
    see(host, on_disk="1.0")
    assert told(host).drift == "on disk is 1.0, but the last job left 2.0 there"
    assert drifted() == [host.name]


def test_another_release_that_runs_is_drift(host: Host) -> None:
    see(host, on_disk="2.0", running="1.0", players=7)
    assert told(host).drift == "1.0 runs, but the last job left 2.0 there"
    assert told(host).players == 7
    assert drifted() == [host.name]


@pytest.mark.parametrize("running", ["2.0", "1.20.4 protocol", ""])
def test_what_is_right_or_cannot_be_compared_is_no_drift(host: Host, running: str) -> None:
    see(host, on_disk="2.0", running=running)
    assert told(host).drift == ""
    assert drifted() == []


def test_a_disk_that_was_not_asked_is_no_drift(host: Host) -> None:
    see(host, on_disk=None, running="", silence="the game does not answer")
    found = told(host)
    assert (found.on_disk, found.drift, found.players) == ("2.0", "", None)
    assert drifted() == []


def test_nothing_on_disk_where_a_job_left_something_is_drift(host: Host) -> None:
    see(host, on_disk="")
    assert told(host).drift == "on disk is nothing, but the last job left 2.0 there"
    assert drifted() == [host.name]


@pytest.mark.parametrize("state", [HostRunState.FAILED, HostRunState.UNKNOWN])
def test_a_host_that_needs_a_person_is_no_case_of_drift(host: Host, state: HostRunState) -> None:
    HostRun.objects.update(state=state)
    see(host, on_disk="1.0")
    assert told(host).drift == ""
    assert drifted() == []


def test_what_was_rolled_back_is_wanted_at_what_was_there_before(host: Host) -> None:
    taken_back = HostRun.objects.get()
    back = factories.job(host.game, hosts=0, rolls_back=taken_back.job, state="succeeded")
    HostRun.objects.create(
        job=back,
        host=host,
        name=host.name,
        state=HostRunState.SUCCEEDED,
        holds_host=False,
        undoes=taken_back,
        previous="1.0",
        version="1.0",
        started_at=NOW,
        ended_at=NOW - timedelta(minutes=1),
    )
    see(host, on_disk="1.0", running="1.0")
    assert (told(host).wanted, told(host).drift, truth.wanted(host)) == ("1.0", "", "1.0")
    assert drifted() == []
    Sighting.objects.update(on_disk="2.0")
    assert drifted() == [host.name]


@pytest.mark.parametrize("begun", [{}, {"started_at": NOW, "wish": "leave_out"}])
def test_a_job_that_left_a_host_out_wants_nothing_of_it(host: Host, begun: dict[str, Any]) -> None:
    job = factories.job(host.game, hosts=0, state="succeeded")
    Job.objects.filter(pk=job.pk).update(release=factories.release(host.game, "3.0"))
    HostRun.objects.create(
        job=job,
        host=host,
        name=host.name,
        state=HostRunState.SKIPPED,
        holds_host=False,
        ended_at=NOW,
        **begun,
    )
    see(host, on_disk="2.0")
    assert (told(host).wanted, told(host).drift, truth.wanted(host)) == ("2.0", "", "2.0")
    assert drifted() == []


def test_the_plan_of_the_next_job_tells_it(host: Host, squid: Game) -> None:
    see(host, on_disk="1.0")
    plan = orders.plan_job(
        JobOrder(game="squid", version="2.0", all=True), by=factories.user("mira")
    )
    assert plan.drifted == [
        {"host": host.name, "reason": "on disk is 1.0, but the last job left 2.0 there"}
    ]
    assert plan.refusals == []


def test_all_hosts_are_told_in_few_queries(squid: Game, django_assert_max_num_queries: Any) -> None:
    for _n in range(10):
        see(factories.host(squid), on_disk="1.0")
    with django_assert_max_num_queries(3):
        assert len(truth.of(Host.objects.all())) == 10
