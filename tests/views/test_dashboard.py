"""The first page."""

from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.utils import timezone

from deploy_tasks.models import Attempt, Game, HostRun, Job
from deploy_tasks.states import HOST_ENDED, AttemptState, HostRunState, JobState, Link
from tests import factories, scenes
from tests.views.pages import browser, text
from webapp import broker

pytestmark = pytest.mark.django_db


def left(job: Job, name: str, state: HostRunState = HostRunState.FAILED, **more: Any) -> HostRun:
    """How a job left a host of its own."""
    host = factories.host(job.game, name)
    holds = state not in HOST_ENDED
    return HostRun.objects.create(
        job=job, host=host, name=name, state=state, holds_host=holds, **more
    )


def printed(run: HostRun, output: bytes) -> None:
    """By the step in which it failed."""
    attempt = Attempt.objects.create(
        host_run=run,
        uid=run.name,
        step=0,
        name="stop",
        number=1,
        state=AttemptState.FAILED,
        exit_status=1,
    )
    scenes.add_output(run.job, attempt, output)


def test_the_dashboard_names_the_hosts_that_are_down_first(squid: Game, viewer: User) -> None:
    job = factories.job(squid, state=JobState.FAILED)
    for host, down, error in (("eu-1", False, "no space"), ("us-1", True, "does not start")):
        HostRun.objects.create(
            job=job,
            host=squid.hosts.get(name=host),
            name=host,
            state=HostRunState.FAILED,
            holds_host=False,
            down=down,
            error=error,
        )
    said = text(browser(viewer).get("/"))
    assert "1 host is down." in said
    assert said.index("does not start") < said.index("no space")


def test_hosts_of_which_the_same_is_said_do_not_crowd_out_the_others(
    squid: Game, viewer: User
) -> None:
    job = factories.job(squid, state=JobState.FAILED)
    ends = {"state": HostRunState.FAILED, "holds_host": False}
    others = ["no space", "wrong sum", "no route", "no such user", "too old"]
    for n, other in enumerate([""] * 25 + others):
        host = factories.host(squid, f"far-{n:02}")
        error, down = (other, False) if other else ("it does not start", True)
        HostRun.objects.create(job=job, host=host, name=host.name, error=error, down=down, **ends)
    said = text(browser(viewer).get("/"))
    assert said.count("it does not start") == 3
    assert f"and 22 more in job #{job.pk} for the same reason" in said
    assert all(other in said for other in others)


def test_hosts_are_folded_by_the_cause_that_is_shown_of_them(squid: Game, viewer: User) -> None:
    """Though the same is said of their step."""
    job = factories.job(squid, state=JobState.FAILED, ended_at=timezone.now())
    for n in range(9):
        line = b"no such host" if n % 2 else b"certificate is not yet valid"
        run = left(
            job, f"far-{n}", error="step “stop” ended with exit status 1", ended_at=job.ended_at
        )
        printed(run, line + b"\nstop failed after 3 tries\n")
    said = text(browser(viewer).get("/"))
    table = said[said.index("Needs a person") : said.index("Versions")]
    assert (table.count("no such host"), table.count("not yet valid")) == (3, 3)
    assert f"and 1 more in job #{job.pk} for the same reason" in table
    assert f"and 2 more in job #{job.pk} for the same reason" in table


def test_who_waits_for_an_answer_comes_first_then_causes_then_hosts(
    squid: Game, viewer: User
) -> None:
    now = timezone.now()
    job = factories.job(squid, state=JobState.HALTED)
    left(job, "up-old", error="no space", ended_at=now - timedelta(hours=2))
    left(job, "up-new", error="wrong sum", ended_at=now)
    left(job, "silent", HostRunState.RUNNING, link=Link.UNREACHABLE, link_since=now)
    left(job, "off-old", error="no route", down=True, ended_at=now - timedelta(hours=1))
    left(job, "off-new", error="too old", down=True, ended_at=now)
    left(job, "asked", HostRunState.UNKNOWN, reason="the worker died", down=True)
    said = text(browser(viewer).get("/"))
    assert "3 hosts are down." in said
    assert "1 unknown, which is down" in said
    places = ["Waits for an answer", "asked", "the worker died", "Failed in the last 24 hours"]
    places += ["Needs a person", "off-new", "off-old", "silent", "up-new", "up-old", "Versions"]
    at = 0
    for place in places:
        at = said.index(place, at)


def test_updates_that_run_are_told_from_those_that_stand_still(squid: Game, viewer: User) -> None:
    for state in (JobState.RUNNING, JobState.HALTED, JobState.PAUSED, JobState.WAITING):
        factories.job(squid, state=state)
    said = text(browser(viewer).get("/"))
    assert "1 update is running." in said
    assert "2 updates stand still." in said
    assert "1 update is still to begin." in said


def test_a_host_that_was_updated_since_is_no_longer_in_trouble(squid: Game, viewer: User) -> None:
    host = squid.hosts.get(name="eu-1")
    for state in (HostRunState.FAILED, HostRunState.SUCCEEDED):
        HostRun.objects.create(
            job=factories.job(squid), host=host, name="eu-1", state=state, holds_host=False
        )
    assert "No host is down." in text(browser(viewer).get("/"))


def test_the_dashboard_warns_before_the_disk_is_full(
    viewer: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "nearly full" not in text(browser(viewer).get("/"))
    monkeypatch.setattr("shutil.disk_usage", lambda _path: (100 << 30, 97 << 30, 3 << 30))
    assert "nearly full: 3.0 GB left." in text(browser(viewer).get("/"))


@pytest.mark.parametrize(
    ("word", "says"), [("away", "has not answered since"), ("full", "has been full since")]
)
def test_pages_say_that_the_broker_is_broken_and_since_when(
    word: str, says: str, squid: Game, viewer: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    job, tab = factories.job(squid), browser(viewer)
    pages = ["/", f"/jobs/{job.pk}/"]
    assert not any("message broker" in text(tab.get(page)) for page in pages)
    since = timezone.now().replace(hour=2, minute=14)
    monkeypatch.setattr(broker.watch, "trouble", broker.Trouble(word, since))
    for page in pages:
        assert f"The message broker {says} {since:%Y-%m-%d} 02:14 UTC ." in text(tab.get(page))
    assert tab.get(f"/api/v1/jobs/{job.pk}/pace").json()["broker"]["word"] == word
    Job.objects.filter(pk=job.pk).update(state="failed")
    assert "message broker" not in text(tab.get(pages[1])), "nothing of it is to begin"


def test_the_dashboard_counts_versions_and_what_is_to_go(squid: Game, viewer: User) -> None:
    HostRun.objects.create(
        job=factories.job(squid),
        host=squid.hosts.get(name="eu-1"),
        name="eu-1",
        state=HostRunState.SUCCEEDED,
        holds_host=False,
        version="2.0",
    )
    said = text(browser(viewer).get("/"))
    assert "squid 3 2.0 1.0 1 2.0 1 not seen yet 2 – 2 to go" in said
    assert "2 to go" in said


def test_no_number_of_failed_hosts_crowds_out_one_that_waits_for_an_answer(
    squid: Game, viewer: User
) -> None:
    job = factories.job(squid, state=JobState.HALTED)
    for n in range(25):
        left(job, f"far-{n:02}", error="no" + " space" * n, down=True, ended_at=timezone.now())
    left(job, "asked", HostRunState.UNKNOWN, reason="the worker died")
    assert "the worker died" in text(browser(viewer).get("/"))
