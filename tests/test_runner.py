"""Host runs on real OpenSSH hosts: what is launched once, followed whole and ended right."""

import shutil
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from django.conf import LazySettings
from django.db import connection

from demo.fleet import Fleet, FleetHost
from demo.keys import make_key, public_of
from deploy_tasks import artifacts, bells, conductor, orders, ssh, vault
from deploy_tasks.keeper import Keeper, reconcile
from deploy_tasks.models import Attempt, Credential, Event, Game, HostRun, Job
from deploy_tasks.states import Pause
from tests import factories
from tests.faults.crew import hasten
from tests.faults.jobs import make_game, start
from tests.waiting import until

pytestmark = [pytest.mark.ssh, pytest.mark.django_db(transaction=True)]

RECIPE = """\
recipe: steps
summary: A few steps
current: cat version 2>/dev/null || true
steps:
  - name: stop
    disruptive: true
    run: echo "stop $host $previous" | tee -a count
  - name: work
    run: |
      echo work >>count
      if [ -e slow ]; then while [ ! -e go ]; do sleep .05; done; fi
      if [ -e broken ]; then echo oops >&2; exit 2; fi
      seq 1 2000
  - name: start
    run: echo "$version" >version; echo start >>count
  - name: tidy
    always: true
    run: echo tidy >>count
"""


class Worker:
    """A worker process in miniature: a keeper, and a thread for each bell that is rung."""

    def __init__(self) -> None:
        self.keeper = Keeper()
        self.keeper.start()
        self.threads: list[threading.Thread] = []
        self.deaf = False

    def run_host(self, pk: int) -> None:
        if not self.deaf:
            thread = threading.Thread(target=self._run, args=(pk,))
            self.threads.append(thread)
            thread.start()

    def _run(self, pk: int) -> None:
        try:
            self.keeper.run_hosts([pk])
        finally:
            connection.close()

    def stop(self) -> None:
        self.keeper.stop()
        for thread in self.threads:
            thread.join(20)
        self.keeper.close()


@pytest.fixture
def workers(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Worker]]:
    """Bells go to the last worker of the list, at once; what is looked at is looked at soon."""
    for module, name, value in hasten():
        monkeypatch.setattr(module, name, value)
    staff = [Worker()]
    monkeypatch.setattr(bells, "ring_host_runs", lambda pks: [staff[-1].run_host(pk) for pk in pks])
    monkeypatch.setattr(bells, "ring_job", conductor.conduct)
    yield staff
    for worker in staff:
        worker.stop()


@pytest.fixture
def game(fleet: Fleet, settings: LazySettings, tmp_path: Path) -> Game:
    settings.HOME = tmp_path
    settings.ARTIFACTS = tmp_path / "artifacts"
    return make_game(fleet, RECIPE)


def ended(job: Job, state: str) -> Callable[[], bool]:
    def look() -> bool:
        job.refresh_from_db()
        return job.state == state

    return look


def story(job: Job, host: str) -> list[str]:
    """Steps and states of a host, in order: ``stop running``, ``stop succeeded``, ``succeeded``."""
    told = []
    for event in Event.objects.filter(job=job, host_run__name=host).order_by("seq"):
        data = event.data or {}
        if event.kind == "step":
            told.append(f"{data['step']} {data['to']}")
        elif event.kind == "host":
            told.append(data["to"])
    return told


def log(run: HostRun, step: str) -> bytes:
    pieces = Event.objects.filter(host_run=run, kind="output", attempt__name=step).order_by("seq")
    at = 0
    for piece in pieces:
        assert piece.offset == at
        at += piece.raw_length or 0
    return b"".join(bytes(piece.output or b"") for piece in pieces)


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


