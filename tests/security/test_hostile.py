"""Hostile inventory, recipes and orders: names that would be options or commands, texts that would
be code, and a recipe that changes under a job."""

import json
import subprocess
from typing import Any

import pytest
from django.test import Client

from deploy_tasks import commands, revisions
from deploy_tasks.models import Game, Host, Job
from tests import factories
from tests.api import Caller, caller, error
from webapp.models import Role

pytestmark = pytest.mark.django_db

NAMES = [
    "-oProxyCommand=touch /tmp/pwn",
    "a b",
    "a;b",
    "$(x)",
    "`x`",
    "a\nb",
    "../x",
    "a\u2028b",
    "<img src=x onerror=alert(1)>",
    "{{ secret }}",
    "",
    "x" * 300,
]


@pytest.fixture
def squid() -> Game:
    game = factories.game("squid")
    factories.release(game, "2.0")
    factories.host(game, "eu-1")
    return game


@pytest.fixture
def anna(squid: Game) -> Caller:
    return caller("anna", Role.ADMINISTRATOR, squid)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("field", ["name", "address", "user", "credential", "machine", "via"])
def test_s20_what_is_no_name_is_refused(anna: Caller, field: str, name: str) -> None:
    entry = {"name": "eu-2", "game": "squid", "address": "127.1.0.1", "user": "game"}
    answer = anna.post("/hosts", entry | {"credential": "fleet", field: name})
    # A database takes no NUL, and JSON that has one is refused before that.
    assert answer.status_code in (400, 422), answer.content
    assert Host.objects.count() == 1


@pytest.mark.parametrize("path", ["/hosts/eu%001/", "/hosts/%2e%2e/", "/hosts/a%3Bb/", "/jobs/-1/"])
def test_s06_an_address_that_names_nothing_is_not_there(anna: Caller, path: str) -> None:
    assert anna.get(path.rstrip("/")).status_code in (400, 404)


def test_s12_an_order_that_mixes_in_hosts_of_another_game_starts_nothing(anna: Caller) -> None:
    factories.host(factories.game("paper"), "paper-1")
    order = {"game": "squid", "version": "2.0", "hosts": ["eu-1", "paper-1"]}
    answer = anna.post("/jobs", order)
    assert (answer.status_code, error(answer)["field"]) == (422, "hosts[1]")
    assert not Job.objects.exists()


def test_s12_a_retry_of_another_games_job_starts_nothing(anna: Caller) -> None:
    job = factories.job(factories.game("paper"), hosts=1, state="failed")
    assert anna.post(f"/jobs/{job.pk}/retry").status_code == 404
    assert anna.post(f"/jobs/{job.pk}/retry", {"hosts": ["eu-1"]}).status_code == 404


def test_s13_a_job_keeps_the_recipe_it_was_started_with(anna: Caller, squid: Game) -> None:
    order = {"game": "squid", "version": "2.0", "all": True}
    job = Job.objects.get(pk=anna.post("/jobs", order).json()["id"])
    text = factories.RECIPE.replace("recipe: steps", f"recipe: {squid.recipe.name}")
    revisions.store(text.replace("echo stopping", "touch /tmp/pwn"), file="")
    job.refresh_from_db()
    assert squid.recipe.newest() != job.revision
    assert "pwn" not in job.revision.text


@pytest.mark.parametrize(
    "value",
    ["$(touch pwn)", "`touch pwn`", "'", "-rf", "--flag", "..", "a\u2028b", 'x"; touch pwn'],
)
def test_s21_a_value_arrives_as_one_argument_and_runs_nothing(value: str, tmp_path: Any) -> None:

    text = commands.Variables({"given": value}).assignments
    script = f'{text}\nprintf "%s" "$given"'
    done = subprocess.run(["dash", "-c", script], cwd=tmp_path, capture_output=True, check=True)
    assert done.stdout.decode() == value
    assert not list(tmp_path.iterdir())


def test_s23_json_that_two_readers_would_read_differently_is_refused(anna: Caller) -> None:
    twice = '{"game": "squid", "game": "paper", "version": "2.0", "all": true}'
    answer = anna.client.generic("POST", "/api/v1/jobs", twice, content_type="application/json")
    assert answer.status_code == 400
    assert json.loads(answer.content)["error"]["code"] == "not_json"


# ---- what makes a program break


#: Each breaks a reader of JSON, a database, or the page that shows it again.
JSON = {
    "a number beyond reason": "9" * 5000,
    "nested beyond reason": "[" * 100_000,
    "half a character": '{"a": "\\ud800"}',
    "half a name": '{"\\ud800": 1}',
    "no character": '{"a": "\\u0000"}',
    "no number": '{"a": NaN}',
    "the same name twice": '{"a": 1, "a": 2}',
}


@pytest.fixture
def boss(squid: Game) -> Client:
    client = Client()
    client.force_login(factories.user("boss", is_superuser=True, is_staff=True))
    return client


@pytest.mark.parametrize("text", JSON.values(), ids=JSON)
@pytest.mark.parametrize("path", ["/jobs", "/jobs/plan", "/hosts", "/games", "/hosts/eu-1"])
def test_s23_a_body_that_breaks_its_reader_is_refused(anna: Caller, path: str, text: str) -> None:
    method = "PATCH" if path == "/hosts/eu-1" else "POST"
    answer = anna.client.generic(method, f"/api/v1{path}", text, content_type="application/json")
    assert answer.status_code == 400


@pytest.mark.parametrize("text", JSON.values(), ids=JSON)
def test_s23_a_field_that_breaks_its_reader_is_shown_again(
    boss: Client, squid: Game, text: str
) -> None:
    given = {"recipe_name": squid.recipe.name, "vars": text, "rollouts": text}
    answer = boss.post(f"/admin/deploy_tasks/game/{squid.pk}/change/", given)
    errors = answer.context["adminform"].form.errors
    assert (answer.status_code, {*errors}) == (200, {"vars", "rollouts"})
    squid.refresh_from_db()
    assert squid.vars == squid.rollouts == {}


@pytest.mark.parametrize("text", ["9" * 30, "9" * 5000, "-1", "١٢", "1e9", "[0]", "", "%00"])
@pytest.mark.parametrize(
    "path",
    [
        *("/jobs/?before=", "/jobs/?after=", "/hosts/eu-1/?before=", "/audit/?before="),
        *("/admin/deploy_tasks/host/?label=", "/hosts/?label=", "/admin/deploy_tasks/host/?p="),
    ],
)
def test_s06_an_address_that_makes_no_sense_breaks_nothing(
    boss: Client, path: str, text: str
) -> None:
    assert boss.get(path + text).status_code < 500


@pytest.mark.parametrize("field", ["batches", "canary", "max_failed", "parallel", "soak"])
@pytest.mark.parametrize("text", ["9" * 5000, "9" * 4000 + "%", "1e400", "-1", "x3" * 3000])
def test_s23_a_rollout_beyond_reason_starts_nothing(boss: Client, field: str, text: str) -> None:
    given = {"key": "k", "version": "2.0", "which": "all", "rollout": "custom", field: text}
    assert boss.post("/jobs/new?game=squid", given).status_code < 500
    assert not Job.objects.exists()


def test_a_label_that_is_a_number_is_found_by_its_name(boss: Client, squid: Game) -> None:
    Host.objects.update(labels={"1": "a"})
    answer = boss.get("/admin/deploy_tasks/host/?label=1%3Da")
    assert b"eu-1" in answer.content
    assert b"eu-1" not in boss.get("/admin/deploy_tasks/host/?label=1%3Db").content
