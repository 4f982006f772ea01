"""The form that starts a job, and its plan."""

import re
from datetime import UTC, datetime
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.utils import timezone

from deploy_tasks.models import Game, HostRun, Job
from deploy_tasks.orders import JobOrder, start_job
from deploy_tasks.rollout import Rollout
from deploy_tasks.states import JobState
from tests import factories
from tests.stories import person
from tests.views.pages import browser, order, text
from webapp.forms import VALUES_SHOWN, JobForm
from webapp.models import Role

pytestmark = pytest.mark.django_db


def test_the_form_starts_a_job(bells: list[Any], squid: Game, operator: User) -> None:
    answer = order(browser(operator), note="tonight", var_motd="hi")
    job = Job.objects.get()
    assert answer["Location"] == f"/jobs/{job.pk}/"
    assert (job.by, job.release.version, job.note) == (operator, "2.0", "tonight")
    assert job.vars == {"motd": "hi"}
    assert job.rollout["canary"] == 1
    assert job.host_runs.count() == 3


def test_a_form_that_comes_twice_starts_one_job(
    bells: list[Any], squid: Game, operator: User
) -> None:
    client = browser(operator)
    assert order(client)["Location"] == order(client)["Location"]
    assert Job.objects.count() == 1


def test_a_form_that_was_changed_after_it_was_sent_is_refused_and_gets_a_new_key(
    bells: list[Any], squid: Game, operator: User
) -> None:
    client = browser(operator)
    order(client)
    answer = order(client, version="1.0")
    assert answer.status_code == 409
    assert "this key came before" in text(answer)
    assert 'value="k-1"' not in answer.content.decode()
    assert Job.objects.count() == 1


def test_hosts_are_chosen_by_label(bells: list[Any], squid: Game, operator: User) -> None:
    order(browser(operator), which="label", label_region="eu")
    assert sorted(Job.objects.get().host_runs.values_list("name", flat=True)) == ["eu-1", "eu-2"]


def test_hosts_are_chosen_by_name(bells: list[Any], squid: Game, operator: User) -> None:
    order(browser(operator), which="names", host=["us-1"], names="eu-2, us-1")
    assert sorted(Job.objects.get().host_runs.values_list("name", flat=True)) == ["eu-2", "us-1"]


def test_a_rollout_is_given_by_hand(bells: list[Any], squid: Game, operator: User) -> None:
    order(
        browser(operator),
        rollout="custom",
        canary="2",
        batches="50%, 100%",
        parallel="7",
        max_failed="5%",
    )
    rollout = Job.objects.get().rollout
    assert (rollout["canary"], rollout["batches"]) == (2, ["50%", "100%"])
    assert (rollout["parallel"], rollout["max_failed"]) == (7, "5%")


@pytest.mark.parametrize(
    ("given", "field", "words"),
    [
        ({"version": "9.9"}, "version", "not one of the available choices"),
        ({"which": "names", "names": "eu-9"}, "names", "no host “eu-9”"),
        ({"which": "names"}, "names", "names no host"),
        ({"rollout": "custom", "batches": "50%, 10%"}, "batches", "larger than the one before"),
        ({"rollout": "custom", "parallel": "none"}, "parallel", "Enter a whole number"),
        ({"rollout": "custom", "max_failed": "many"}, "max_failed", "a number of hosts"),
    ],
)
def test_what_cannot_be_used_is_said_beside_its_field(
    given: dict[str, str], field: str, words: str, squid: Game, operator: User
) -> None:
    page = order(browser(operator), **given).content.decode()
    beside = re.search(rf'data-error="{field}"[^>]*>(.*?)</', page, re.DOTALL)
    assert beside
    assert words in beside[1].replace("&#x27;", "'")
    assert not Job.objects.exists()