def test_a_worker_that_lets_go_leaves_the_step_to_the_next(
    game: Game, fleet: Fleet, workers: list[Worker]
) -> None:
    slow = fleet.hosts[0]
    (slow.home / "slow").touch()
    job = start(game, hosts=[slow.name])
    run = job.host_runs.get()
    until(
        lambda: (slow.home / "count").exists() and "work" in (slow.home / "count").read_text(),
        "it works",
    )
    workers.append(Worker())
    began = time.monotonic()
    workers[0].stop()
    assert time.monotonic() - began < 10
    (slow.home / "go").touch()
    until(ended(job, "succeeded"), "another worker ends it")
    assert (slow.home / "count").read_text() == f"stop {slow.name} \nwork\nstart\ntidy\n"
    assert len(log(run, "work").splitlines()) == 2000
    assert Attempt.objects.filter(host_run=run).count() == 4


def test_a_second_bell_does_nothing(game: Game, fleet: Fleet, workers: list[Worker]) -> None:
    slow = fleet.hosts[0]
    (slow.home / "slow").touch()
    job = start(game, hosts=[slow.name])
    run = job.host_runs.get()
    until(lambda: (slow.home / "count").exists(), "it works")
    workers.append(Worker())
    for worker in workers * 5:
        worker.run_host(run.pk)
    (slow.home / "go").touch()
    until(ended(job, "succeeded"), "the job succeeds")
    assert (slow.home / "count").read_text() == f"stop {slow.name} \nwork\nstart\ntidy\n"
    run.refresh_from_db()
    assert run.fence == 1


def test_a_lost_bell_is_rung_again(game: Game, fleet: Fleet, workers: list[Worker]) -> None:
    workers[0].deaf = True
    job = start(game, hosts=[fleet.hosts[0].name])
    run = job.host_runs.get()
    assert run.state == "queued"
    workers[0].deaf = False
    reconcile()
    run.refresh_from_db()
    assert run.state == "queued"  # it may be on its way still
    HostRun.objects.update(rung_at="2026-01-01T00:00Z")
    reconcile()
    until(ended(job, "succeeded"), "the job succeeds")


def test_a_cancel_ends_what_runs_and_starts_nothing_more(
    game: Game, fleet: Fleet, workers: list[Worker]
) -> None:
    for host in fleet.hosts:
        (host.home / "slow").touch()
    job = start(game, rollout={"parallel": 2})
    busy = fleet.hosts[:2]
    until(
        lambda: all(
            (h.home / "count").exists() and "work" in (h.home / "count").read_text() for h in busy
        ),
        "two work",
    )
    orders.cancel(job, by=factories.user("jonas"))
    until(ended(job, "cancelled"), "the job is cancelled")
    assert set(job.host_runs.values_list("state", flat=True)) == {"cancelled"}
    for host in busy:
        assert (host.home / "count").read_text() == f"stop {host.name} \nwork\ntidy\n"
    assert not any((host.home / "count").exists() for host in fleet.hosts[2:])
    assert not job.host_runs.filter(holds_host=True).exists()


def test_a_pause_between_steps_leaves_the_rest_for_later(
    game: Game, fleet: Fleet, workers: list[Worker]
) -> None:
    host = fleet.hosts[0]
    (host.home / "slow").touch()
    job = start(game, hosts=[host.name])
    until(lambda: (host.home / "count").exists() and "work" in count(host), "it works")
    jonas = factories.user("jonas")
    orders.pause(job, by=jonas, after=Pause.STEP)
    until(lambda: job.host_runs.get().activity == "pausing", "the host was told")
    (host.home / "go").touch()
    until(lambda: job.host_runs.get().state == "paused", "it stands still")
    until(ended(job, "paused"), "the job is paused")
    assert count(host) == [f"stop {host.name} ", "work"]
    assert job.host_runs.get().owner == ""
    orders.resume(job, by=jonas)
    until(ended(job, "succeeded"), "the job succeeds")
    assert count(host) == [f"stop {host.name} ", "work", "start", "tidy"]


