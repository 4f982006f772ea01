"""What the scripts of a host are given, and where it comes from."""

import pytest

from deploy_tasks.models import Host, HostRun, Release
from tests import factories
from tests.api import Caller, caller
from webapp.models import Role

pytestmark = pytest.mark.django_db

RECIPE = """\
recipe: toy
summary: a toy
vars:
  root: {type: path, default: /srv/game}
  port: {type: port, default: 25565}
  slots: {type: int, default: 8}
  motd: {type: string, default: hello, ask: true}
  rcon: {type: secret}
steps:
  - {name: stop, run: 'true'}
"""


@pytest.fixture
def vera() -> Caller:
    return caller("vera", Role.VIEWER)


def told(vera: Caller, run: HostRun) -> dict[str, tuple[str | None, str]]:
    path = f"/jobs/{run.job_id}/hosts/{run.name}/variables"
    answer = vera.get(path).json()
    return {one["name"]: (one["value"], one["source"]) for one in answer["variables"]}


def test_each_value_is_told_with_where_it_comes_from(vera: Caller) -> None:
    game = factories.game("toy", text=RECIPE)
    game.vars = {"port": 25570, "slots": 16}
    game.save()
    job = factories.job(game, hosts=1)
    job.vars = {"motd": "tonight"}
    job.save()
    Release.objects.update(sha256="5ea1" * 16)
    job.release.refresh_from_db()
    run = job.host_runs.get()
    Host.objects.update(vars={"slots": 32, "rcon": "rcon-eu"})
    assert told(vera, run) == {
        "root": ("/srv/game", "recipe"),
        "port": ("25570", "game"),
        "slots": ("32", "host"),
        "motd": ("tonight", "job"),
        "rcon": (None, "host"),
        "version": (job.release.version, "given"),
        "previous": (None, "given"),
        "artifact": (f"$HOME/.patchwave/artifacts/{job.release.sha256}", "given"),
        "sha256": (job.release.sha256, "given"),
        "host": (run.name, "given"),
        "job": (str(job.pk), "given"),
    }


def test_a_release_without_artifact_gives_none(vera: Caller) -> None:
    run = factories.job(factories.game("toy", text=RECIPE), hosts=1).host_runs.get()
    assert told(vera, run)["artifact"] == ("", "given")


def test_a_host_that_has_begun_goes_on_with_what_it_was_given_then(vera: Caller) -> None:
    job = factories.job(factories.game("toy", text=RECIPE), hosts=1)
    run = job.host_runs.get()
    run.target = {"vars": {"root": "/old", "port": "25565"}, "secrets": {"rcon": "rcon-eu"}}
    run.save()
    Host.objects.update(vars={"root": "/new"})
    assert told(vera, run)["root"] == ("/old", "earlier")
    assert told(vera, run)["port"] == ("25565", "recipe")
