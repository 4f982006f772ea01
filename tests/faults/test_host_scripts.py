"""R37-R56 on the host alone: its runner is killed, its disk is full, its ids are given again.

What the shell sources do when all goes well is in tests/test_host_scripts.py.
"""

import contextlib
import os
import re
import shutil
import signal
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Protocol

import pytest

from demo import processes
from demo.processes import gone
from deploy_tasks import commands, frames
from deploy_tasks.commands import Probe, Program, Script
from tests.faults.disks import mounted
from tests.host_shell import NONE, SHELLS, HostShell, ends, output, pid_namespace, report
from tests.waiting import until

#: Of a plan's watchdog, in seconds.
NAP = b"0.2"

#: Runs until somebody touches ``go``.
HELD = "echo began; touch begun; while [ ! -e go ]; do sleep .05; done; echo over"


class Plan:
    """One plan that was launched on a host, and the follower that is still there."""

    def __init__(self, host: HostShell, *scripts: Script, patience: int = 10) -> None:
        """``patience``: seconds between TERM and KILL, which are 10. Between two looks of the
        watchdog, a second passes else."""
        self.host = host
        self.id, self.nonce = commands.new_plan_id(), commands.new_nonce()
        program = commands.launch(self.id, self.nonce, scripts, NONE, run=1, follower=host.follower)
        text = program.stdin
        for was, here in (
            (b"kill_at=$((now + 10))", b"kill_at=$((now + %d))" % patience),
            (b"\nnap 1\n", b"\nnap %s\n" % NAP),
            (b"\nnap 3\n", b"\nnap 1.1\n"),
        ):
            assert text.count(was) == 1
            text = text.replace(was, here)
        self.process = host.exec(replace(program, stdin=text))

    @property
    def path(self) -> Path:
        return self.host.plan(self.id)

    def wait_until_begun(self) -> "Plan":
        until((self.host.home / "begun").exists, "the script has begun")
        return self

    @property
    def runner(self) -> int:
        return int((self.path / "st").read_text().split()[1])

    @property
    def watchdog(self) -> int:
        """A child of the runner, as the script is."""
        children = Path(f"/proc/{self.runner}/task/{self.runner}/children")
        (watchdog,) = {int(child) for child in children.read_text().split()} - {self.script}
        return watchdog

    @property
    def relay(self) -> list[int]:
        """Those that write the log."""
        log = str(self.path / "log")
        return [pid for pid in self.host.pids() if processes.output(pid) == log]

    @property
    def script(self) -> int:
        return int((self.path / "now").read_text().split()[1])

    def expire(self) -> None:
        """As if the step had had its time. In place, as the script notes itself."""
        number, script, _limit, *more = (self.path / "now").read_text().split()
        with (self.path / "now").open("r+") as now:
            print(number, script, 0, *more, file=now)

    def report(self) -> frames.RunnerReport:
        return report(self.process, self.nonce)

    def told(self, word: str, what: str) -> frames.RunnerReport:
        """That report itself: the next may say for a moment that the log is written still."""
        return until(lambda: report if (report := self.report()).word == word else None, what)

    def attach(self) -> None:
        self.process.communicate(timeout=10)
        program = commands.attach(self.id, self.nonce, 0, follower=self.host.follower)
        self.process = self.host.exec(program)
        # What is sent before it has answered would be taken for more of the program.
        assert self.process.stdout
        assert b" H exists " in self.process.stdout.readline()

    def follow(self) -> list[frames.Frame]:
        # Else the one that came with the launch might end ours, and not ours that one.
        until((self.path / "follower").exists, "it is launched, and followed")
        attach = commands.attach(self.id, self.nonce, 0, follower=self.host.follower)
        return self.host.follow(self.nonce, attach)

    def run(self, program: Program) -> bytes:
        return self.host.run(program)

    def go_on(self) -> None:
        (self.host.home / "go").touch()

    def leave(self) -> None:
        """Nothing of it is left on the host when its follower goes."""
        self.process.communicate(timeout=10)
        until(lambda: self.host.running() == [], "nothing is left on the host")

    def clear_away(self) -> None:
        """After a test that has failed."""
        processes.kill(self.host.pids())
        self.process.communicate(timeout=10)


