"""Questions whose statement is written once: they answer as the queryset would."""

from typing import Any

import pytest
from django.db.models import Count, QuerySet
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from deploy_tasks.models import Batch, HostRun, Job
from deploy_tasks.prepared import Given, Prepared, PreparedObjects
from deploy_tasks.states import Gate, HostRunState, Link
from tests import factories
from webapp.tally import Tally, tallies

pytestmark = pytest.mark.django_db


@pytest.fixture
def jobs() -> tuple[Job, Job]:
    """Of one game; the second takes the first back, and has more hosts."""
    squid = factories.game()
    first = factories.job(squid, hosts=2)
    return first, factories.job(squid, hosts=3, rolls_back=first)


def _fail(runs: QuerySet[HostRun]) -> None:
    runs.update(state=HostRunState.FAILED, excluded=True, down=True, holds_host=False)


def test_it_answers_as_its_queryset_does_for_whatever_is_given(jobs: tuple[Job, Job]) -> None:
    _fail(jobs[0].host_runs.filter(position=1))

    def counted(job: Any) -> QuerySet[HostRun, tuple[Any, ...]]:
        rows = HostRun.objects.filter(job=job).order_by("state")
        return rows.values_list("state", "excluded", "down").annotate(hosts=Count("pk"))

    prepared = Prepared(lambda: counted(Given("job")))

    for job in jobs:
        assert prepared(job=job.pk) == list(counted(job.pk))
    assert prepared(job=jobs[0].pk) == [("failed", True, True, 1), ("waiting", False, False, 1)]


def test_times_come_as_times(jobs: tuple[Job, Job]) -> None:
    until = timezone.now()
    jobs[1].batches.update(gate=Gate.SOAKING, soak_until=until)
    asked = Batch.objects.filter(job=Given("job")).values_list("soak_until")

    assert Prepared(lambda: asked)(job=jobs[1].pk) == [(until,)]


def test_objects_come_whole_with_what_they_point_at(
    jobs: tuple[Job, Job], django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    prepared = PreparedObjects(lambda: Job.objects.filter(pk=Given("job")), "game", "revision")

    with django_assert_num_queries(2):
        found = [one for job in jobs for one in prepared(job=job.pk)]
        assert [one.game for one in found] == [jobs[0].game] * 2
        assert found[1].revision.recipe_id == jobs[1].revision.recipe_id
    for one, job in zip(found, Job.objects.order_by("pk"), strict=True):
        ours, theirs = (dict(vars(each)) for each in (one, job))
        assert ours.pop("_state").db == theirs.pop("_state").db
        assert ours == theirs
    found[1].save()
    assert prepared(job=0) == []


def test_what_is_pointed_at_comes_with_what_that_points_at_if_anything(
    jobs: tuple[Job, Job], django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    without = jobs[0].host_runs.get(position=1)
    jobs[0].host_runs.filter(pk=without.pk).update(host=None)
    prepared = PreparedObjects(
        lambda: HostRun.objects.filter(job=Given("job")).order_by("position"), "host", "host__game"
    )

    with django_assert_num_queries(1):
        with_host, gone = prepared(job=jobs[0].pk)
        assert with_host.host
        assert with_host.host.game == jobs[0].game
        assert gone.host is None


def test_its_statement_is_written_once(jobs: tuple[Job, Job]) -> None:
    written = []

    def ask() -> QuerySet[HostRun, tuple[Any, ...]]:
        written.append(1)
        named = HostRun.objects.filter(job=Given("job"), name=Given("name"))
        return named.values_list("pk")

    prepared = Prepared(ask)
    found = [prepared(job=run.job_id, name=run.name) for run in HostRun.objects.order_by("pk")]

    assert found == [[(run.pk,)] for run in HostRun.objects.order_by("pk")]
    assert len(written) == 1


def test_one_job_is_counted_as_it_is_among_others(jobs: tuple[Job, Job]) -> None:
    first, second = jobs
    _fail(first.host_runs.filter(position=0))
    second.host_runs.filter(position=1).update(link=Link.UNREACHABLE)
    first.batches.update(canary=True)
    second.batches.update(gate=Gate.SOAKING, soak_until=timezone.now())

    def told(tally: Tally) -> dict[str, Any]:
        return {**vars(tally), "counts": tally.counts}

    among = tallies(jobs)
    for job in jobs:
        assert told(tallies([job])[job.pk]) == told(among[job.pk])
    assert (among[first.pk].down, among[first.pk].rolled_back_by) == (1, second.pk)
    assert among[second.pk].unreachable == 1
