"""R37-R56 with a job: what befalls a host in the middle of its steps, and what we make of it."""

import os
import signal
import subprocess
from datetime import timedelta
from pathlib import Path

import pytest
from django.utils import timezone

from demo.fleet import Fleet, FleetHost
from deploy_tasks import clock, failpoints, frames, orders
from deploy_tasks.models import Event, Game, HostRun, Job
from deploy_tasks.runner import contact, following, story
from tests.faults.crew import Crew
from tests.faults.jobs import RECIPE, is_working, make_game, mira, start, wait_for_end
from tests.faults.world import COUNT, assert_world_ok, started
from tests.host_shell import gone
from tests.waiting import until

pytestmark = [pytest.mark.ssh, pytest.mark.django_db(transaction=True)]


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A silent runner is asked for after a moment, not after seconds."""
    for name in ("ASK_AFTER", "ASK_AGAIN", "CONFIRM_AFTER"):
        monkeypatch.setattr(following, name, 0.2)


@pytest.fixture
def host(fleet: Fleet) -> FleetHost:
    return fleet.hosts[0]


@pytest.fixture
def game(fleet: Fleet, host: FleetHost, crew: Crew, transactional_db: None) -> Game:
    """Its ``work`` waits for ``go``."""
    crew.start()
    return make_slow(fleet, host, RECIPE)


def make_slow(fleet: Fleet, host: FleetHost, text: str) -> Game:
    game = make_game(fleet, text)
    (host.home / "slow").touch()
    return game


def with_repeat(rule: str) -> str:
    """The recipe, with a rule for ``work``."""
    return RECIPE.replace("  - name: work\n", f"  - name: work\n    repeat: {rule}\n")


def start_and_wait(game: Game, host: FleetHost) -> HostRun:
    job = start(game, host)
    until(lambda: is_working(host), "it works")
    return job.host_runs.get()


def slots(run: HostRun, host: FleetHost) -> Path:
    return host.home / ".patchwave/runs" / run.plan / "st"


def kill_runner(run: HostRun, host: FleetHost, *, and_script: bool = True) -> None:
    """As the kernel does it when memory runs out."""
    run.refresh_from_db()
    plan = slots(run, host).parent
    victims = [int((plan / "st").read_text().split()[1])]
    if and_script:
        victims.append(int((plan / "now").read_text().split()[1]))
    for pid in victims:
        os.kill(pid, signal.SIGKILL)
    until(lambda: all(gone(pid) for pid in victims), "they are gone")


def reboot(run: HostRun, host: FleetHost, fleet: Fleet) -> None:
    kill_runner(run, host)
    boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    st = slots(run, host)
    st.write_text(st.read_text().replace(boot, "0" * len(boot)))
    fleet.cut(host.group)


def wait_until_unknown(run: HostRun) -> None:
    def is_unknown() -> bool:
        run.refresh_from_db()
        return run.state == "unknown"

    until(is_unknown, "nobody can know")
    assert run.holds_host


@pytest.mark.parametrize("answer", ["it_ran", "it_did_not_run", "give_up"])
def test_after_a_killed_runner_a_person_decides(
    answer: orders.answering.Answer, game: Game, host: FleetHost, fleet: Fleet
) -> None:
    run = start_and_wait(game, host)
    kill_runner(run, host)
    wait_until_unknown(run)
    assert run.reason == ("whether step “work” ran to its end is not known: the runner was killed")
    assert_world_ok(fleet, run.job)
    (host.home / "go").touch()
    orders.answer(run.job, by=mira(), hosts=[host.name], answer=answer)
    wait_for_end(run.job, "failed" if answer == "give_up" else "succeeded")
    assert sum(started(host).values()) == {"it_ran": 4, "it_did_not_run": 5, "give_up": 2}[answer]
    assert_world_ok(fleet, run.job, repeated={"work"} if answer == "it_did_not_run" else ())


def test_a_follower_that_answers_nobody_is_followed_anew(
    game: Game, host: FleetHost, fleet: Fleet, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its shell is killed, and the tail that it has left behind keeps the connection open."""
    monkeypatch.setattr(following, "ANSWERS_WITHIN", 1.0)
    run = start_and_wait(game, host)
    run.refresh_from_db()
    shell, _, tail = (slots(run, host).parent / "follower").read_text().split()
    os.kill(int(shell), signal.SIGKILL)
    kill_runner(run, host)
    assert not gone(int(tail))
    wait_until_unknown(run)
    assert_world_ok(fleet, run.job)