class Launch(Protocol):
    def __call__(self, host: HostShell, *scripts: Script, patience: int = 10) -> Plan: ...


@pytest.fixture
def launch() -> Iterator[Launch]:
    launched: list[Plan] = []

    def do(host: HostShell, *scripts: Script, patience: int = 10) -> Plan:
        launched.append(Plan(host, *scripts, patience=patience))
        return launched[-1]

    yield do
    for plan in launched:
        plan.clear_away()


@pytest.fixture(params=SHELLS)
def host(request: pytest.FixtureRequest, tmp_path: Path) -> HostShell:
    home = tmp_path / "home"
    home.mkdir()
    return HostShell(home, request.param)


@pytest.fixture
def dash(tmp_path: Path) -> HostShell:
    """For what takes long: one shell has to be enough."""
    (tmp_path / "home").mkdir()
    return HostShell(tmp_path / "home", "dash")


#: Another user, who owns as much as root: root may start as many processes as there is room for.
NOBODY = [
    *(shutil.which("setpriv") or "", "--reuid=64999", "--regid=64999", "--clear-groups"),
    *("--inh-caps=+dac_override", "--ambient-caps=+dac_override"),
]


@contextlib.contextmanager
def crowded(host: HostShell) -> Iterator[None]:
    """Nothing on this host can start a process."""

    def allow(most: int) -> None:
        limit = f'for pid; do prlimit --pid "$pid" --nproc={most}: || :; done'
        pids = map(str, host.pids())
        subprocess.run([*NOBODY, "sh", "-c", limit, "sh", *pids], check=True, capture_output=True)

    allow(1)
    try:
        yield
    finally:
        allow(10_000)


@pytest.fixture
def narrow(host: HostShell) -> HostShell:
    if os.geteuid() != 0 or not NOBODY[0]:
        pytest.skip("needs to be another user (root, setpriv)")
    host.inside = NOBODY
    return host


@pytest.mark.parametrize("why", ["timeout", "cancelled"])
def test_a_step_can_be_ended_where_no_process_can_be_started(
    why: str, launch: Launch, narrow: HostShell
) -> None:
    """Its watchdog outlives that, and needs none to end what may be starting all the others."""
    limit = 3 if why == "timeout" else 60
    plan = launch(narrow, Script("touch begun; exec sleep 60", limit)).wait_until_begun()
    with crowded(narrow):
        if why == "cancelled":
            (plan.path / "cancel").touch()
        until(lambda: gone(plan.script), "it is ended")
    assert ends(plan.follow()) == [(1, 143, why)]
    plan.leave()


def test_a_step_for_which_no_process_can_be_started_has_failed(
    launch: Launch, narrow: HostShell
) -> None:
    if narrow.shell == "bash":
        pytest.skip("a bash tries again for a while")
    os.mkfifo(narrow.home / "gate")
    scripts = Script("touch begun; exec 3<gate", 60), Script("touch never", 60)
    plan = launch(narrow, *scripts).wait_until_begun()
    with crowded(narrow):
        (narrow.home / "gate").write_text("")
        until(lambda: b" Z failed" in (plan.path / "log").read_bytes(), "all is over")
    found = plan.follow()
    assert ends(found) == [(1, 0, "-"), (2, 2, "-")]
    assert b"too much running" in output(found, 2)
    plan.leave()


def test_a_wait_goes_on_while_no_process_can_be_started(launch: Launch, narrow: HostShell) -> None:
    """What could not be asked has not answered otherwise: what was good before counts."""
    if narrow.shell == "bash":
        pytest.skip("a bash tries again for a while")
    probe = Probe(every=0.1, stable_for=0, at_most=60, times=3)
    text = "echo $$ >>asked; [ -e asked ] && until [ -e gate ]; do :; done"
    plan = launch(narrow, Script(text, 60, probe=probe))
    asked = narrow.home / "asked"
    until(lambda: asked.exists() and asked.read_text(), "it is asked")
    with crowded(narrow):
        (narrow.home / "gate").touch()
        log = plan.path / "log"
        until(lambda: b"no process can be started to ask\n" in log.read_bytes(), "it is told")
    found = plan.follow()
    assert ends(found) == [(1, 0, "-")]
    assert output(found, 1) == b"no process can be started to ask\n\n"
    assert len(asked.read_text().split()) == 3
    plan.leave()