def test_a_pause_that_is_taken_back_before_the_step_has_ended_is_not_felt(
    game: Game, fleet: Fleet, workers: list[Worker]
) -> None:
    host = fleet.hosts[0]
    (host.home / "slow").touch()
    job = start(game, hosts=[host.name])
    until(lambda: (host.home / "count").exists() and "work" in count(host), "it works")
    jonas = factories.user("jonas")
    orders.pause(job, by=jonas, after=Pause.STEP)
    until(lambda: job.host_runs.get().activity == "pausing", "the host was told")
    orders.resume(job, by=jonas)
    (host.home / "go").touch()
    until(ended(job, "succeeded"), "the job succeeds")
    assert count(host) == [f"stop {host.name} ", "work", "start", "tidy"]


UNDOABLE = """\
recipe: undoable
current: cat version 2>/dev/null || true
on_failure: undo
steps:
  - {name: look, run: echo look >>count}
  - {name: there, done_if: "true", run: "false", undo: echo undo-there >>count}
  - name: stop
    disruptive: true
    interrupt: after
    run: echo stop >>count
    undo: if [ -e stuck ]; then exit 3; fi; echo undo-stop >>count
  - name: switch
    run: |
      echo switch >>count
      while [ -e slow ]; do sleep .05; done
      if [ -e broken ]; then exit 2; fi
      echo "$version" >version
    undo: echo "undo-switch to $previous" >>count
  - {name: tidy, always: true, run: echo tidy >>count}
"""


def count(host: FleetHost) -> list[str]:
    path = host.home / "count"
    return path.read_text().splitlines() if path.exists() else []


@pytest.fixture
def undoable(fleet: Fleet, game: Game) -> Game:
    revision = game.recipe.newest()
    game.recipe.revisions.create(number=revision.number + 1, text=UNDOABLE, sha256="0" * 64)
    for host in fleet.hosts:
        (host.home / "version").write_text("1.0\n")
    return game


def test_a_failure_is_undone_last_step_first(
    undoable: Game, fleet: Fleet, workers: list[Worker]
) -> None:
    host = fleet.hosts[0]
    (host.home / "broken").touch()
    job = start(undoable, hosts=[host.name])
    until(ended(job, "failed"), "the job fails")
    run = job.host_runs.get()
    assert (run.state, run.down, run.step) == ("rolled_back", False, 2)
    assert run.error == "step “switch” ended with exit status 2"
    before = ["look", "stop", "switch", "undo-switch to 1.0", "undo-stop", "tidy"]
    assert count(host) == before
    (host.home / "broken").unlink()
    orders.retry(job, by=factories.user("jonas"))
    until(ended(job, "succeeded"), "a retry goes on at the first step undone")
    assert count(host)[len(before) :] == ["stop", "switch"]


@pytest.fixture
def stuck(undoable: Game, fleet: Fleet, workers: list[Worker]) -> HostRun:
    """A step of the first host has failed, and then the undo of the one before it."""
    host = fleet.hosts[0]
    (host.home / "broken").touch()
    (host.home / "stuck").touch()
    job = start(undoable, hosts=[host.name])
    until(ended(job, "failed"), "the job fails")
    return job.host_runs.get()


def test_an_undo_that_fails_stops_and_says_what_is_left(stuck: HostRun) -> None:
    assert (stuck.state, stuck.down) == ("failed", True)
    assert stuck.error == (
        "step “switch” ended with exit status 2; "
        "undoing: step “stop” ended with exit status 3; left to undo by hand: stop"
    )
    (note,) = [e.data for e in Event.objects.filter(job=stuck.job, kind="note")]
    assert note
    assert "undo-stop" in note["text"]


def as_before_its_end(run: HostRun, **left: object) -> None:
    """As if its worker had died just before it could tell the end."""
    before = {"state": "running", "holds_host": True, "ended_at": None, "rung_at": None}
    HostRun.objects.filter(pk=run.pk).update(**before, **left)
    Job.objects.filter(pk=run.job_id).update(state="running", ended_at=None)


def test_an_undo_that_failed_is_not_tried_again_because_a_worker_died(
    stuck: HostRun, fleet: Fleet
) -> None:
    host, before = fleet.hosts[0], count(fleet.hosts[0])
    (host.home / "stuck").unlink()
    first, _, _ = stuck.error.partition("; ")
    as_before_its_end(stuck, error=first, activity="undoing")
    until(ended(stuck.job, "failed"), "another worker tells the end")
    assert count(host) == before
    assert stuck.job.host_runs.get().error == stuck.error


