"""Updates that go well, step by step, and those that fail in a step."""

import shutil
from pathlib import Path

import pytest
from django.conf import LazySettings

from demo.fleet import Fleet
from deploy_tasks import artifacts, orders, ssh, vault
from deploy_tasks.models import Event, Game
from tests import factories
from tests.faults.jobs import make_game, mira, start
from tests.runner.world import RECIPE, Worker, ended, log, story
from tests.waiting import until

pytestmark = [pytest.mark.ssh, pytest.mark.django_db(transaction=True)]


def test_an_update_runs_every_step_once(game: Game, fleet: Fleet, workers: list[Worker]) -> None:
    job = start(game)
    until(ended(job, "succeeded"), "the job succeeds")
    for host in fleet.hosts:
        run = job.host_runs.get(name=host.name)
        assert (host.home / "count").read_text() == f"stop {host.name} \nwork\nstart\ntidy\n"
        assert log(run, "work") == "".join(f"{n}\n" for n in range(1, 2001)).encode()
        assert (run.state, run.previous, run.version, run.holds_host) == (
            "succeeded",
            "",
            "2.0",
            False,
        )
    assert story(job, fleet.hosts[0].name) == [
        "queued",
        "running",
        "stop running",
        "stop succeeded",
        "work running",
        "work succeeded",
        "start running",
        "start succeeded",
        "tidy running",
        "tidy succeeded",
        "succeeded",
    ]
    assert list(
        Event.objects.filter(job=job).order_by("seq").values_list("seq", flat=True)
    ) == list(range(1, job.last_seq + 1))


@pytest.mark.parametrize(("current", "channels"), [("", 1), ("current: cat version || true\n", 3)])
def test_a_whole_passage_takes_few_channels(
    fleet: Fleet,
    settings: LazySettings,
    tmp_path: Path,
    workers: list[Worker],
    monkeypatch: pytest.MonkeyPatch,
    current: str,
    channels: int,
) -> None:
    """The artifact and all steps one; the version before and after, where it is asked for, one
    each. Every channel is a round trip and a process for every host of a fleet."""
    opened: list[str] = []
    plainly = ssh.Session.open

    def counted(session: ssh.Session, command: str) -> ssh.Channel:
        opened.append(command)
        return plainly(session, command)

    monkeypatch.setattr(ssh.Session, "open", counted)
    settings.HOME, settings.ARTIFACTS = tmp_path, tmp_path / "artifacts"
    vault.ensure_keys()
    (tmp_path / "build").write_bytes(bytes(range(256)) * 1024)
    sha256, size = artifacts.add(tmp_path / "build")
    steps = "  - {name: bring, upload: artifact}\n" + "".join(
        f"  - {{name: step-{n}, run: 'echo $version >version'}}\n" for n in range(5)
    )
    text = f"recipe: steps\n{current}steps:\n{steps}"
    job = start(make_game(fleet, text, sha256=sha256, size=size))
    until(ended(job, "succeeded"), "the job succeeds")
    assert len(opened) == len(fleet.hosts) * channels


def test_a_host_at_the_version_is_skipped(game: Game, fleet: Fleet, workers: list[Worker]) -> None:
    at_it = fleet.hosts[1]
    (at_it.home / "version").write_text("2.0\n")
    job = start(game)
    until(ended(job, "succeeded"), "the job succeeds")
    assert job.host_runs.get(name=at_it.name).state == "skipped"
    assert not (at_it.home / "count").exists()


def test_a_failure_ends_the_host_and_a_retry_goes_on_at_its_step(
    game: Game, fleet: Fleet, workers: list[Worker]
) -> None:
    sick = fleet.hosts[2]
    (sick.home / "broken").touch()
    job = start(game)
    until(ended(job, "failed"), "the job fails")
    run = job.host_runs.get(name=sick.name)
    assert (run.state, run.down) == ("failed", True)
    assert run.error == "step “work” ended with exit status 2"
    assert log(run, "work") == b"oops\n"
    assert (sick.home / "count").read_text() == f"stop {sick.name} \nwork\ntidy\n"
    (sick.home / "broken").unlink()
    orders.retry(job, by=factories.user("jonas"))
    until(ended(job, "succeeded"), "the retry succeeds")
    assert (sick.home / "count").read_text().split()[2:] == ["work", "tidy", "work", "start"]
    attempts = run.attempts.filter(name="work").order_by("number")
    assert list(attempts.values_list("number", "state")) == [(1, "failed"), (2, "succeeded")]


SWITCH_FIRST = """\
recipe: steps
current: cat version
steps:
  - {name: switch, run: 'echo "$previous" >>from; echo "$version" >version'}
  - {name: check, run: test ! -e broken}
"""


