"""Hostile inventory, recipes and orders: names that would be options or commands, texts that would
be code, and a recipe that changes under a job."""

import json
import subprocess
from typing import Any

import pytest

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