LAST_THING_FAILS = """\
recipe: last
steps:
  - {name: work, run: echo work >>count}
  - {name: tidy, always: true, run: "echo tidy >>count; test ! -e broken"}
  - {name: say, always: true, run: echo said >>count}
"""


def test_a_last_thing_that_fails_is_done_again_only_for_a_retry(
    undoable: Game, fleet: Fleet, workers: list[Worker]
) -> None:
    host = fleet.hosts[0]
    undoable.recipe.revisions.create(number=9, text=LAST_THING_FAILS, sha256="9" * 64)
    (host.home / "broken").touch()
    job = start(undoable, hosts=[host.name])
    until(ended(job, "failed"), "the job fails")
    run = job.host_runs.get()
    assert count(host) == ["work", "tidy", "said"]
    assert run.error == "step “tidy” ended with exit status 1"
    as_before_its_end(run, error="")
    until(ended(job, "failed"), "another worker tells the end")
    assert count(host) == ["work", "tidy", "said"]
    assert job.host_runs.get().error == run.error
    (host.home / "broken").unlink()
    orders.retry(job, by=factories.user("jonas"))
    until(ended(job, "succeeded"), "a person has said so")
    assert count(host) == ["work", "tidy", "said", "tidy"]


def test_without_a_former_version_nothing_is_undone_by_guess(
    undoable: Game, fleet: Fleet, workers: list[Worker]
) -> None:
    host = fleet.hosts[0]
    (host.home / "version").unlink()
    (host.home / "broken").touch()
    job = start(undoable, hosts=[host.name])
    until(ended(job, "failed"), "the job fails")
    assert "cannot be undone: no version was on the host before" in job.host_runs.get().error
    assert count(host) == ["look", "stop", "switch", "tidy"]


@pytest.mark.parametrize("undo", [True, False])
def test_a_cancel_undoes_what_was_launched_unless_told_not_to(
    undoable: Game, fleet: Fleet, workers: list[Worker], undo: bool
) -> None:
    host = fleet.hosts[0]
    (host.home / "slow").touch()
    job = start(undoable, hosts=[host.name])
    until(lambda: "switch" in count(host), "it switches")
    orders.cancel(job, by=factories.user("jonas"), undo=undo)
    until(ended(job, "cancelled"), "the job is cancelled")
    assert job.host_runs.get().state == ("rolled_back" if undo else "cancelled")
    undone = ["undo-switch to 1.0", "undo-stop"] if undo else []
    assert count(host) == ["look", "stop", "switch", *undone, "tidy"]


def test_a_whole_job_is_taken_back_step_by_step(
    undoable: Game, fleet: Fleet, workers: list[Worker]
) -> None:
    revision = undoable.recipe.newest()
    text = UNDOABLE.replace(
        'to $previous" >>count', 'to $previous" >>count; echo "$previous" >version'
    )
    undoable.recipe.revisions.create(number=revision.number + 1, text=text, sha256="1" * 64)
    job = start(undoable)
    until(ended(job, "succeeded"), "the job succeeds")
    for host in fleet.hosts:
        (host.home / "count").unlink()
    stuck = fleet.hosts[1]
    (stuck.home / "stuck").touch()
    jonas = factories.user("jonas")
    back, _ = orders.rollback(job, by=jonas)
    until(ended(back, "failed"), "one host does not go back")
    for host in (fleet.hosts[0], *fleet.hosts[2:]):
        assert count(host) == ["undo-switch to 1.0", "undo-stop", "tidy"]
        assert (host.home / "version").read_text() == "1.0\n"
    run = back.host_runs.get(name=stuck.name)
    assert (run.state, run.down) == ("failed", True)
    assert run.error.endswith("left to undo by hand: stop")
    (stuck.home / "stuck").unlink()
    orders.retry(back, by=jonas)
    until(ended(back, "succeeded"), "the retry goes on where the undoing stopped")
    assert count(stuck) == ["undo-switch to 1.0", "tidy", "undo-stop"]
    assert back.host_runs.get(name=stuck.name).version == "1.0"


