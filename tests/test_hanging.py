"""Hosts that hang: in which step, for how many times as long as usual, and their last line."""

from datetime import timedelta

import pytest
from django.utils import timezone

from deploy_tasks.models import Attempt, Job
from deploy_tasks.states import AttemptState
from tests import scenes
from webapp.pace import pace


@pytest.fixture
def job(db: None) -> Job:
    return scenes.midway(scenes.game("paper", hosts=300))


def hang(attempt: Attempt, **ago: int) -> str:
    Attempt.objects.filter(pk=attempt.pk).update(started_at=timezone.now() - timedelta(**ago))
    return attempt.host_run.name


def test_hosts_that_hang_are_told_by_step_with_the_last_line_of_the_longest(job: Job) -> None:
    running = Attempt.objects.filter(host_run__job=job, state=AttemptState.RUNNING, name="stage")
    first, second = running.filter(host_run__link="")[:2]
    names = [hang(first, hours=2), hang(second, hours=1)]
    scenes.add_output(job, first, b"waiting\nthe lock is \x1b[31mheld\x1b[0m by 4711\n\n")
    [told] = pace(job)["hanging"]
    assert (told["step"], told["hosts"]) == ("stage", names)
    assert told["line"] == "the lock is held by 4711"
    assert told["times"] == pytest.approx(3600 / 8.4, rel=0.01)


def test_who_is_merely_slow_does_not_hang(job: Job) -> None:
    told = pace(job)
    assert told["slow"]
    assert told["hanging"] == []