def test_a_hang_up_ends_neither_the_runner_nor_its_wait(launch: Launch, host: HostShell) -> None:
    plan = launch(host, Script(HELD, 60), Script("echo next", 60)).wait_until_begun()
    for _ in range(3):
        os.kill(plan.runner, signal.SIGHUP)
        assert plan.report().word == "alive"
    plan.go_on()
    assert ends(plan.follow()) == [(1, 0, "-"), (2, 0, "-")]
    plan.leave()


def test_the_script_of_a_killed_runner_is_an_orphan_and_ends_by_itself(
    launch: Launch, host: HostShell
) -> None:
    plan = launch(host, Script(HELD, 60), Script("touch never", 60)).wait_until_begun()
    script = plan.script
    os.kill(plan.runner, signal.SIGKILL)
    plan.told("orphan", "that is told")
    plan.go_on()
    until(lambda: gone(script), "the script ends")
    dead = plan.told("dead", "that is told")
    assert [slot[:2] for slot in dead.slots] == [("S", "1")]
    log = plan.path / "log"
    until(lambda: log.read_bytes().endswith(b"began\nover\n"), "its relay has written all")
    assert not (host.home / "never").exists()
    plan.leave()


def test_a_runner_that_was_stopped_notes_the_end_of_a_cancelled_step(
    launch: Launch, host: HostShell
) -> None:
    plan = launch(host, Script(HELD, 60)).wait_until_begun()
    os.kill(plan.runner, signal.SIGSTOP)
    (plan.path / "cancel").touch()
    assert ends(plan.follow()) == [(1, 143, "cancelled")]
    plan.leave()


def test_the_limit_of_an_orphan_is_kept(launch: Launch, host: HostShell) -> None:
    plan = launch(host, Script(HELD, 2)).wait_until_begun()
    os.kill(plan.runner, signal.SIGKILL)
    plan.told("dead", "its watchdog ends it")
    plan.leave()


def test_an_orphan_can_be_cancelled(launch: Launch, host: HostShell) -> None:
    plan = launch(host, Script(HELD, 60)).wait_until_begun()
    os.kill(plan.runner, signal.SIGKILL)
    assert b"H wished" in plan.run(commands.cancel(plan.id, plan.nonce))
    plan.told("dead", "its watchdog ends it")
    plan.leave()


#: What can befall one that watches over a plan.
LOST = [signal.SIGKILL, signal.SIGSTOP]


@pytest.mark.parametrize("how", LOST)
def test_the_next_step_has_a_watchdog_again(
    how: signal.Signals, launch: Launch, host: HostShell
) -> None:
    plan = launch(host, Script(HELD, 60), Script("sleep 9", 1)).wait_until_begun()
    os.kill(plan.watchdog, how)
    plan.go_on()
    assert ends(plan.follow()) == [(1, 0, "-"), (2, 143, "timeout")]
    plan.leave()


@pytest.mark.parametrize("how", LOST)
@pytest.mark.parametrize("why", ["timeout", "cancelled"])
def test_who_follows_stands_in_for_a_watchdog(
    how: signal.Signals, why: str, launch: Launch, host: HostShell
) -> None:
    """A child that ignores the end of its step is ended, too. What stands in needs no link."""
    text = f"sh -c \"trap '' TERM; sleep 60\" & {HELD}"
    plan = launch(host, Script(text, 60), patience=1).wait_until_begun()
    os.kill(plan.watchdog, how)
    if why == "cancelled":
        plan.run(commands.cancel(plan.id, plan.nonce))
    else:
        plan.expire()
    until(lambda: plan.report() and "sleep 1.1" in host.running(), "it is noticed")
    plan.process.communicate(timeout=10)
    assert ends(plan.follow()) == [(1, 143, why)]
    plan.leave()


