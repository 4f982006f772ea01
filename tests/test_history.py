"""How a host stood in the last 24 hours, and what it printed last."""

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from deploy_tasks.models import Host, HostRun
from tests import factories, scenes
from webapp.history import DAY, day, last_lines

pytestmark = pytest.mark.django_db
NOW = timezone.now()


@pytest.fixture
def host() -> Host:
    return factories.host(factories.game())


def ran(host: Host, hours_ago: float, **more: Any) -> HostRun:
    """For an hour, well."""
    begun = NOW - timedelta(hours=hours_ago)
    times = {"started_at": begun, "ended_at": begun + timedelta(hours=1)}
    given = {"state": "succeeded", "holds_host": False, **times} | more
    job = factories.job(host.game)
    return HostRun.objects.create(job=job, host=host, name=host.name, **given)


def told(host: Host) -> list[tuple[str, bool, float]]:
    return [
        (one.run.state if one.run else "", one.going, round(24 * one.width, 2))
        for one in day(host, now=NOW)
    ]


def test_a_host_without_a_job_has_an_empty_day(host: Host) -> None:
    assert told(host) == [("", False, 24.0)]


def test_a_day_is_what_was_before_what_went_on_and_what_came_of_it(host: Host) -> None:
    ran(host, 30)
    ran(host, 10, state="failed")
    assert told(host) == [("succeeded", False, 14.0), ("failed", True, 1.0), ("failed", False, 9.0)]


def test_what_still_runs_goes_on_until_now(host: Host) -> None:
    ran(host, 2, state="running", ended_at=None)
    assert told(host) == [("", False, 22.0), ("running", True, 2.0)]


def test_what_is_too_short_to_see_is_shown_all_the_same(host: Host) -> None:
    ran(host, 3, ended_at=NOW - timedelta(hours=3) + timedelta(seconds=1))
    assert 0 < day(host, now=NOW)[1].width * DAY.total_seconds() < 600


def test_the_last_lines_are_of_the_newest_attempt_that_printed_any() -> None:
    job = scenes.midway(scenes.game("paper", hosts=20))
    failed = job.host_runs.get(down=True)
    said = last_lines(failed)
    assert said
    assert said.step == "health"
    assert "Address already in use" in said.lines[-2]
    assert "\x1b" not in "".join(said.lines)
    assert said.lines[2].startswith("[03:10:14 WARN]: [EssentialsX]")
    waiting = job.host_runs.filter(state="waiting")[0]
    assert last_lines(waiting) is None
