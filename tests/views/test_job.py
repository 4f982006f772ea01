"""The page of a job."""

import pytest
from django.contrib.auth.models import User
from django.db import connection

from deploy_tasks.models import Game
from deploy_tasks.states import HostRunState
from tests import factories, scenes
from tests.views.pages import browser, queries, text
from webapp.views.jobs import chapters

pytestmark = pytest.mark.django_db


def test_a_job_page_says_how_it_stands_and_hands_over_what_the_script_needs(
    squid: Game, viewer: User
) -> None:
    job = scenes.midway(scenes.game("paper", hosts=5))
    client = browser(factories.user("boss", is_superuser=True))
    answer = client.get(f"/jobs/{job.pk}/")
    page = answer.context["page"]
    assert page["job"]["verdict"] in text(answer)
    assert page["steps"] == scenes.STEPS
    assert [item["what"] for item in page["activity"] if item["k"] == "order"] == ["start"]
    assert client.get(page["urls"]["hosts"]).status_code == 200
    assert client.get(page["urls"]["events"]).status_code == 200


@pytest.mark.skipif(connection.vendor != "sqlite", reason="plans of so few rows tell nothing there")
def test_the_chapters_of_a_job_are_not_looked_for_among_all_its_output(squid: Game) -> None:
    job = scenes.midway(scenes.game("paper", hosts=5))
    assert "chapters_of_a_job" in chapters(job).explain()


def test_the_steps_of_a_job_are_the_newest_attempt_of_each(squid: Game, viewer: User) -> None:
    job = scenes.midway(scenes.game("paper", hosts=5))
    boss = browser(factories.user("boss", is_superuser=True))
    told = boss.get(f"/jobs/{job.pk}/steps").json()
    assert told["as_of_seq"] == job.last_seq
    failed = next(run for run in job.host_runs.all() if run.state == HostRunState.FAILED)
    steps = told["hosts"][failed.name]
    assert [step["step"] for step in steps] == list(scenes.STEPS)
    assert (steps[-1]["state"], steps[-1]["rc"], steps[-1]["seconds"]) == ("failed", 1, 38.0)


def test_a_step_is_told_beside_its_undo_until_it_is_done_again(squid: Game) -> None:
    job = scenes.midway(scenes.game("paper", hosts=5))
    boss = browser(factories.user("boss", is_superuser=True))
    failed = next(run for run in job.host_runs.all() if run.state == HostRunState.FAILED)

    def told() -> list[tuple[str, str]]:
        steps = boss.get(f"/jobs/{job.pk}/steps").json()["hosts"][failed.name]
        return [(step["kind"], step["state"]) for step in steps if step["step"] == "health"]

    again = failed.attempts.get(name="health")
    again.pk, again.uid, again.kind, again.state = None, "undone", "undo", "succeeded"
    again.save()
    assert told() == [("do", "failed"), ("undo", "succeeded")]
    again.pk, again.uid, again.kind, again.number = None, "again", "do", 2
    again.save()
    assert told() == [("do", "succeeded")]


def test_what_a_person_wrote_is_text_and_not_markup(squid: Game, viewer: User) -> None:
    job = factories.job(squid, note="<img src=x onerror=alert(1)></script>")
    page = browser(viewer).get(f"/jobs/{job.pk}/").content.decode()
    assert "<img" not in page
    assert "&lt;img src=x" in page


def test_a_job_page_costs_the_same_queries_with_three_hundred_hosts() -> None:
    boss = browser(factories.user("boss", is_superuser=True))
    small = scenes.midway(scenes.game("paper", hosts=3))
    large = scenes.midway(scenes.game("luanti", hosts=300, prefix="l-"))
    # Of three hosts too few are through a step: earlier jobs are asked, too.
    assert queries(boss, f"/jobs/{large.pk}/") <= queries(boss, f"/jobs/{small.pk}/")
    assert queries(boss, f"/jobs/{large.pk}/steps") == queries(boss, f"/jobs/{small.pk}/steps")


def test_the_plan_of_a_job_shows_every_step_with_its_script() -> None:
    boss = browser(factories.user("boss", is_superuser=True))
    job = scenes.midway(scenes.game("paper", hosts=5))
    page = boss.get(f"/jobs/{job.pk}/").content.decode()
    assert page.count('<details class="plan">') == len(scenes.STEPS)
    assert "<samp>test -d &quot;$root&quot;</samp>" in page