def test_a_busy_host_refuses_the_order_in_words_beside_the_button(
    bells: list[Any], squid: Game, operator: User
) -> None:
    client = browser(operator)
    order(client)
    answer = order(client, key="k-2")
    assert answer.status_code == 409
    page = answer.content.decode()
    assert page.index('id="go"') < page.index("busy: ")
    assert Job.objects.count() == 1


def test_a_viewer_may_not_start(squid: Game, viewer: User) -> None:
    client = browser(viewer)
    assert order(client).status_code == 403
    assert client.get("/jobs/new?game=squid").status_code == 403
    assert client.post("/jobs/new/plan", {"game": "squid"}).status_code == 403
    assert not Job.objects.exists()


def test_the_plan_says_what_the_form_would_do(squid: Game, operator: User) -> None:
    form = {"key": "k", "game": "squid", "version": "2.0", "which": "all", "rollout": "standard"}
    told = browser(operator).post("/jobs/new/plan", form).json()
    assert told["hosts"] == 3
    assert [batch["size"] for batch in told["batches"]] == [1, 1, 1]
    assert not Job.objects.exists()


def test_the_plan_of_a_wrong_form_names_the_field(squid: Game, operator: User) -> None:
    form = {"key": "k", "game": "squid", "version": "2.0", "which": "names", "names": "nobody"}
    answer = browser(operator).post("/jobs/new/plan", form)
    assert answer.status_code == 422
    assert "no host “nobody”" in answer.json()["errors"]["names"][0]


def test_the_start_page_takes_a_host_and_a_version_from_its_address(
    squid: Game, operator: User
) -> None:
    page = browser(operator).get("/jobs/new?game=squid&host=eu-2&version=1.0").content.decode()
    assert re.search(r'value="eu-2" checked', page)
    assert re.search(r'value="names" checked', page)
    assert re.search(r'value="1.0" checked', page)


def test_an_order_is_given_again_by_the_very_terms_of_an_earlier_one(
    squid: Game, operator: User, viewer: User
) -> None:
    client = browser(operator)
    terms = {"canary": 1, "max_down": {"region": 1}, "stage": "ahead", "preflight": True}
    earlier = start_job(
        JobOrder(game="squid", version="1.0", hosts=["eu-1", "us-1"], rollout=Rollout(**terms)),
        by=operator,
    )[0]
    Job.objects.filter(pk=earlier.pk).update(vars={"motd": "hi"}, state=JobState.CANCELLED)
    HostRun.objects.update(holds_host=False, state="cancelled")
    assert f"/jobs/new?like={earlier.pk}" in client.get(f"/jobs/{earlier.pk}/").content.decode()
    assert "new?like" not in browser(viewer).get(f"/jobs/{earlier.pk}/").content.decode()
    page = client.get(f"/jobs/new?like={earlier.pk}").content.decode()
    for chosen in ("1.0", "names", "eu-1", "us-1", "#like", "now"):
        assert re.search(rf'value="{chosen}" checked', page)
    assert not re.search(r'value="eu-2" checked', page)
    assert re.search(r'name="preflight" checked', page)
    assert 'value="hi"' in page
    form = {"like": str(earlier.pk), "rollout": "#like", "which": "all", "version": "2.0"}
    assert order(client, **form).status_code == 302
    job = Job.objects.latest("pk")
    assert job.rollout == earlier.rollout | {"stage": "in_batch", "preflight": False}
    assert client.get("/jobs/new?like=999").status_code == 404


def test_older_releases_can_be_chosen_too(squid: Game, operator: User) -> None:
    for n in range(8):
        factories.release(squid, f"3.{n}")
    page = browser(operator).get("/jobs/new?game=squid&version=1.0").content.decode()
    assert 'value="1.0" checked' in page
    assert '<details class="older" open>' in page
    assert "4 older releases" in page


