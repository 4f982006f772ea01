"""Every page: for whom it opens, what it shows of other games, what it costs."""

from collections import Counter

import pytest
from django.contrib.auth.models import User
from django.test import Client

from deploy_tasks.models import HostRun, Job
from deploy_tasks.states import JobState
from tests import factories, scenes
from tests.stories import person
from tests.views.pages import browser, queries, text
from webapp.models import Role

pytestmark = pytest.mark.django_db


PAGES = ["/", "/jobs/", "/jobs/new", "/hosts/", "/games/", "/calls/", "/audit/"]


@pytest.mark.parametrize("page", PAGES)
def test_whoever_is_not_logged_in_is_asked_to(page: str) -> None:
    answer = Client().get(page)
    assert answer.status_code == 302
    assert answer["Location"] == f"/login?next={page}"


@pytest.mark.parametrize("page", PAGES[:6])
def test_every_page_opens_for_an_operator_of_one_game(page: str, operator: User) -> None:
    assert browser(operator).get(page).status_code == 200


@pytest.mark.parametrize("page", PAGES)
def test_every_page_opens_on_an_empty_instance(page: str) -> None:
    boss = factories.user("boss", is_superuser=True, is_staff=True)
    assert browser(boss).get(page).status_code == 200


@pytest.mark.parametrize("page", ["/jobs/", "/hosts/", "/games/", "/"])
def test_other_games_are_not_shown(page: str, viewer: User) -> None:
    hidden = factories.game("secret-game")
    factories.job(hidden, hosts=1)
    assert "secret-game" not in text(browser(viewer).get(page))


def test_a_job_of_another_game_is_not_there(viewer: User) -> None:
    job = factories.job(factories.game("secret-game"))
    assert browser(viewer).get(f"/jobs/{job.pk}/").status_code == 404
    assert browser(viewer).get(f"/jobs/{job.pk}/steps").status_code == 404


def test_a_host_of_another_game_is_not_there(viewer: User) -> None:
    factories.host(factories.game("secret-game"), "hidden-1")
    assert browser(viewer).get("/hosts/hidden-1/").status_code == 404


def test_the_audit_takes_a_role_in_all_games(viewer: User) -> None:
    refused = browser(viewer).get("/audit/")
    assert refused.status_code == 403
    assert f"You are logged in as {viewer.username}." in refused.text
    assert '<li><a href="/">Dashboard</a>' in refused.text
    assert browser(person("aud", role=Role.VIEWER)).get("/audit/").status_code == 200


def test_the_games_page_says_where_each_version_is() -> None:
    boss = browser(factories.user("boss", is_superuser=True))
    scenes.midway(scenes.game("paper", hosts=20))
    seen = Counter(HostRun.objects.values_list("version", flat=True))
    rows = {row.version: row for row in boss.get("/games/").context["games"][0][2]}
    assert rows["1.21.8"].on_disk == seen["1.21.8"] > 0
    assert rows["1.21.4"].on_disk == seen["1.21.4"]
    assert list(rows) == ["1.21.8", "1.21.4", ""]
    assert rows[""].on_disk == seen[""]


@pytest.mark.parametrize("page", ["/", "/jobs/", "/hosts/", "/jobs/new?game=paper", "/games/"])
def test_a_page_costs_as_many_queries_with_three_hundred_hosts_as_with_five(page: str) -> None:
    boss = browser(factories.user("boss", is_superuser=True))
    # How long it takes is told of those that run: as many in both.
    few_hosts = scenes.midway(scenes.game("paper", hosts=5))
    few = queries(boss, page)
    Job.objects.filter(pk=few_hosts.pk).update(state=JobState.HALTED)
    scenes.midway(scenes.game("luanti", hosts=300, prefix="l-"))
    assert queries(boss, page.replace("paper", "luanti")) <= few