def test_what_is_safe_to_repeat_is_done_again_by_itself(
    host: FleetHost, fleet: Fleet, crew: Crew
) -> None:
    crew.start()
    run = start_and_wait(make_slow(fleet, host, with_repeat("safe")), host)
    (host.home / "go").touch()
    (host.home / "slow").unlink()
    kill_runner(run, host)
    wait_for_end(run.job, "succeeded")
    assert run.attempts.get(name="work", number=1).state in ("lost", "succeeded")
    assert_world_ok(fleet, run.job, repeated={"work"})


def test_an_orphan_is_waited_for(game: Game, host: FleetHost, fleet: Fleet) -> None:
    run = start_and_wait(game, host)
    kill_runner(run, host, and_script=False)
    (host.home / "go").touch()
    wait_until_unknown(run)
    assert_world_ok(fleet, run.job)
    told = Event.objects.filter(attempt__name="work").order_by("seq")
    log = b"".join(bytes(event.output or b"") for event in told)
    assert log.endswith(b"\n500\n")


def test_a_reboot_is_told_and_nothing_is_run_again(
    own_fleet: Fleet, crew: Crew, transactional_db: None
) -> None:
    crew.start()
    host = own_fleet.hosts[0]
    run = start_and_wait(make_slow(own_fleet, host, RECIPE), host)
    reboot(run, host, own_fleet)
    wait_until_unknown(run)
    assert run.reason.endswith("the host was restarted")
    assert_world_ok(own_fleet, run.job)


def test_a_directory_that_is_taken_away_ends_its_plan(
    game: Game, host: FleetHost, fleet: Fleet
) -> None:
    run = start_and_wait(game, host)
    subprocess.run(["rm", "-rf", host.home / ".patchwave"], check=True)
    (host.home / "go").touch()
    wait_for_end(run.job, "succeeded")
    assert run.attempts.filter(name="start", state="abandoned").count() == 1
    assert_world_ok(fleet, run.job)


def test_a_directory_that_is_taken_away_unseen_is_a_loss_and_never_a_fresh_start(
    own_fleet: Fleet, crew: Crew, transactional_db: None
) -> None:
    crew.start()
    host = own_fleet.hosts[0]
    run = start_and_wait(make_slow(own_fleet, host, RECIPE), host)
    is_told = run.attempts.filter(name="work", state="running").exists
    until(is_told, "what came before it is known")
    subprocess.run(["rm", "-rf", host.home / ".patchwave"], check=True)
    own_fleet.cut(host.group)
    wait_until_unknown(run)
    # Nor can it be known whether "start" came after it.
    assert run.reason.startswith("whether step “work”, “start” ran to its end")
    (host.home / "go").touch()
    orders.answer(run.job, by=mira(), hosts=[host.name], answer="it_did_not_run")
    wait_for_end(run.job, "succeeded")
    assert_world_ok(own_fleet, run.job, repeated={"work"})


def test_a_full_disk_is_no_reason_to_lose_an_exit_status(
    own_fleet: Fleet, crew: Crew, transactional_db: None
) -> None:
    host = own_fleet.hosts[0]
    mount = ["mount", "-t", "tmpfs", "-o", "size=200k", "none", str(host.home)]
    if os.geteuid() != 0 or subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("needs to mount a small disk (root)")
    text = """\
recipe: faults
steps:
  - name: fill
    run: |
      echo filling
      cat /dev/zero >full 2>/dev/null || :
      seq 1 9999
  - {name: fail, run: 'echo no room to say so; exit 7'}
  - {name: tidy, always: true, run: 'rm full; echo tidy'}
"""
    try:
        game = make_game(own_fleet, text, [host])
        crew.start()
        job = start(game, host)
        wait_for_end(job, "failed")
        run = job.host_runs.get()
        assert run.error.startswith("step “fail” ended with exit status 7; no space left")
        assert run.warned
        states = run.attempts.order_by("pk").values_list("name", "state", "exit_status")
        assert list(states) == [
            ("fill", "succeeded", 0),
            ("fail", "failed", 7),
            ("tidy", "abandoned", None),
        ]
        assert_world_ok(own_fleet, job)
    finally:
        subprocess.run(["umount", "-l", str(host.home)], check=True)