def test_an_order_is_given_for_a_time_and_staged_ahead(
    bells: list[Any], squid: Game, operator: User
) -> None:
    client = browser(operator)
    assert "Stage now" in text(client.get("/jobs/new?game=squid"))
    later = {"when": "stage_at", "start_at": "2999-01-01T04:00:00.000Z", "preflight": "on"}
    form = {"key": "k", "game": "squid", "version": "2.0", "which": "all", "rollout": "careful"}
    plan = client.post("/jobs/new/plan", form | later).json()
    assert plan["start_at"] == "2999-01-01T04:00:00.000Z"
    ahead = [step["name"] for step in plan["steps"] if step["ahead"]]
    assert ahead == ["space", "stage", "unpack"]
    assert plan["batches"][0]["canary"]
    order(client, rollout="careful", **later)
    job = Job.objects.get()
    assert job.start_at == datetime(2999, 1, 1, 4, tzinfo=UTC)
    terms = job.rollout
    assert (terms["stage"], terms["preflight"], terms["gate"]) == ("ahead", True, "manual")


def test_a_recipe_that_takes_nobody_down_is_not_staged(operator: User, squid: Game) -> None:
    calm = factories.RECIPE.replace("- name: stop", "- name: hello")
    squid.recipe.revisions.create(number=2, text=calm, sha256="2" * 64)
    assert "Stage now" not in text(browser(operator).get("/jobs/new?game=squid"))


def test_a_time_that_is_not_said_is_asked_for(squid: Game, operator: User) -> None:
    form = {"key": "k", "game": "squid", "version": "2.0", "which": "all", "when": "at"}
    answer = browser(operator).post("/jobs/new/plan", form)
    assert answer.json()["errors"] == {"start_at": ["Say at what time."]}


def test_the_plan_names_hosts_that_have_the_version_already(squid: Game, operator: User) -> None:
    host = squid.hosts.get(name="eu-1")
    done = factories.job(squid, state="succeeded")
    Job.objects.update(release=squid.releases.get(version="2.0"))
    HostRun.objects.create(
        job=done, host=host, name="eu-1", state="succeeded", version="2.0", holds_host=False
    )
    HostRun.objects.update(ended_at=timezone.now())
    form = {"key": "k", "game": "squid", "version": "2.0", "which": "all", "rollout": "standard"}
    client = browser(operator)
    assert client.post("/jobs/new/plan", form).json()["skipped"] == [
        {"host": "eu-1", "reason": "has 2.0 already, as it was last seen"}
    ]
    assert client.post("/jobs/new/plan", form | {"force": "on"}).json()["skipped"] == []


def test_the_hosts_to_pick_from_are_told_with_their_labels_and_jobs(
    squid: Game, operator: User, viewer: User
) -> None:
    job = factories.job(squid, state="running")
    host = squid.hosts.get(name="eu-1")
    HostRun.objects.create(job=job, host=host, name="eu-1", state="running")
    told = browser(operator).get("/jobs/new/hosts?game=squid").json()["hosts"]
    assert [one["name"] for one in told] == ["eu-1", "eu-2", "us-1"]
    assert [one["busy"] for one in told] == [job.pk, None, None]
    assert (told[0]["address"], told[0]["labels"]) == (host.address, host.labels)
    assert browser(viewer).get("/jobs/new/hosts?game=squid").status_code == 403


def test_a_label_with_very_many_values_is_typed(squid: Game) -> None:
    for n in range(VALUES_SHOWN + 1):
        factories.host(squid, labels={"rack": str(n)})
    form = JobForm(squid)
    assert not hasattr(form.fields["label_rack"], "choices")


def test_only_an_administrator_of_the_game_is_offered_to_add_a_release(
    squid: Game, operator: User
) -> None:
    anna = browser(person("anna", game=squid, role=Role.ADMINISTRATOR))
    for page in ("/jobs/new?game=squid", "/games/"):
        assert "Add a release" in text(anna.get(page))
        assert "Add a release" not in text(browser(operator).get(page))


def test_a_careful_rollout_halts_at_the_first_failure(
    bells: list[Any], squid: Game, operator: User
) -> None:
    order(browser(operator), rollout="careful")
    assert Job.objects.get().rollout["max_failed"] == 0
