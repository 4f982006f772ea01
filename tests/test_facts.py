"""What is so of all hosts that failed alike, and of none that is well."""

from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from deploy_tasks.models import Host, HostRun, Job, Machine
from deploy_tasks.states import HostRunState
from tests import factories, scenes
from webapp.failures import failures

pytestmark = pytest.mark.django_db

RECIPE = scenes.RECIPE.replace("vars:\n", "vars:\n  key: {type: secret}\n")


@pytest.fixture
def job() -> Job:
    return factories.job(factories.game("squid", text=RECIPE))


def hosts(
    job: Job, count: int, state: HostRunState, *, previous: str = "1.0", **more: Any
) -> list[HostRun]:
    made = [factories.host(job.game, **more) for _ in range(count)]
    given = {"state": state, "holds_host": False, "previous": previous, "error": "it is not well"}
    return [HostRun.objects.create(job=job, host=one, name=one.name, **given) for one in made]


def well(job: Job, count: int = 5, **more: Any) -> list[HostRun]:
    return hosts(job, count, HostRunState.SUCCEEDED, **more)


def failed(job: Job, count: int = 3, **more: Any) -> list[HostRun]:
    return hosts(job, count, HostRunState.FAILED, **more)


def shared(job: Job) -> list[tuple[str, str, str]]:
    (cause,) = failures(job)["causes"]
    return [(one["fact"], one["name"], one["value"]) for one in cause["shared"]]


def test_what_all_that_failed_have_and_none_that_is_well_is_told(job: Job) -> None:
    failed(job, labels={"region": "eu", "shard": "a"}, previous="0.9")
    well(job, labels={"region": "us", "shard": "a"})
    assert shared(job) == [("label", "region", "eu"), ("previous", "", "0.9")]


def test_machines_and_variables_are_told_and_no_secrets(job: Job) -> None:
    machine = Machine.objects.create(name="m-3")
    failed(job, machine=machine, vars={"root": "/srv/b", "key": "eu-key"})
    well(job, vars={"root": "/srv/a", "key": "us-key"})
    assert shared(job) == [("machine", "", "m-3"), ("variable", "root", "/srv/b")]
    Job.objects.filter(pk=job.pk).update(vars={"root": "/srv/c"})  # the same for all of them
    assert shared(Job.objects.get()) == [("machine", "", "m-3")]


def test_what_one_that_is_well_has_too_or_one_that_failed_has_not_is_not_told(job: Job) -> None:
    failed(job, 2, labels={"region": "eu"})
    failed(job, 1, labels={"region": "ap"})
    well(job)
    assert shared(job) == []
    Host.objects.update(labels={"region": "eu"})
    assert shared(job) == []


@pytest.mark.parametrize(("bad", "good"), [(2, 9), (9, 4)])
def test_few_hosts_may_have_something_in_common_by_chance(job: Job, bad: int, good: int) -> None:
    failed(job, bad, labels={"region": "eu"})
    well(job, good)
    assert shared(job) == []


def test_a_host_that_is_no_longer_in_the_inventory_has_nothing_in_common(job: Job) -> None:
    failed(job, labels={"region": "eu"})[0].host.delete()  # type: ignore[union-attr]
    well(job)
    assert shared(job) == []


def test_hosts_with_a_clear_cause_may_have_it_for_something_they_share(job: Job) -> None:
    failed(job, labels={"region": "eu"})
    well(job)
    HostRun.objects.update(error="fatal: No space left on device")
    assert shared(job) == [("label", "region", "eu")]


def test_many_hosts_cost_two_queries(job: Job) -> None:
    counts = []
    for _ in range(2):
        failed(job, 20, labels={"region": "eu"})
        well(job, 20)
        with CaptureQueriesContext(connection) as queries:
            assert shared(job) == [("label", "region", "eu")]
        counts.append(len(queries))
    assert counts[0] == counts[1]