@pytest.mark.parametrize("with_artifact", [True, False])
def test_a_home_that_was_mounted_read_only_is_told_and_nothing_begins(
    with_artifact: bool, own_fleet: Fleet, crew: Crew, transactional_db: None
) -> None:
    """As a kernel does it after an error of the disk. The rest of the host is well."""
    host = own_fleet.hosts[0]
    bring = "  - {name: bring, upload: artifact}\n"
    game = make_game(own_fleet, RECIPE if with_artifact else RECIPE.replace(bring, ""), [host])
    mount = ["mount", "--bind", str(host.home), str(host.home)]
    if os.geteuid() != 0 or subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("needs to mount a directory (root)")
    try:
        again = ["mount", "-o", "remount,bind,ro", str(host.home)]
        subprocess.run(again, check=True)
        crew.start()
        job = start(game, host)
        wait_for_end(job, "failed")
        error = job.host_runs.get().error
        assert error == "the home directory on the host cannot be written to"
        assert_world_ok(own_fleet, job)
    finally:
        subprocess.run(["umount", "-l", str(host.home)], check=True)
    orders.retry(job, by=mira())
    wait_for_end(job, "succeeded")
    assert_world_ok(own_fleet, job)


STRANGE = {
    "a line of 3 MB": b"x" * 3_000_000,
    "NUL and invalid UTF-8": b"\x00\xff\xfe\xc3(\xed\xa0\x80" * 5_000,
    "progress bars": b"".join(b"\r%3d %%" % n for n in range(100)) * 300,
    "UTF-16": "größer ⚙ 大".encode("utf-16") * 3_000,
    "cut characters": "大".encode() * 4_000 + "大".encode()[:2],
    "what records begin with": b"\x1e" * 9_000 + b"\x1en",
    "escapes": b"\x1b]0;owned\x07\x1b[2J" * 2_000,
}


def test_any_bytes_are_stored_as_they_came(fleet: Fleet, host: FleetHost, crew: Crew) -> None:
    steps = [f"  - {{name: s{n}, run: 'cat {n}.bin'}}\n" for n in range(len(STRANGE))]
    game = make_game(fleet, "recipe: faults\nsteps:\n" + "".join(steps))
    for n, data in enumerate(STRANGE.values()):
        (host.home / f"{n}.bin").write_bytes(data)
    crew.start()
    job = start(game, host)
    wait_for_end(job, "succeeded")
    for n, (what, data) in enumerate(STRANGE.items()):
        events = Event.objects.filter(attempt__name=f"s{n}", kind="output").order_by("seq")
        assert b"".join(bytes(event.output or b"") for event in events) == data, what
    assert not job.host_runs.get().warned
    assert_world_ok(fleet, job)


def test_a_daemon_that_keeps_the_output_open_holds_up_nothing(
    fleet: Fleet, host: FleetHost, crew: Crew
) -> None:
    """R47; it talks on, and that is nobody's output."""
    text = f"""\
recipe: faults
steps:
  - name: start
    run: |
      {COUNT}
      setsid sh -c 'echo $$ >daemon; while :; do echo noise; sleep .02; done' &
      until [ -s daemon ]; do :; done
  - {{name: look, run: sleep .3}}
"""
    game = make_game(fleet, text)
    crew.start()
    job = start(game, host)
    wait_for_end(job, "succeeded")
    os.kill(int((host.home / "daemon").read_text()), signal.SIGKILL)
    # The daemon's lines in the time of "look" are in its region, and so they are stored.
    assert_world_ok(fleet, job)


