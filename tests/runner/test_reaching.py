"""Hosts that cannot be reached, go away, say nothing, or are not who they were."""

import threading
from pathlib import Path
from typing import Any

import pytest
from django.conf import LazySettings

from demo.fleet import Fleet
from demo.keys import make_key, public_of
from deploy_tasks import bells, conductor, orders, ssh, vault
from deploy_tasks.models import Attempt, Credential, Event, Game
from tests import factories
from tests.faults.jobs import make_game, start
from tests.runner.world import RECIPE, Worker, count, ended, log
from tests.waiting import until

pytestmark = [pytest.mark.ssh, pytest.mark.django_db(transaction=True)]


def test_a_host_that_was_never_reached_fails_and_asks_nobody(
    own_fleet: Fleet,
    settings: LazySettings,
    tmp_path: Path,
    workers: list[Worker],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Also where its thread was given to another host between two tries."""
    monkeypatch.setattr("deploy_tasks.runner.story.LONGEST_NAP", 0.2)
    monkeypatch.setattr("deploy_tasks.runner.contact.CONNECT_WITHIN", 1)
    settings.HOME = tmp_path
    vault.ensure_keys()
    # Without ``current``, so that the plan is what it is reached for.
    text = "recipe: steps\nsteps:\n  - {name: stop, run: echo never}\n"
    game = make_game(own_fleet, text)
    host = own_fleet.hosts[0]
    own_fleet.stop(host.group)
    job = start(game, hosts=[host.name])
    until(ended(job, "failed"), "it is given up")
    run = job.host_runs.get()
    assert run.fence > 1
    assert (run.state, run.holds_host) == ("failed", False)
    assert set(run.attempts.values_list("state", flat=True)) == {"abandoned"}


def test_a_host_that_goes_away_keeps_its_step_and_no_thread(
    own_fleet: Fleet,
    settings: LazySettings,
    tmp_path: Path,
    workers: list[Worker],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("deploy_tasks.runner.story.LONGEST_NAP", 0.2)
    settings.HOME = tmp_path
    vault.ensure_keys()
    game = make_game(own_fleet, RECIPE)
    host = own_fleet.hosts[0]
    (host.home / "slow").touch()
    job = start(game, hosts=[host.name])
    run = job.host_runs.get()
    until(lambda: run.attempts.filter(name="work", state="running").exists(), "it works")
    own_fleet.stop(host.group)
    until(lambda: not workers[0].keeper._mine(), "nobody carries it")
    run.refresh_from_db()
    assert (run.state, run.link, run.holds_host) == ("running", "unreachable", True)
    (host.home / "go").touch()
    own_fleet.start(host.group)
    until(ended(job, "succeeded"), "the job goes on")
    assert count(host) == [f"stop {host.name} ", "work", "start", "tidy"]
    assert len(log(run, "work").splitlines()) == 2000
    links = [e.data["to"] for e in Event.objects.filter(job=job, kind="link") if e.data]
    assert links == ["connected", "unreachable", "connected"]


def test_quiet_hosts_hold_no_thread_of_ours(
    fleet: Fleet, settings: LazySettings, tmp_path: Path, workers: list[Worker]
) -> None:
    settings.HOME = tmp_path
    vault.ensure_keys()
    game = make_game(fleet, RECIPE)
    for host in fleet.hosts:
        (host.home / "slow").touch()
    before = {thread.ident for thread in threading.enumerate()}

    def of_hosts() -> list[str]:
        """Threads that are here for the hosts' sake: paramiko's are, one for each."""
        fresh = [one for one in threading.enumerate() if one.ident not in before]
        return [one.name for one in fresh if one.name == "host"]

    job = start(game)
    running = Attempt.objects.filter(host_run__job=job, name="work", state="running")
    until(lambda: running.count() == len(fleet.hosts), "they work")
    assert len(workers[0].keeper._mine()) == len(fleet.hosts)
    until(lambda: not of_hosts(), "their threads are given back")
    assert len(workers[0].keeper._mine()) == len(fleet.hosts)
    for host in fleet.hosts:
        (host.home / "go").touch()
    until(ended(job, "succeeded"), "news of a host gives it a thread again")
    assert len(log(job.host_runs.first(), "work").splitlines()) == 2000


def test_a_changed_host_key_fails_before_anything_is_sent(
    game: Game, fleet: Fleet, workers: list[Worker], tmp_path: Path
) -> None:
    changed = game.hosts.get(name=fleet.hosts[0].name)
    changed.keys.update(key=public_of(make_key(tmp_path / "other")))
    job = start(game, hosts=[changed.name])
    until(ended(job, "failed"), "the job fails")
    run = job.host_runs.get()
    assert run.error.startswith("host key changed: pinned SHA256:")
    assert not run.down
    assert not (fleet.hosts[0].home / "count").exists()


def test_a_refused_key_is_tried_on_three_hosts_and_no_more(
    game: Game, fleet: Fleet, workers: list[Worker], tmp_path: Path
) -> None:
    other = make_key(tmp_path / "other").read_bytes()
    key_id, sealed = vault.seal(other, identity=vault.identity_of_credential("fleet"))
    Credential.objects.update(key_id=key_id, sealed=sealed)
    job = start(game, rollout={"parallel": 1})
    until(ended(job, "halted"), "the job halts")
    assert job.reason == "3 hosts refused credential fleet"
    assert sorted(job.host_runs.values_list("state", flat=True)) == ["failed"] * 3 + ["waiting"]
    assert job.host_runs.filter(error__startswith="authentication refused for user").count() == 3


def test_an_error_of_ours_leaves_the_host_to_a_person(
    game: Game,
    fleet: Fleet,
    workers: list[Worker],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    def broken(*_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr("deploy_tasks.runner.work.plans.new_plan", broken)
    job = start(game, hosts=[fleet.hosts[0].name])
    until(ended(job, "halted"), "the job halts")
    run = job.host_runs.get()
    assert run.state == "unknown"
    assert run.reason.startswith("an error inside Patchwave: see ")
    error_id = run.reason.split()[5]
    assert f"error {error_id} in host run" in caplog.text
    assert "ZeroDivisionError" in caplog.text
    assert not any(line in caplog.text for line in fleet.private_key.splitlines()[1:-1])
    monkeypatch.undo()
    monkeypatch.setattr(bells, "ring_host_runs", lambda pks: [workers[0].run_host(p) for p in pks])
    monkeypatch.setattr(bells, "ring_job", conductor.conduct)
    orders.answer(job, by=factories.user("jonas"), hosts=[run.name], answer="it_did_not_run")
    until(ended(job, "succeeded"), "it goes on after a person's answer")


def test_a_host_is_called_before_anything_about_it_is_stored(
    fleet: Fleet,
    settings: LazySettings,
    tmp_path: Path,
    workers: list[Worker],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    settings.HOME = tmp_path
    vault.ensure_keys()
    game = make_game(fleet, "recipe: bare\nsteps: [{name: work, run: echo work >>count}]\n")
    called, connect = threading.Event(), ssh.connect

    def note(*args: Any, **more: Any) -> ssh.Session:
        called.set()
        return connect(*args, **more)

    monkeypatch.setattr(ssh, "connect", note)
    with workers[0].keeper.writer.turn:
        job = start(game, hosts=[fleet.hosts[0].name])
        until(called.is_set, "it is called while the journal waits for its turn")
        assert not Attempt.objects.filter(host_run__job=job).exists()
    until(ended(job, "succeeded"), "and is updated")
    assert (fleet.hosts[0].home / "count").read_text() == "work\n"