def test_what_was_there_before_is_what_the_host_said_before_the_first_step_of_that_job(
    game: Game, fleet: Fleet, workers: list[Worker]
) -> None:
    """A retry is the same job; a new one may find what an earlier one has left half-done."""
    game.recipe.revisions.create(number=2, text=SWITCH_FIRST, sha256="0" * 64)
    host = fleet.hosts[0]
    (host.home / "version").write_text("1.0\n")
    (host.home / "broken").touch()
    job = start(game, host)
    until(ended(job, "failed"), "it fails half-way")
    orders.retry(job, by=mira(), from_step="switch")
    until(ended(job, "failed"), "and again")
    (host.home / "broken").unlink()
    until(ended(start(game, host), "succeeded"), "another job is through")
    assert (host.home / "from").read_text().split() == ["1.0", "1.0", "2.0"]


def test_an_artifact_arrives_whole_and_once(
    fleet: Fleet, settings: LazySettings, tmp_path: Path, workers: list[Worker]
) -> None:
    settings.HOME, settings.ARTIFACTS = tmp_path, tmp_path / "artifacts"
    vault.ensure_keys()
    (tmp_path / "build").write_bytes(bytes(range(256)) * 4096)
    sha256, size = artifacts.add(tmp_path / "build")
    text = """\
recipe: steps
steps:
  - {name: bring, upload: artifact}
  - {name: check, run: 'sha256sum <"$artifact"'}
  - {name: again, upload: artifact}
"""
    game = make_game(fleet, text, sha256=sha256, size=size)
    job = start(game)
    until(ended(job, "succeeded"), "the job succeeds")
    run = job.host_runs.first()
    assert run
    assert log(run, "check").decode().split()[0] == sha256
    states = run.attempts.order_by("step").values_list("state", flat=True)
    assert list(states) == ["succeeded", "succeeded", "skipped"]


def test_without_room_for_the_artifact_nothing_begins(
    own_fleet: Fleet, settings: LazySettings, tmp_path: Path, workers: list[Worker]
) -> None:
    settings.HOME, settings.ARTIFACTS = tmp_path, tmp_path / "artifacts"
    vault.ensure_keys()
    (tmp_path / "build").write_bytes(b"a build")
    sha256, size = artifacts.add(tmp_path / "build")
    text = """\
recipe: steps
on_failure: undo
steps:
  - {name: stop, disruptive: true, run: 'touch stopped', undo: 'touch undone'}
  - {name: bring, upload: artifact, retries: {times: 1, delay: 0.1s}}
"""
    game = make_game(own_fleet, text, sha256=sha256, size=size)
    host = own_fleet.hosts[0]
    shutil.rmtree(host.home / ".patchwave", ignore_errors=True)
    (host.home / ".patchwave").mkdir()
    (host.home / ".patchwave/artifacts").touch()
    job = start(game, hosts=[host.name])
    until(ended(job, "failed"), "the job fails")
    run = job.host_runs.get()
    assert run.error == "step “bring”: no space left on the host for the artifact"
    assert (run.step, run.down) == (0, False)
    states = run.attempts.order_by("pk").values_list("name", "number", "state")
    assert list(states) == [
        ("stop", 1, "abandoned"),
        ("bring", 1, "failed"),
        ("stop", 2, "abandoned"),
        ("bring", 2, "failed"),
    ]
    assert not (host.home / "stopped").exists()
    assert not (host.home / "undone").exists()
    # There is room again: it goes on where it stood, at the very beginning.
    (host.home / ".patchwave/artifacts").unlink()
    orders.retry(job, by=factories.user("jonas"))
    until(ended(job, "succeeded"), "the job succeeds")
    assert (host.home / "stopped").exists()


QUERIED = RECIPE + "query: {run: 'cat running'}\n"


@pytest.mark.parametrize(
    ("said", "state"),
    [("version 2.0", "succeeded"), ("version 1.0", "failed"), ("version x", "succeeded"), ("", "")],
)
def test_a_game_that_reports_another_release_of_ours_was_not_started_anew(
    game: Game, fleet: Fleet, workers: list[Worker], said: str, state: str
) -> None:
    host = fleet.hosts[0]
    game.recipe.revisions.create(number=2, text=QUERIED, sha256="0" * 64)
    factories.release(game, "1.0")
    (host.home / "running").write_text(f"{said}\n")
    job = start(game, hosts=[host.name])
    until(ended(job, state or "succeeded"), "the job has ended")
    error = job.host_runs.get().error
    assert error == ("all steps ended well, but 1.0 still runs" if state == "failed" else "")