def test_a_silent_step_is_left_in_peace(
    game: Game, host: FleetHost, fleet: Fleet, monkeypatch: pytest.MonkeyPatch
) -> None:
    """R48: its runner is asked for again and again."""
    heard: list[str] = []
    answers = frames.answers

    def listen(nonce: str, text: bytes) -> list[frames.RunnerReport | frames.HostSum]:
        found = answers(nonce, text)
        heard.extend(one.word for one in found if isinstance(one, frames.RunnerReport))
        return found

    monkeypatch.setattr(frames, "answers", listen)
    run = start_and_wait(game, host)
    until(lambda: len(heard) >= 3, "it is asked for")
    (host.home / "go").touch()
    wait_for_end(run.job, "succeeded")
    assert set(heard) == {"alive"}
    assert_world_ok(fleet, run.job)


def test_a_step_ends_at_its_limit_while_nobody_looks(
    own_fleet: Fleet, crew: Crew, transactional_db: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """R49."""
    monkeypatch.setattr(story, "LONGEST_NAP", 0.1)
    host = own_fleet.hosts[0]
    text = RECIPE.replace("  - name: work\n", "  - name: work\n    timeout: 2s\n")
    crew.start()
    run = start_and_wait(make_slow(own_fleet, host, text), host)
    own_fleet.stop(host.group)
    script = int((slots(run, host).parent / "now").read_text().split()[1])
    until(lambda: gone(script), "it is ended")
    own_fleet.start(host.group)
    wait_for_end(run.job, "failed")
    run.refresh_from_db()
    assert run.error == "step “work” ran into its time limit"
    assert_world_ok(own_fleet, run.job)


@pytest.fixture
def away(
    own_fleet: Fleet, crew: Crew, transactional_db: None, monkeypatch: pytest.MonkeyPatch
) -> HostRun:
    """In the middle of a step; its host, the first one, has gone, and is tried again and again."""
    monkeypatch.setattr(story, "LONGEST_NAP", 0.1)
    host = own_fleet.hosts[0]
    crew.start()
    run = start_and_wait(make_slow(own_fleet, host, RECIPE), host)
    own_fleet.stop(host.group)
    return run


def test_a_cancel_waits_for_a_host_that_is_away(own_fleet: Fleet, away: HostRun) -> None:
    """R54: the wish is kept, and so is the lock."""
    host, run = own_fleet.hosts[0], away
    until(lambda: run.refresh_from_db() or run.link == "unreachable", "it is away")
    orders.cancel(run.job, by=mira(), undo=False)
    until(lambda: run.refresh_from_db() or run.wake_at is not None, "nobody holds a thread for it")
    assert (run.state, run.holds_host) == ("running", True)
    own_fleet.start(host.group)
    wait_for_end(run.job, "cancelled")
    assert_world_ok(own_fleet, run.job)


def test_a_cancel_does_not_end_the_game_that_a_step_has_started(
    fleet: Fleet, host: FleetHost, crew: Crew
) -> None:
    """R55."""
    text = f"""\
recipe: faults
steps:
  - name: start
    run: |
      {COUNT}
      setsid sh -c 'echo $$ >game; exec sleep 300' >/dev/null 2>&1 &
      touch working
      while :; do sleep .02; done
"""
    crew.start()
    run = start_and_wait(make_game(fleet, text), host)
    until(lambda: (host.home / "game").exists(), "the game is up")
    orders.cancel(run.job, by=mira())
    wait_for_end(run.job, "cancelled")
    game = int((host.home / "game").read_text())
    assert not gone(game)
    assert_world_ok(fleet, run.job, left_behind=["sleep 300"])
    os.kill(game, signal.SIGKILL)


@pytest.mark.parametrize("late", range(6))
def test_a_cancel_and_the_end_of_a_step_may_meet(
    late: int, game: Game, host: FleetHost, fleet: Fleet
) -> None:
    """Whoever comes first, what is told is what was."""
    run = start_and_wait(game, host)
    (host.home / "go").touch()
    until(lambda: len(started(host)) >= 2 + late // 2, "the next step begins")
    job = run.job
    job.refresh_from_db()
    try:
        orders.cancel(job, by=mira(), undo=False)
    except orders.changes.OrderRefused:
        assert late
    until(lambda: is_over(job), "the job ends")
    run.refresh_from_db()
    ran = (host.home / "version").exists()
    done = run.attempts.filter(name="start", state="succeeded").exists()
    assert ran == done
    # One that comes after the last step, and before the end was told, still counts.
    assert job.state == "cancelled" or done
    assert_world_ok(fleet, job)


def test_a_clock_that_is_set_forward_gives_up_no_host_that_is_away(
    own_fleet: Fleet, away: HostRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ours, while it naps between two tries."""
    host, run = own_fleet.hosts[0], away

    def tried() -> int:
        run.refresh_from_db()
        return run.fence if run.wake_at else 0

    until(tried, "it naps")
    before = tried()
    monkeypatch.setattr(clock, "_ahead", timedelta(hours=1))
    until(lambda: tried() > before + 1, "it was tried again, twice")
    assert (run.state, run.link) == ("running", "unreachable")
    own_fleet.start(host.group)
    (host.home / "go").touch()
    wait_for_end(run.job, "succeeded")
    assert_world_ok(own_fleet, run.job)


@pytest.mark.parametrize("then", ["another job", "a retry"])
def test_what_was_given_up_out_of_reach_has_ended_before_anything_else_starts(
    then: str,
    own_fleet: Fleet,
    crew: Crew,
    transactional_db: None,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(story, "LONGEST_NAP", 0.1)
    monkeypatch.setattr(contact, "UNREACHABLE_AFTER", 0.1)
    host = own_fleet.hosts[0]
    crew.start()
    game = make_slow(own_fleet, host, RECIPE)
    run = start_and_wait(game, host)
    until(lambda: run.attempts.filter(log_offset__gte=3014).exists(), "its output is stored")
    own_fleet.stop(host.group)
    wait_until_unknown(run)
    orders.answer(run.job, by=mira(), hosts=[host.name], answer="give_up")
    wait_for_end(run.job, "failed")
    assert_world_ok(own_fleet, run.job, left_behind=["sh", "sleep", "cat"])
    script = int((slots(run, host).parent / "now").read_text().split()[1])
    assert not gone(script)
    # It would go on by itself now, were it not ended first.
    monkeypatch.setattr(contact, "UNREACHABLE_AFTER", 600)
    failpoints.at("unended.quiet", (host.home / "go").touch)
    job = run.job
    if then == "a retry":
        orders.retry(job, by=mira())
    else:
        job = start(game, host)
    own_fleet.start(host.group)
    wait_for_end(job, "succeeded")
    assert gone(script)
    assert started(host)[run.attempts.get(name="start", uid__startswith=run.plan).uid] == 0
    assert (host.home / "started").read_text().count("\n") == {"another job": 6, "a retry": 5}[then]
    assert_world_ok(own_fleet, job, repeated={"work"})


def is_over(job: Job) -> bool:
    job.refresh_from_db()
    return job.state in ("succeeded", "failed", "cancelled")


def lacks(host: FleetHost, program: str) -> None:
    (host.home / "bin").mkdir()
    for path in [*Path("/usr/bin").iterdir(), *Path("/bin").iterdir()]:
        link = host.home / "bin" / path.name
        if path.name != program and not link.is_symlink():
            link.symlink_to(path)
    (host.home / ".bashrc").write_text("PATH=$HOME/bin\n")


def test_a_host_without_cksum_is_not_waited_for(host: FleetHost, fleet: Fleet, crew: Crew) -> None:
    game = make_game(fleet, RECIPE)
    lacks(host, "cksum")
    crew.start()
    job = start(game, host)
    wait_for_end(job, "succeeded", seconds=following.SUM_LIMIT / 2)
    assert not job.host_runs.get().warned
    assert_world_ok(fleet, job)


def test_a_host_without_setsid_fails_with_a_remedy_and_can_be_retried(
    host: FleetHost, fleet: Fleet, crew: Crew, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(following, "START_LIMIT", 0.3)
    game = make_game(fleet, RECIPE)
    lacks(host, "setsid")
    crew.start()
    job = start(game, host)
    wait_for_end(job, "failed")
    assert job.host_runs.get().error == "the host has no setsid"
    assert_world_ok(fleet, job)
    (host.home / ".bashrc").unlink()
    orders.retry(job, by=mira())
    wait_for_end(job, "succeeded")
    assert_world_ok(fleet, job)


@pytest.mark.parametrize("how", ["no command is run", "no channel is opened"])
def test_a_host_that_is_of_no_use_for_a_while_is_unreachable_and_not_failed(
    how: str, own_fleet: Fleet, crew: Crew, transactional_db: None
) -> None:
    """As where it cannot fork any more, with a step running."""
    host = own_fleet.hosts[0]
    config = own_fleet.directory / "sshd_config"
    good = config.read_text()
    crew.start()
    run = start_and_wait(make_slow(own_fleet, host, RECIPE), host)
    own_fleet.stop(host.group)
    if how == "no command is run":
        (host.home / ".bashrc").write_text("echo sh: cannot fork >&2; exit 254\n")
    else:
        config.write_text("MaxSessions 0\n" + good)
    own_fleet.start(host.group)
    until(lambda: run.refresh_from_db() or run.link == "unreachable", "it is away")
    tried = own_fleet.log(host.group).count("Accepted publickey")
    until(lambda: own_fleet.log(host.group).count("Accepted publickey") >= tried + 2, "it is tried")
    run.refresh_from_db()
    assert (run.state, run.link) == ("running", "unreachable")
    (host.home / ".bashrc").unlink(missing_ok=True)
    config.write_text(good)
    own_fleet.stop(host.group)
    own_fleet.start(host.group)
    (host.home / "go").touch()
    wait_for_end(run.job, "succeeded")
    assert_world_ok(own_fleet, run.job)


def test_a_sudo_that_wants_a_password_is_named(host: FleetHost, fleet: Fleet, crew: Crew) -> None:
    """R50: it has nobody to ask, so it ends at once."""
    text = "recipe: faults\nsteps:\n  - {name: stop, run: sudo systemctl stop game}\n"
    game = make_game(fleet, text)
    (host.home / "bin").mkdir()
    sudo = host.home / "bin/sudo"
    sudo.write_text("#!/bin/sh\nread -r _ || echo sudo: a password is required >&2\nexit 1\n")
    sudo.chmod(0o755)
    (host.home / ".bashrc").write_text("PATH=$HOME/bin:$PATH\n")
    crew.start()
    job = start(game, host)
    wait_for_end(job, "failed")
    assert job.host_runs.get().error == "step “stop”: sudo wants a password"
    assert_world_ok(fleet, job)


@pytest.mark.parametrize("wrong", ["-3 years", "+3 years"])
def test_a_host_whose_clock_is_wrong_is_told_in_our_time(
    wrong: str, game: Game, host: FleetHost, fleet: Fleet
) -> None:
    """Only its time since boot is believed; ``date`` there may say what it likes."""
    (host.home / "bin").mkdir()
    date = host.home / "bin/date"
    date.write_text(f'#!/bin/sh\nexec /bin/date -d "{wrong}" "$@"\n')
    date.chmod(0o755)
    (host.home / ".bashrc").write_text("PATH=$HOME/bin:$PATH\n")
    began = timezone.now()
    run = start_and_wait(game, host)
    (host.home / "go").touch()
    wait_for_end(run.job, "succeeded")
    for attempt in run.attempts.all():
        assert attempt.started_at
        assert attempt.ended_at
        # Of ticks and of rounding.
        assert began - timedelta(seconds=1) < attempt.started_at <= attempt.ended_at
        assert attempt.ended_at < timezone.now() + timedelta(seconds=1)
    assert_world_ok(fleet, run.job)


def test_retries_are_counted_over_all_workers(
    host: FleetHost, fleet: Fleet, crew: Crew, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between two of them nobody holds the host run."""
    monkeypatch.setattr(story, "LONGEST_NAP", 0.1)
    text = f"""\
recipe: faults
steps:
  - name: flaky
    retries: {{times: 2, delay: 500ms}}
    run: |
      {COUNT}
      exit 1
"""
    game = make_game(fleet, text)
    crew.start()
    job = start(game, host)
    wait_for_end(job, "failed")
    assert len(started(host)) == 3
    orders.retry(job, by=mira())
    until(lambda: len(started(host)) >= 4, "it is tried again")
    wait_for_end(job, "failed")
    assert len(started(host)) == 6
    assert_world_ok(fleet, job, repeated={"flaky"})