TWO_PHASES = """\
recipe: phases
current: cat version 2>/dev/null || true
steps:
  - {name: announce, run: echo announce >>count, undo: echo retract >>count}
  - {name: stop, disruptive: true, run: echo stop >>count}
  - {name: switch, run: 'echo switch >>count; echo "$version" >version'}
  - {name: tidy, always: true, run: echo tidy >>count}
"""


@pytest.fixture
def staged(fleet: Fleet, game: Game, workers: list[Worker]) -> Job:
    """A job all of whose hosts wait for the switch."""
    revision = game.recipe.newest()
    game.recipe.revisions.create(number=revision.number + 1, text=TWO_PHASES, sha256="2" * 64)
    job = start(game, rollout={"stage": "ahead"})
    until(ended(job, "paused"), "all hosts are staged")
    return job


def test_a_host_that_waits_for_the_switch_holds_nothing_and_goes_on_when_it_comes(
    staged: Job, fleet: Fleet, workers: list[Worker]
) -> None:
    assert [count(host) for host in fleet.hosts] == [["announce"]] * len(fleet.hosts)
    assert {(run.state, run.owner, run.link) for run in staged.host_runs.all()} == {
        ("staged", "", "")
    }
    until(lambda: not any(t.is_alive() for t in workers[0].threads), "no thread, no connection")
    orders.switch(staged, by=factories.user("jonas"))
    until(ended(staged, "succeeded"), "the job succeeds")
    for host in fleet.hosts:
        assert count(host) == ["announce", "stop", "switch", "tidy"]
    for run in staged.host_runs.all():
        plans = [uid.partition(".")[0] for uid in run.attempts.values_list("uid", flat=True)]
        assert len(set(plans)) == 3, "the second part is a plan of its own, as is the last"


def test_a_staged_host_that_is_left_out_is_taken_back(
    staged: Job, fleet: Fleet, workers: list[Worker]
) -> None:
    left, *others = fleet.hosts
    jonas = factories.user("jonas")
    orders.skip(staged, by=jonas, hosts=[left.name])
    until(lambda: staged.host_runs.filter(state="skipped").exists(), "it is left out")
    run = staged.host_runs.get(name=left.name)
    assert (run.reason, run.holds_host, run.down) == ("left out", False, False)
    assert count(left) == ["announce", "retract", "tidy"]
    orders.switch(staged, by=jonas)
    until(ended(staged, "succeeded"), "the others go on")
    assert count(left) == ["announce", "retract", "tidy"]
    assert all("switch" in count(host) for host in others)


def test_a_cancel_takes_staged_hosts_back(staged: Job, fleet: Fleet, workers: list[Worker]) -> None:
    orders.cancel(staged, by=factories.user("jonas"))
    until(ended(staged, "cancelled"), "the job is cancelled")
    for host in fleet.hosts:
        assert count(host) == ["announce", "retract", "tidy"]
    assert not staged.host_runs.filter(holds_host=True).exists()


def test_a_log_that_differs_from_the_hosts_is_told(
    fleet: Fleet, settings: LazySettings, tmp_path: Path, workers: list[Worker]
) -> None:
    settings.HOME = tmp_path
    vault.ensure_keys()
    tamper = "printf X | dd of=$log bs=1 seek=3 conv=notrunc 2>/dev/null"
    text = f"""\
recipe: steps
steps:
  - name: tamper
    run: |
      while ! ls go 2>/dev/null; do sleep .05; done
      for log in .patchwave/runs/*/log; do {tamper}; done
"""
    game = make_game(fleet, text)
    host = fleet.hosts[0]
    shutil.rmtree(host.home / ".patchwave", ignore_errors=True)
    job = start(game, hosts=[host.name])
    run = job.host_runs.get()
    until(lambda: run.attempts.filter(state="running").exists(), "the step is followed")
    (host.home / "go").touch()
    until(ended(job, "succeeded"), "the job succeeds")
    (note,) = Event.objects.filter(job=job, kind="note").values_list("data", flat=True)
    assert "the output stored here is not what lies on the host" in note["text"]
    run.refresh_from_db()
    assert run.warned