def test_an_orphan_without_a_watchdog_is_ended(launch: Launch, host: HostShell) -> None:
    plan = launch(host, Script(HELD, 60), patience=1).wait_until_begun()
    for pid in (plan.watchdog, plan.runner):
        os.kill(pid, signal.SIGKILL)
    plan.expire()
    plan.told("dead", "its limit is kept")
    plan.leave()


def test_who_follows_ends_a_probe_that_hangs_without_a_watchdog(
    launch: Launch, host: HostShell, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(commands, "CUT_AFTER", 1)
    probe = Probe(every=0.1, stable_for=0, at_most=60)
    plan = launch(host, Script("[ -e begun ] || { touch begun; sleep 60; }", 60, probe=probe))
    plan.wait_until_begun()
    os.kill(plan.watchdog, signal.SIGKILL)
    plan.told("dead", "the runner is through")
    assert ends(plan.follow()) == [(1, 0, "-")]
    plan.leave()


def test_a_runner_that_was_killed_with_all_it_had_is_dead(launch: Launch, host: HostShell) -> None:
    """As the kernel does it when memory runs out: the shell that launched it goes, too."""
    plan = launch(host, Script(HELD, 60)).wait_until_begun()
    script = plan.script
    session = int(Path(f"/proc/{plan.runner}/stat").read_text().rpartition(") ")[2].split()[3])
    os.killpg(session, signal.SIGKILL)
    os.killpg(script, signal.SIGKILL)
    until(lambda: gone(script), "it is gone")
    plan.attach()
    plan.told("dead", "that is told")
    plan.leave()


def test_what_outlives_its_step_and_its_runner_is_named(launch: Launch, host: HostShell) -> None:
    text = f"sleep 60 & echo $! >child; setsid sleep 59 & {HELD}"
    plan = launch(host, Script("true", 60), Script(text, 60)).wait_until_begun()
    left, mark = commands.left(plan.id)

    def said() -> bytes:
        return host.run(left).partition(mark)[2].partition(b"\n")[2]

    script = plan.script
    assert b"%d sh\n" % script in said()
    os.kill(plan.runner, signal.SIGKILL)
    os.kill(script, signal.SIGKILL)
    until(lambda: gone(script), "that is gone, too")
    child = int((host.home / "child").read_text())
    until(lambda: said() == b"%d sleep\n" % child, "what it has started is left")
    os.kill(child, signal.SIGKILL)
    until(lambda: said() == b"", "nothing is left")
    plan.clear_away()


def test_a_pid_that_was_given_again_is_not_taken_for_the_runner(
    launch: Launch, host: HostShell
) -> None:
    plan = launch(host, Script(HELD, 60)).wait_until_begun()
    for name, was in (("st", plan.runner), ("now", plan.script)):
        text = (plan.path / name).read_text()
        (plan.path / name).write_text(re.sub(rf"\b{was}\b", str(os.getpid()), text))
    # Its relay may be at work still.
    plan.told("dead", "that is told")
    plan.go_on()
    plan.leave()


def test_another_boot_is_told(launch: Launch, host: HostShell) -> None:
    """After one nobody writes the log of a plan, whoever seems to."""
    plan = launch(host, Script(HELD, 60)).wait_until_begun()
    boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    text = (plan.path / "st").read_text()
    (plan.path / "st").write_text(text.replace(boot, "0" * len(boot)))
    relay = plan.relay
    for pid in relay:
        os.kill(pid, signal.SIGSTOP)
    assert plan.report().word == "rebooted"
    for pid in relay:
        os.kill(pid, signal.SIGCONT)
    plan.go_on()
    plan.leave()


def test_a_runner_that_nobody_reaps_is_dead(launch: Launch, dash: HostShell) -> None:
    """R40: a container whose first process does not reap."""
    with pid_namespace() as inside:
        dash.inside = inside
        plan = launch(dash, Script(HELD, 60)).wait_until_begun()
        kill = ["kill", "-9", str(plan.runner), str(plan.script)]
        subprocess.run([*inside, *kill], check=True)
        plan.told("dead", "that is told")
        plan.process.communicate(timeout=10)


@pytest.mark.parametrize("name", ["probe", "now"])
def test_an_id_that_was_read_while_it_was_written_ends_nobody(
    launch: Launch, dash: HostShell, name: str
) -> None:
    """Of ``1 1234 …`` and ``0 0``, which takes its place, a sh that reads byte by byte may see
    ``1 1``: to end group 1 is to end everybody."""
    with pid_namespace() as inside:
        dash.inside = inside
        probe = Probe(every=0.1, stable_for=0, at_most=60)
        plan = launch(dash, Script(HELD, 60), Script("true", 60, probe=probe)).wait_until_begun()
        cancel = commands.cancel(plan.id, plan.nonce, force=True)
        file = plan.path / name
        before = file.read_bytes()
        file.write_bytes(b"1 1\n" + before[4:])
        if name == "now":
            plan.run(cancel)
        wait_for_look(dash)
        file.write_bytes(before)
        plan.run(cancel)
        plan.told("dead", "its runner is through")
        assert ends(plan.follow()) == [(1, 143, "cancelled")]


def test_an_id_is_not_believed_when_its_file_and_its_process_are_gone(
    launch: Launch, dash: HostShell
) -> None:
    """By then it may be another's."""
    text = f"sleep 60 & echo $! >child; {HELD}"
    plan = launch(dash, Script(text, 2)).wait_until_begun()
    runner, script = plan.runner, plan.script
    limit = int((plan.path / "now").read_text().split()[2])
    child = int((dash.home / "child").read_text())
    wait_for_look(dash)
    # In the moment in which it would note that there is none.
    os.kill(runner, signal.SIGSTOP)
    shutil.rmtree(plan.path)
    os.kill(script, signal.SIGKILL)
    until(lambda: float(Path("/proc/uptime").read_text().split()[0]) > limit, "its time is over")
    wait_for_look(dash)
    wait_for_look(dash)
    assert not gone(child)
    os.kill(child, signal.SIGKILL)
    os.kill(runner, signal.SIGCONT)
    plan.leave()


@pytest.mark.parametrize("and_runner", [False, True])
def test_a_wait_that_is_killed_leaves_no_probe_behind(
    launch: Launch, host: HostShell, *, and_runner: bool
) -> None:
    """It has a session of its own, and may hang."""
    probe = Probe(every=0.1, stable_for=0, at_most=60)
    text = "echo $$ >probed.tmp; mv probed.tmp probed; exec sleep 60"
    plan = launch(host, Script(text, 60, probe=probe))
    until((host.home / "probed").exists, "it is asked")
    until(lambda: (plan.path / "probe").read_text().split()[0] != "0", "it is watched")
    for pid in [plan.runner, plan.script][not and_runner :]:
        os.kill(pid, signal.SIGKILL)
    until(lambda: gone(int((host.home / "probed").read_text())), "it is ended")
    plan.leave()


def test_a_hang_up_in_the_moment_of_an_end_is_not_taken_for_it(
    launch: Launch, host: HostShell
) -> None:
    plan = launch(host, Script(HELD, 60), Script("echo next; kill -9 $$", 60)).wait_until_begun()
    runner, script = plan.runner, plan.script
    os.kill(runner, signal.SIGSTOP)
    os.kill(runner, signal.SIGHUP)
    plan.go_on()
    until(lambda: gone(script), "the script has ended")
    os.kill(runner, signal.SIGCONT)
    assert ends(plan.follow()) == [(1, 0, "-"), (2, 137, "-")]
    plan.leave()


def test_a_relay_that_stands_still_is_waited_for(launch: Launch, host: HostShell) -> None:
    """Or waits for a slow disk: the runner is gone long before all of its log is there."""
    plan = launch(host, Script(HELD, 60)).wait_until_begun()
    relay = plan.relay
    for pid in relay:
        os.kill(pid, signal.SIGSTOP)
    plan.go_on()
    until(lambda: gone(plan.runner), "the runner is through")
    assert plan.report().word == "writing"
    for pid in relay:
        os.kill(pid, signal.SIGCONT)
    assert ends(plan.follow()) == [(1, 0, "-")]
    plan.leave()


def test_what_ignores_the_end_of_its_step_is_killed_before_that_is_told(
    launch: Launch, dash: HostShell
) -> None:
    stubborn = "trap '' TERM; echo $$ >child; touch begun; while :; do sleep .1; done"
    script = Script(f"sh -c {stubborn!r} & wait", 60)
    plan = launch(dash, script, patience=1).wait_until_begun()
    child = int((dash.home / "child").read_text())
    plan.run(commands.cancel(plan.id, plan.nonce))
    found = plan.follow()
    assert ends(found) == [(1, 143, "cancelled")]
    assert gone(child)
    plan.leave()


def test_a_daemon_that_keeps_the_output_open_does_not_hold_up_the_end(
    launch: Launch, host: HostShell
) -> None:
    """R47."""
    daemon = "setsid sh -c 'echo $$ >daemon; exec sleep 60' &\nuntil [ -s daemon ]; do :; done\n"
    plan = launch(host, Script(daemon + "echo up", 60), Script("echo next", 60))
    found = plan.follow()
    assert ends(found) == [(1, 0, "-"), (2, 0, "-")]
    assert found[-1] == frames.Finished("done")
    os.kill(int((host.home / "daemon").read_text()), signal.SIGKILL)
    plan.leave()


def test_a_relay_that_is_killed_costs_output_and_no_exit_status(
    launch: Launch, host: HostShell
) -> None:
    text = f"{HELD}; trap '' PIPE; echo lost || :; exit 3"
    plan = launch(host, Script(text, 60)).wait_until_begun()
    until(lambda: any(map(relays, plan.relay)), "its relay has begun, too")
    os.kill(next(filter(relays, plan.relay)), signal.SIGKILL)
    plan.go_on()
    dead = plan.told("dead", "the runner is through")
    assert dead.slots[-1][:3] == ("E", "1", "3")
    plan.leave()


def test_a_directory_that_is_taken_away_ends_the_plan_after_its_step(
    launch: Launch, host: HostShell
) -> None:
    """R56."""
    plan = launch(host, Script(HELD, 60), Script("touch never", 60)).wait_until_begun()
    runner = plan.runner
    shutil.rmtree(host.home / ".patchwave")
    plan.go_on()
    until(lambda: gone(runner), "the runner ends")
    assert not (host.home / "never").exists()
    assert b"H nodir" in plan.run(commands.attach(plan.id, plan.nonce, 0))
    plan.leave()


def test_the_limit_is_kept_without_the_directory(launch: Launch, host: HostShell) -> None:
    plan = launch(host, Script(HELD, 2)).wait_until_begun()
    wait_for_look(host)
    runner = plan.runner
    shutil.rmtree(host.home / ".patchwave")
    until(lambda: gone(runner), "the runner ends")
    plan.leave()


# What a person has given up


def end(plan: Plan) -> str:
    nonce = commands.new_nonce()
    return commands.word(plan.run(commands.end(plan.id, nonce)), nonce)


def test_what_was_given_up_before_it_came_is_never_begun(launch: Launch, host: HostShell) -> None:
    late, nonce = commands.new_plan_id(), commands.new_nonce()
    answer = commands.word(host.run(commands.end(late, nonce)), nonce)
    assert answer == "quiet"
    launched = commands.launch(late, nonce, [Script("touch never", 60)], NONE, run=1)
    assert commands.word(host.run(launched), nonce) == "noplan"
    assert not (host.home / "never").exists()


def test_what_was_given_up_is_ended_and_nothing_follows_it(launch: Launch, host: HostShell) -> None:
    plan = launch(host, Script(HELD, 60), Script("touch never", 60)).wait_until_begun()
    assert end(plan) == "busy"
    # Whoever followed it over a connection that died without a word goes, too.
    assert plan.process.wait(10) == -signal.SIGKILL
    until(lambda: end(plan) == "quiet", "it is ended")
    assert ends(plan.follow()) == [(1, 143, "cancelled")]
    assert not (host.home / "never").exists()
    plan.leave()


def test_what_was_given_up_is_ended_without_a_watchdog(launch: Launch, host: HostShell) -> None:
    plan = launch(host, Script(HELD, 60)).wait_until_begun()
    os.kill(plan.watchdog, signal.SIGKILL)
    until(lambda: end(plan) == "quiet", "it is ended")
    assert ends(plan.follow()) == [(1, 143, "cancelled")]
    plan.leave()


def test_what_was_given_up_and_must_not_be_interrupted_is_waited_for(
    launch: Launch, dash: HostShell
) -> None:
    held = Script(HELD, 60, interrupt="after")
    plan = launch(dash, held, Script("touch never", 60)).wait_until_begun()
    assert end(plan) == "busy"
    wait_for_look(dash)
    assert end(plan) == "busy"
    plan.go_on()
    until(lambda: end(plan) == "quiet", "it ends by itself")
    assert ends(plan.follow()) == [(1, 0, "-")]
    assert not (dash.home / "never").exists()
    plan.leave()


def test_what_was_given_up_is_found_without_its_directory(launch: Launch, host: HostShell) -> None:
    plan = launch(host, Script(HELD, 60), Script("touch never", 60)).wait_until_begun()
    wait_for_look(host)
    runner = plan.runner
    # Else its watchdog might be quicker.
    processes.send(signal.SIGSTOP, all_of_it := host.pids())
    shutil.rmtree(host.home / ".patchwave")
    assert end(plan) == "busy"
    processes.send(signal.SIGCONT, all_of_it)
    until(lambda: end(plan) == "quiet" and gone(runner), "its watchdog has ended it")
    assert not (host.home / "never").exists()
    plan.leave()


# A full disk


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A home on a disk of 160 kB and 99 files, from which no program may be started, either."""
    home = tmp_path / "home"
    home.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=160k,nr_inodes=99,noexec", "none", str(home)]
    if os.geteuid() != 0 or subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("needs to mount a small disk (root)")
    yield home
    subprocess.run(["umount", "-l", str(home)], check=True)


def fill(home: Path, *, and_files: bool = False) -> None:
    with contextlib.suppress(OSError), (home / "full").open("wb", buffering=0) as file:
        while True:
            file.write(bytes(4096))
    with contextlib.suppress(OSError):
        for number in range(99 if and_files else 0):
            (home / f"full-{number}").touch()


@pytest.mark.parametrize("shell", SHELLS)
def test_a_disk_that_is_full_before_the_launch_is_told(
    launch: Launch, small_disk: Path, shell: str
) -> None:
    host = HostShell(small_disk, shell)
    fill(small_disk)
    plan = launch(host, Script("touch ran", 60))
    assert b"H noroom " in plan.process.communicate(timeout=10)[0]
    (small_disk / "full").unlink()
    # Its claim is taken: nobody will start it any more.
    assert b"H noplan " in plan.run(commands.launch(plan.id, plan.nonce, [], NONE, run=1))
    assert not (small_disk / "ran").exists()


@pytest.mark.parametrize("shell", SHELLS)
def test_exit_codes_arrive_from_a_full_disk(launch: Launch, small_disk: Path, shell: str) -> None:
    host = HostShell(small_disk, shell)
    plan = launch(host, Script(HELD, 60), Script("seq 1 100000; exit 5", 60)).wait_until_begun()
    fill(small_disk)
    plan.go_on()
    dead = plan.told("dead", "the runner is through")
    assert [slot[:3] for slot in dead.slots if slot[0] == "E"] == [("E", "1", "0"), ("E", "2", "5")]
    assert dead.size == (plan.path / "log").stat().st_size
    plan.leave()


@pytest.mark.parametrize("shell", SHELLS)
@pytest.mark.parametrize("why", ["timeout", "cancelled"])
def test_limits_and_cancels_are_kept_on_a_full_disk(
    launch: Launch, small_disk: Path, shell: str, why: str
) -> None:
    host = HostShell(small_disk, shell)
    plan = launch(host, Script(HELD, 2 if why == "timeout" else 60)).wait_until_begun()
    fill(small_disk, and_files=True)
    if why == "cancelled":
        assert b"H wished" in plan.run(commands.cancel(plan.id, plan.nonce))
    dead = plan.told("dead", "the runner is through")
    (end,) = (slot for slot in dead.slots if slot[0] == "E")
    assert (end[2], end[4]) == ("143", why)
    plan.leave()


@pytest.mark.parametrize("shell", SHELLS)
def test_what_is_done_already_is_skipped_on_a_full_disk(
    launch: Launch, small_disk: Path, shell: str
) -> None:
    host = HostShell(small_disk, shell)
    plan = launch(host, Script(HELD, 60), Script("exit 9", 60, done_if="true")).wait_until_begun()
    fill(small_disk)
    plan.go_on()
    dead = plan.told("dead", "the runner is through")
    assert dead.slots[-1][::2] == ("E", "0", "skipped")
    plan.leave()


@pytest.mark.parametrize("shell", SHELLS)
def test_a_plan_is_given_up_for_certain_or_not_at_all(small_disk: Path, shell: str) -> None:
    """Where there is no room even for the mark, nothing is said."""
    host = HostShell(small_disk, shell)
    plan, nonce = commands.new_plan_id(), commands.new_nonce()
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    assert host.run(commands.abandon(plan, nonce)) == b""
    subprocess.run(["mount", "-o", "remount,rw", str(small_disk)], check=True)
    assert b"H abandoned " in host.run(commands.abandon(plan, nonce))


# A disk that fails


@pytest.mark.slow
@pytest.mark.parametrize("shell", SHELLS)
def test_a_disk_that_fails_under_a_plan_is_named(
    launch: Launch, tmp_path: Path, shell: str
) -> None:
    (tmp_path / "home").mkdir()
    (tmp_path / "aside").mkdir()
    with mounted([tmp_path / "home"], "ext4") as (disk,):
        for name in ("go", "begun"):
            (disk.home / name).symlink_to(tmp_path / "aside" / name)
        host = HostShell(disk.home, shell)
        plan = launch(host, Script(HELD, 60), Script("echo never >go", 60)).wait_until_begun()
        disk.fail()
        plan.go_on()

        def is_named() -> bool:
            report = plan.report()
            return report.word == "dead" and not report.could_note

        until(is_named, "its runner is gone, and could not have noted its end")
        # Whoever comes later can read nothing of it, and learns the same.
        host.follower = "loop"
        plan.attach()
        until(lambda: plan.report().slots == (("W",),), "it is told so again")
        other, nonce = commands.new_plan_id(), commands.new_nonce()
        said = host.run(commands.launch(other, nonce, [Script("true", 60)], NONE, run=1))
        assert commands.word(said, nonce) in ("sick", "readonly")
        plan.leave()
    assert not (tmp_path / "aside/go").read_text()


# Shells


@pytest.mark.parametrize("login", ["csh", "fish", "bash"])
@pytest.mark.parametrize("shell", ["dash", "busybox"])
def test_any_log_in_shell_passes_a_program_on(
    launch: Launch, tmp_path: Path, login: str, shell: str
) -> None:
    if not shutil.which(login):
        pytest.skip(f"{login} is not installed")
    (tmp_path / "home").mkdir()
    host = HostShell(tmp_path / "home", shell, login=login)
    _, _, found = host.launch([Script("echo 'it''s !here $((1 + 1))'", 10)])
    assert output(found, 1) == b"its !here $((1 + 1))\n"
    until(lambda: host.running() == [], "nothing is left on the host")


def wait_for_look(host: HostShell) -> None:
    """Of its watchdog, which naps again."""
    first = until(lambda: naps(host), "it naps")
    until(lambda: naps(host) - first, "it has looked, and naps again")


def naps(host: HostShell) -> set[int]:
    """Of the watchdog."""
    nap = [b"sleep", NAP, b""]
    return {pid for pid in host.pids() if processes.words(pid, "cmdline") == nap}


def relays(pid: int) -> bool:
    """Whether it is the program that writes the log; the shell that waits for it can do so, too."""
    return processes.words(pid, "cmdline")[0].endswith(b"cat")
