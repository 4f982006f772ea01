"""Lists of jobs and hosts, by filter and page."""

import re
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.utils import timezone

from deploy_tasks.models import Game, Job, Sighting
from deploy_tasks.states import HostRunState
from tests import factories
from tests.views.pages import browser, run, text

pytestmark = pytest.mark.django_db


def test_jobs_are_filtered_by_state_and_game(squid: Game, viewer: User) -> None:
    failed, running = (factories.job(squid, state=state) for state in ("failed", "running"))
    said = text(browser(viewer).get("/jobs/?state=failed&game=squid"))
    assert f"#{failed.pk} " in said
    assert f"#{running.pk} " not in said


def test_older_jobs_are_one_page_away(squid: Game, viewer: User) -> None:
    first = factories.job(squid)
    for _ in range(50):
        factories.job(squid)
    page = browser(viewer).get("/jobs/")
    assert f">#{first.pk}<" not in page.content.decode()
    older = re.search(r"before=\d+", page.content.decode())
    assert older
    assert f">#{first.pk}<" in browser(viewer).get(f"/jobs/?{older[0]}").content.decode()


def test_newer_jobs_are_one_page_away_too(squid: Game, viewer: User) -> None:
    jobs = [factories.job(squid).pk for _ in range(120)]
    client = browser(viewer)

    def told(query: str) -> list[int]:
        page = client.get(f"/jobs/?{query}").content.decode()
        return [int(pk) for pk in re.findall(r">#(\d+)<", page)]

    assert told(f"before={jobs[20]}") == jobs[19::-1]
    assert told(f"after={jobs[19]}") == jobs[69:19:-1]
    assert told(f"after={jobs[100]}") == told("") == jobs[:69:-1]


def test_jobs_are_filtered_by_who_and_since_when(squid: Game, viewer: User) -> None:
    old, other, mine = (factories.job(squid) for _ in range(3))
    Job.objects.filter(pk=other.pk).update(by_name="jonas")
    Job.objects.filter(pk=old.pk).update(created_at="2026-01-01T00:00Z")
    said = text(browser(viewer).get("/jobs/?by=Mira&since=2026-01-02"))
    assert f"#{mine.pk} " in said
    assert f"#{other.pk} " not in said
    assert f"#{old.pk} " not in said


def test_what_is_not_over_yet_is_a_filter_of_its_own(squid: Game, viewer: User) -> None:
    over, halted = (factories.job(squid, state=state) for state in ("failed", "halted"))
    said = text(browser(viewer).get("/jobs/?state=open&since=nonsense"))
    assert (f"#{halted.pk} " in said, f"#{over.pk} " in said) == (True, False)


def test_hosts_are_found_by_name_and_by_label(squid: Game, viewer: User) -> None:
    client = browser(viewer)
    by_label, by_name = text(client.get("/hosts/?q=region=us")), text(client.get("/hosts/?q=eu-"))
    assert ("us-1" in by_label, "eu-1" in by_label) == (True, False)
    assert ("us-1" in by_name, "eu-1" in by_name) == (False, True)


def test_labels_narrow_the_hosts_and_their_values_widen_them(squid: Game, viewer: User) -> None:
    factories.host(squid, "ap-1", labels={"region": "ap", "shard": "a"})
    factories.host(squid, "ap-2", labels={"region": "ap", "shard": "b"})
    assert listed(viewer, "label=region=ap&label=region=us") == ["ap-1", "ap-2", "us-1"]
    assert listed(viewer, "label=region=ap&label=region=us&label=shard=a") == ["ap-1"]
    said = text(browser(viewer).get("/hosts/?game=squid"))
    assert "region ap 2 eu 2 us 1 shard a 1 b 1" in said


def listed(user: User, query: str) -> list[str]:
    page = browser(user).get(f"/hosts/?{query}").content.decode()
    return re.findall(r'<tr data-key="([^"]+)"', page)


@pytest.mark.parametrize(
    ("seen", "told"),
    [
        ({"on_disk": "1.0"}, "Running – not asked yet"),
        ({"silence": "timed out"}, "Running – players unknown"),
        ({"running": "1.0", "players": 0}, "Running 1.0 0 players"),
    ],
)
def test_a_game_that_was_not_asked_is_not_told_to_have_kept_silent(
    squid: Game, viewer: User, seen: dict[str, Any], told: str
) -> None:
    Sighting.objects.create(host=squid.hosts.get(name="eu-1"), at=timezone.now(), **seen)
    assert told in text(browser(viewer).get("/hosts/eu-1/"))


def test_hosts_are_found_by_what_they_said_last(squid: Game, viewer: User) -> None:
    for name, version in (("eu-1", "1.0"), ("eu-1", "2.0-rc"), ("eu-1", ""), ("us-1", "1.0")):
        run(squid, name, HostRunState.FAILED, version=version)
    assert listed(viewer, "version=2.0-rc") == ["eu-1"]
    assert listed(viewer, "version=1.0") == ["us-1"]
    assert listed(viewer, "version=-") == ["eu-2"]


@pytest.mark.parametrize(
    ("state", "names"),
    [
        ("trouble", ["eu-1", "us-1"]),
        ("down", ["us-1"]),
        ("failed", ["us-1"]),
        ("unknown", ["eu-1"]),
        ("done", ["eu-2"]),
        ("never", ["ap-1"]),
        ("unpinned", ["ap-1"]),
        ("updating", []),
    ],
)
def test_hosts_are_found_by_how_they_stand(
    state: str, names: list[str], squid: Game, viewer: User
) -> None:
    factories.host(squid, "ap-1", pinned=False)
    run(squid, "eu-2", HostRunState.FAILED)
    run(squid, "eu-2", HostRunState.SUCCEEDED)
    run(squid, "eu-1", HostRunState.UNKNOWN)
    run(squid, "us-1", HostRunState.FAILED, down=True)
    assert listed(viewer, f"state={state}") == names