def test_of_a_too_long_output_the_beginning_and_the_end_are_stored(
    fleet: Fleet, settings: LazySettings, tmp_path: Path, workers: list[Worker]
) -> None:
    settings.HOME, settings.OUTPUT_LIMIT = tmp_path, 100_000
    vault.ensure_keys()
    text = "recipe: chatty\nsteps:\n  - {name: chat, run: seq 1 400000}\n"
    game = make_game(fleet, text)
    job = start(game, hosts=[fleet.hosts[0].name])
    until(ended(job, "succeeded"), "the job succeeds")
    run = job.host_runs.get()
    whole = "".join(f"{n}\n" for n in range(1, 400_001)).encode()
    pieces = Event.objects.filter(host_run=run, kind="output").order_by("seq")
    for piece in pieces:
        assert piece.offset is not None
        assert piece.raw_length is not None
        assert bytes(piece.output or b"") == whole[piece.offset : piece.offset + piece.raw_length]
    stored = sum(piece.raw_length or 0 for piece in pieces)
    assert pieces[0].offset == 0
    assert (pieces.last().offset or 0) + (pieces.last().raw_length or 0) == len(whole)
    (note,) = Event.objects.filter(job=job, kind="note").values_list("data", flat=True)
    assert f"{len(whole) - stored} bytes are only on the host" in note["text"]
    assert run.attempts.get().log_offset == len(whole)


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


def test_secrets_are_masked_before_they_are_stored(
    fleet: Fleet, settings: LazySettings, tmp_path: Path, workers: list[Worker]
) -> None:
    settings.HOME = tmp_path
    vault.ensure_keys()
    text = """\
recipe: steps
vars: {password: {type: secret, default: rcon}}
steps:
  - {name: say, run: 'printf %s "$password" | head -c 9; sleep .2; echo "$password" | tail -c +10'}
"""
    game = make_game(fleet, text)
    key_id, sealed = vault.seal(b"tell-nobody-ever", identity=vault.identity_of_credential("rcon"))
    rcon = Credential.objects.create(name="rcon", kind="secret", sealed=sealed, key_id=key_id)
    rcon.games.add(game)
    job = start(game, hosts=[fleet.hosts[0].name])
    until(ended(job, "succeeded"), "the job succeeds")
    run = job.host_runs.get()
    assert log(run, "say") == b"[MASKED]\n"


@pytest.mark.parametrize(
    ("current", "error"),
    [
        (
            r"printf '\033]0;owned\007%s\000\342\200\256' $password",
            r"all steps ended well, but the host still says \x1b]0;owned\x07[MASKED]\x00\u202e",
        ),
        (
            r"printf 'no \033[2J\000%s' $password >&2; [ ! -e worked ]",
            r"asking for the current version failed: no \x1b[2J\x00[MASKED]",
        ),
    ],
)
def test_a_hosts_own_words_are_spelled_out_and_masked(
    fleet: Fleet,
    settings: LazySettings,
    tmp_path: Path,
    workers: list[Worker],
    current: str,
    error: str,
) -> None:
    """In sentences and columns: no database takes NUL, and terminals obey what is not spelled."""
    settings.HOME = tmp_path
    vault.ensure_keys()
    text = f"""\
recipe: steps
vars: {{password: {{type: secret, default: rcon}}}}
current: |
  {current}
steps:
  - {{name: work, run: touch worked}}
"""
    game = make_game(fleet, text)
    key_id, sealed = vault.seal(b"tell-nobody-ever", identity=vault.identity_of_credential("rcon"))
    rcon = Credential.objects.create(name="rcon", kind="secret", sealed=sealed, key_id=key_id)
    rcon.games.add(game)
    job = start(game, hosts=[fleet.hosts[0].name])
    until(ended(job, "failed"), "the job fails")
    assert job.host_runs.get().error == error


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
