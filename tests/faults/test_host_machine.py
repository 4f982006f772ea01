"""The shell sources in orders that nobody wrote down: Hypothesis launches, follows, kills, gives
up, cancels and reboots at will, and the host's own disk is asked how often each script began.
"""

import contextlib
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    consumes,
    invariant,
    rule,
    run_state_machine_as_test,
)

from demo import processes
from demo.processes import gone
from deploy_tasks import commands, frames
from deploy_tasks.commands import Program, Script
from tests.faults.world import COUNT
from tests.host_shell import NONE, SHELLS, HostShell, report
from tests.waiting import until

BOOT = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
#: Bytes that look like the beginning of a record, and such that are no text.
STRANGE = "printf 'x\\036n0 S 1\\000\\377\\r'"


@dataclass
class Plan:
    """``codes`` are the exit codes of its scripts; each waits for a file of its own."""

    id: str
    nonce: str
    codes: Sequence[int]
    program: Program
    follower: subprocess.Popen[bytes] | None = None
    #: Nothing of it may start any more: how often its scripts had been started by then.
    closed_at: Counter[str] | None = None
    #: Signals and a missing directory excuse an end that is not known.
    disturbed: bool = False
    wished: bool = False
    words: list[str] = field(default_factory=list)


class Host(RuleBasedStateMachine):
    shell = "dash"
    plans = Bundle("plans")

    def __init__(self) -> None:
        super().__init__()
        self.place = Path(tempfile.mkdtemp(prefix="host-machine-"))
        (self.place / "home").mkdir()
        self.host = HostShell(self.place / "home", self.shell)
        self.known: list[Plan] = []

    # What we do

    @rule(target=plans, codes=st.lists(st.sampled_from([0, 0, 0, 7]), min_size=1, max_size=3))
    def launch(self, codes: list[int]) -> Plan:
        plan = self._planned(codes)
        plan.follower = self.host.exec(plan.program)
        assert self._header(plan.follower, plan) == "launched"
        return plan

    @rule(target=plans, codes=st.lists(st.sampled_from([0, 7]), min_size=1, max_size=2))
    def launch_twice_at_once(self, codes: list[int]) -> Plan:
        plan = self._planned(codes)
        both = [self.host.exec(plan.program) for _ in range(2)]
        said = sorted(self._header(one, plan) for one in both)
        # The second may come while the files are being laid: then it is told to come again.
        assert said in (["exists", "launched"], ["launched", "noplan"])
        for one in both:
            one.communicate(timeout=20)
        return plan

    @rule(plan=plans)
    def launch_again(self, plan: Plan) -> None:
        """A second delivery, or a worker that had no answer to the first."""
        self._replace_follower(plan, plan.program)
        assert plan.words[-1] in ("exists", "noplan", "launched")
        # Only where every trace of it was taken away can it be taken for a new one; and that the
        # database knows to be a loss, and never sends it again.
        assert plan.words[-1] != "launched"

    @rule(plan=plans, share=st.floats(0, 1))
    def follow(self, plan: Plan, share: float) -> None:
        """From any byte: what comes is what lies there."""
        log = self.host.plan(plan.id) / "log"
        whole = log.read_bytes() if log.exists() else b""
        offset = int(len(whole) * share)
        program = commands.attach(plan.id, plan.nonce, offset, follower=self.host.follower)
        process = self.host.exec(program)
        word = self._header(process, plan, rest := bytearray())
        assert (word == "exists") == log.exists()
        assert process.stdout
        while len(rest) < len(whole) - offset:
            rest += process.stdout.read1(65536)  # type: ignore[attr-defined]
        assert bytes(rest[: len(whole) - offset]) == whole[offset:]
        process.communicate(timeout=20)

    @rule(plan=plans)
    def give_up(self, plan: Plan) -> None:
        said = self._word(commands.abandon(plan.id, plan.nonce), plan)
        begun = self.host.plan(plan.id) / "go.1"
        assert said == ("started" if begun.is_file() else "abandoned")
        if said == "abandoned":
            self._close(plan)
            assert not self._starts(plan)

    @rule(plan=plans)
    def end(self, plan: Plan) -> None:
        plan.wished = True
        if self._word(commands.end(plan.id, plan.nonce), plan) == "quiet":
            self._close(plan)

    @rule(plan=plans, force=st.booleans())
    def cancel(self, plan: Plan, force: bool) -> None:
        there = self.host.plan(plan.id).exists()
        said = self._word(commands.cancel(plan.id, plan.nonce, force=force), plan)
        assert said == ("wished" if there else "nodir")
        plan.wished = plan.wished or there

    @rule(plan=plans)
    def ask(self, plan: Plan) -> None:
        """Whoever is said to be alive lives."""
        program = commands.attach(plan.id, plan.nonce, 0, follower=self.host.follower)
        process = self.host.exec(program)
        # A launch that has just begun to follow takes us for the one before it, and ends us.
        with contextlib.suppress(EOFError, BrokenPipeError):
            if self._header(process, plan) == "exists":
                word = report(process, plan.nonce).word
                assert word in ("starting", "alive", "orphan", "dead", "rebooted")
                if word == "dead":
                    assert not self._script_runs(plan)
        process.communicate(timeout=20)

    # What befalls the host

    @rule(plan=plans)
    def a_script_comes_to_its_end(self, plan: Plan) -> None:
        for number in range(1, len(plan.codes) + 1):
            go = self._go(plan, number)
            if not go.exists():
                go.touch()
                break

    @rule(plan=plans, what=st.sampled_from(["runner", "script", "both"]))
    def kill(self, plan: Plan, what: str) -> None:
        path = self.host.plan(plan.id)
        victims = []
        with contextlib.suppress(OSError, IndexError, ValueError):
            if what != "script":
                victims.append(int((path / "st").read_text().split()[1]))
            if what != "runner":
                victims.append(int((path / "now").read_text().split()[1]))
        for pid in set(victims) & set(self.host.pids()):
            plan.disturbed = True
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
            until(lambda pid=pid: gone(pid), "it is gone")  # type: ignore[misc]

    @rule(plan=plans)
    def the_connection_dies(self, plan: Plan) -> None:
        if plan.follower:
            plan.follower.communicate(timeout=20)
            plan.follower = None

    @rule()
    def reboot(self) -> None:
        self._end_everything()
        for plan in self.known:
            plan.disturbed = True
            if plan.follower:
                plan.follower.communicate(timeout=20)
                plan.follower = None
            slots = self.host.plan(plan.id) / "st"
            if slots.exists():
                slots.write_text(slots.read_text().replace(BOOT, "0" * len(BOOT)))
                self._close(plan)

    @rule(plan=consumes(plans))
    def its_files_are_taken_away(self, plan: Plan) -> None:
        """From here on nothing is launched under its id, for it is known to have been there."""
        plan.disturbed = True
        shutil.rmtree(self.host.plan(plan.id), ignore_errors=True)

    # What is always true

    @invariant()
    def no_script_starts_twice(self) -> None:
        assert all(times == 1 for times in self._started().values())

    @invariant()
    def what_was_closed_stays_closed(self) -> None:
        for plan in self.known:
            assert plan.closed_at is None or self._starts(plan) == plan.closed_at, plan

    @invariant()
    def ends_are_told_as_they_were(self) -> None:
        for plan in self.known:
            if plan.disturbed:
                continue
            found = self._frames(plan)
            for frame in found:
                if isinstance(frame, frames.Ended) and frame.note == "-":
                    assert frame.status == plan.codes[frame.number - 1]
            begun = [frame.number for frame in found if isinstance(frame, frames.Started)]
            assert begun == list(range(1, len(begun) + 1))
            assert not any(plan.codes[number - 2] for number in begun[1:]), "after a failure"

    def teardown(self) -> None:
        try:
            for plan in self.known:
                for number in range(1, len(plan.codes) + 1):
                    self._go(plan, number).touch()
                self.the_connection_dies(plan)
            for plan in self.known:
                self._is_whole(plan)
            until(lambda: self.host.pids() == [], "nothing is left on the host")
            self.no_script_starts_twice()
        finally:
            self._end_everything()
            shutil.rmtree(self.place)

    def _is_whole(self, plan: Plan) -> None:
        if plan.disturbed or plan.closed_at is not None:
            return
        finished = frames.Finished
        until(lambda: isinstance([None, *self._frames(plan)][-1], finished), "it is through")
        found = self._frames(plan)
        begun = sum(isinstance(frame, frames.Started) for frame in found)
        assert begun == sum(isinstance(frame, frames.Ended) for frame in found)
        assert begun == sum(self._starts(plan).values()) or plan.wished
        if not plan.wished:
            failed = next((n for n, code in enumerate(plan.codes, 1) if code), len(plan.codes))
            assert begun == failed

    # Tools

    def _end_everything(self) -> None:
        quiet = 0
        while quiet < 5:  # a process that is just becoming another one is not seen
            pids = self.host.pids()
            processes.kill(pids)
            quiet = 0 if pids else quiet + 1
            time.sleep(0.01)

    def _planned(self, codes: Sequence[int]) -> Plan:
        plan, nonce = commands.new_plan_id(), commands.new_nonce()
        scripts = [
            Script(
                f"{COUNT}; {STRANGE}\nuntil [ -e go.{plan}.{n} ]; do sleep .05; done\nexit {code}",
                60,
            )
            for n, code in enumerate(codes, 1)
        ]
        program = commands.launch(plan, nonce, scripts, NONE, run=1, follower=self.host.follower)
        self.known.append(Plan(plan, nonce, codes, program))
        return self.known[-1]

    def _go(self, plan: Plan, number: int) -> Path:
        return self.host.home / f"go.{plan.id}.{number}"

    def _header(
        self, process: subprocess.Popen[bytes], plan: Plan, rest: bytearray | None = None
    ) -> str:
        assert process.stdout
        mark = f"\x1e{plan.nonce} H ".encode()
        said = b""
        while b"\n" not in said.partition(mark)[2]:
            more = process.stdout.read1(65536)  # type: ignore[attr-defined]
            assert more, f"no answer, but {said!r} {process.stderr and process.stderr.read()!r}"
            said += more
        if rest is not None:
            rest += said.partition(mark)[2].partition(b"\n")[2]
        return commands.word(said, plan.nonce)

    def _replace_follower(self, plan: Plan, program: Program) -> None:
        self.the_connection_dies(plan)
        plan.follower = self.host.exec(program)
        plan.words.append(self._header(plan.follower, plan))

    def _word(self, program: Program, plan: Plan) -> str:
        return commands.word(self.host.run(program), plan.nonce)

    def _close(self, plan: Plan) -> None:
        if plan.closed_at is None:
            plan.closed_at = self._starts(plan)

    def _started(self) -> Counter[str]:
        file = self.host.home / "started"
        return Counter(file.read_text().splitlines() if file.exists() else [])

    def _starts(self, plan: Plan) -> Counter[str]:
        return Counter({line: n for line, n in self._started().items() if plan.id in line})

    def _script_runs(self, plan: Plan) -> bool:
        return any(f"/{plan.id}/" in line and ".sh" in line for line in self.host.running())

    def _frames(self, plan: Plan) -> list[frames.Frame]:
        log = self.host.plan(plan.id) / "log"
        if not log.exists():
            return []
        reader = frames.LogReader(plan.nonce, frames.Position())
        head = f"\x1e{plan.nonce} H exists 1\n".encode()
        return reader.feed(head + log.read_bytes())


def explore(shell: str, given: settings) -> None:
    machine = type("Machine", (Host,), {"shell": shell})
    run_state_machine_as_test(machine, settings=given)  # type: ignore[arg-type]


#: The machine makes processes: how long they take says nothing.
PATIENT = settings(
    deadline=None,
    suppress_health_check=list(HealthCheck),
    stateful_step_count=12,
    max_examples=4,
    derandomize=True,
)


@pytest.mark.parametrize("shell", SHELLS)
def test_whatever_happens_in_whatever_order_nothing_runs_twice(shell: str) -> None:
    explore(shell, PATIENT)


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("shell", SHELLS)
def test_whatever_happens_in_long_stories_nothing_runs_twice(shell: str) -> None:
    explore(shell, settings(PATIENT, derandomize=False, max_examples=60, stateful_step_count=40))
