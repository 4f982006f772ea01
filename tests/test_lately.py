"""What failed in the last 24 hours, by cause."""

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from deploy_tasks.models import Game, HostRun, Job
from deploy_tasks.states import HostRunState, JobState
from tests import factories, scenes
from webapp import lately

pytestmark = pytest.mark.django_db


def failed_job(of: Game, *errors: str, hours_ago: int = 1, **more: Any) -> Job:
    job = factories.job(
        of, state=JobState.FAILED, ended_at=timezone.now() - timedelta(hours=hours_ago)
    )
    for n, error in enumerate(errors):
        name = f"eu-{n}" if of.name == "squid" else f"{of.name}-{n}"
        host = of.hosts.filter(name=name).first() or factories.host(of, name)
        HostRun.objects.create(
            job=job,
            host=host,
            name=host.name,
            position=n,
            state=HostRunState.FAILED,
            holds_host=False,
            ended_at=job.ended_at,
            error=error,
            **more,
        )
    return job


def causes() -> list[lately.Cause]:
    return lately.failed(Job.objects.all())


def test_hosts_that_failed_alike_are_one_cause(squid: Game) -> None:
    failed_job(squid, "no space on eu-0", "no space on eu-1", "wrong sum")
    assert [(cause.cause, cause.hosts) for cause in causes()] == [
        ("no space on …", ["eu-0", "eu-1"]),
        ("wrong sum", ["eu-2"]),
    ]


def test_what_failed_two_days_ago_is_no_news(squid: Game) -> None:
    failed_job(squid, "no space", hours_ago=48)
    assert causes() == []


def test_a_host_that_a_newer_job_has_taken_is_not_retried(squid: Game) -> None:
    failed_job(squid, "no space", "no space", down=True)
    newer = factories.job(squid)
    HostRun.objects.create(job=newer, host=squid.hosts.get(name="eu-0"), name="eu-0")
    (cause,) = causes()
    assert (cause.hosts, cause.overtaken, cause.down) == (["eu-1"], ["eu-0"], 1)


def test_what_is_still_to_do_comes_first(squid: Game) -> None:
    failed_job(squid, "no space")
    failed_job(factories.game("paper"), "wrong sum")
    newer = factories.job(squid)
    HostRun.objects.create(job=newer, host=squid.hosts.get(name="eu-0"), name="eu-0")
    assert [cause.cause for cause in causes()] == ["wrong sum", "no space"]


def test_a_cause_tells_what_the_host_said() -> None:
    scenes.midway(scenes.game("paper", hosts=40))
    assert ("unpack", "No space left on device") in {
        (cause.step, cause.cause) for cause in causes()
    }


def test_a_cause_tells_at_what_its_hosts_were_left_and_from_where_they_go_on() -> None:
    scenes.midway(scenes.game("paper", hosts=40))
    (full,) = [cause for cause in causes() if cause.cause == "No space left on device"]
    assert (full.left, full.again) == ({"1.21.4": len(full.hosts)}, "unpack")
