"""What may befall an update, as deeds that a story picks by its dice."""

import contextlib
import os
import random
import signal
import threading
import time
from collections.abc import Mapping
from pathlib import Path

from django.db import OperationalError

from demo import processes
from demo.fleet import Fleet
from deploy_tasks import orders, reconciling
from deploy_tasks.errors import InvalidInput, OrderRefused
from deploy_tasks.failpoints import POINTS
from deploy_tasks.models import Game, HostRun, Job
from deploy_tasks.states import JOB_ENDED, Pause
from tests.faults.crew import Nursery, Worker
from tests.faults.island import Island
from tests.faults.jobs import mira, order
from tests.faults.line import Line
from tests.faults.world import COUNT
from tests.waiting import until

#: First and last of every script: it tells when another of its host runs beside it, and whether it
#: came to its end.
BEGIN = f"""\
{COUNT}
      other=$(cat busy 2>/dev/null || true)
      if [ -n "$other" ] && grep -q /runs/ "/proc/$other/cmdline" 2>/dev/null
      then echo "$0 beside $other" >>overlaps; fi
      echo $$ >busy"""
END = 'rm -f busy; echo "$0" >>ended'
WORK = """\
seq 1 "$(cat chatter)"; printf 'no newline \\036\\377'
      sleep "$(cat pace)"; seq 1 300"""
FAIL = """\
left=$(cat doomed)
      if [ "$left" -gt 0 ]; then echo $((left - 1)) >doomed; rm -f busy; exit 3; fi"""

RECIPE = f"""\
recipe: chaos
current: cat version 2>/dev/null || true
on_failure: ON_FAILURE
steps:
  - {{name: bring, upload: artifact}}
  - name: stage
    repeat: safe
    run: |
      {BEGIN}
      {WORK}
      {END}
  - name: try
    optional: true
    run: |
      {BEGIN}
      if [ -e gloomy ]; then rm -f busy; exit 4; fi
      {END}
  - name: stop
    disruptive: true
    interrupt: after
    run: |
      {BEGIN}
      {WORK}
      {END}
    undo: |
      {BEGIN}
      {END}
  - name: work
    retries: {{times: 2, delay: 300ms}}
    run: |
      {BEGIN}
      {WORK}
      {FAIL}
      {END}
    undo: |
      {BEGIN}
      {WORK}
      {END}
  - name: switch
    repeat: never
    run: |
      {BEGIN}
      sleep "$(cat pace)"
      echo "$version" >version.new && mv version.new version
      {END}
    undo: |
      {BEGIN}
      echo "$previous" >version.new && mv version.new version
      {END}
  - name: health
    wait:
      {{run: 'test "$(cat version)" = "$version"', every: 200ms, stable_for: 400ms, at_most: 20s}}
  - name: tidy
    always: true
    optional: true
    run: |
      {BEGIN}
      if [ -e dusty ]; then rm -f busy; exit 5; fi
      {END}
"""

#: What is waited for long is given up soon: seconds.
HURRY = {
    "deploy_tasks.leases.LEASE": 3,
    "deploy_tasks.runner.story.LEASE": 3,
    "deploy_tasks.runner.story.LONGEST_NAP": 0.3,
    "deploy_tasks.runner.passage.AWAY_FOR": 0.3,
    "deploy_tasks.ssh.session.PING_AFTER": 2.0,
    "deploy_tasks.ssh.session.ANSWER_WITHIN": 2.0,
    "deploy_tasks.runner.following.ASK_AFTER": 1.0,
    "deploy_tasks.runner.following.ASK_AGAIN": 3.0,
    "deploy_tasks.runner.following.ANSWERS_WITHIN": 10.0,
    "deploy_tasks.runner.contact.UNREACHABLE_AFTER": 25,
    "deploy_tasks.runner.contact.LONGEST_PAUSE": 4,
}

#: A worker that is told to stop is gone by then (seconds), on a machine that has much to do.
STOPS_WITHIN = 12.0
MOST_WORKERS = 4

#: Deeds of a kind, and how often each is picked among the others.
WORKERS = {
    "new_worker": 6,
    "doomed_worker": 4,
    "kill_worker": 4,
    "stop_worker": 3,
    "freeze_worker": 3,
    "thaw_workers": 4,
}
BELLS = {"lapse": 1, "ring": 3}
LINKS = {
    "cut_fleet": 3,
    "stop_server": 2,
    "start_servers": 4,
    "cut_line": 3,
    "swallow": 2,
    "hang_up": 1,
    "shorten": 2,
    "pull": 2,
    "plug_in": 4,
}
HOSTS = {"kill_something": 2, "freeze_something": 2, "thaw_everything": 3}
PERSON = {"cancel": 1, "pause": 2, "resume": 4, "retry": 4, "answer": 2}
KINDS = (WORKERS, BELLS, LINKS, HOSTS, PERSON)


class Chaos:
    """One story. ``fleets``: the first one's servers can be stopped one by one."""

    def __init__(self, seed: int, nursery: Nursery, fleets: list[Fleet], lines: list[Line]) -> None:
        self.dice = random.Random(seed)
        self.nursery, self.fleets, self.lines = nursery, fleets, lines
        self.hosts = {host.name: host for fleet in fleets for host in fleet.hosts}
        self.workers: list[Worker] = []
        self._frozen: list[Worker] = []
        self._stopped: list[int] = []
        self._still: list[int] = []
        self._leaving: list[threading.Thread] = []
        #: What happened, in order, for whoever has to find out why.
        self.told: list[str] = []
        #: What must not happen, and can be seen only in its moment.
        self.wrong: list[str] = []

    def begin(self, game: Game) -> None:
        for host in self.hosts.values():
            given = {
                "version": "1.0",
                "pace": self.dice.choice(["0", "0.05", "0.3", "1.2"]),
                "chatter": self.dice.choice(["0", "10", "2000", "60000"]),
                "doomed": self.dice.choice("000124"),
            }
            for name, value in given.items():
                (host.home / name).write_text(f"{value}\n")
            for name in ("gloomy", "dusty"):
                if self.dice.random() < 0.3:
                    (host.home / name).touch()
        rollout = {
            "canary": self.dice.choice([0, 0, 1]),
            "max_failed": self.dice.choice([0, 3, "100%"]),
            "parallel": self.dice.choice([4, 50]),
        }
        given_order = orders.JobOrder.model_validate(order(game, rollout=rollout))
        self._job = orders.start_job(given_order, by=mira())[0]
        self.new_worker()

    @property
    def job(self) -> Job:
        return Job.objects.get(pk=self._job.pk)

    def rage(self, deeds: Mapping[str, int], *, seconds: float) -> None:
        began = time.monotonic()
        while (at := time.monotonic() - began) < seconds:
            time.sleep(self.dice.choice([0.0, 0.02, 0.1, 0.3, 0.8]))
            name = self.dice.choices(list(deeds), list(deeds.values()))[0]
            self.told.append(f"{at:.2f} {name}")
            try:
                getattr(self, name)()
            except (OrderRefused, InvalidInput, OperationalError, IndexError) as refused:
                self.told.append(f"  not done: {refused!r}")

    def calm(self) -> None:
        """Everything is as it should be again; the story comes to its end."""
        self.told.append("calm")
        self.mend()
        for line in self.lines:
            line.longest_down = 0
            line.cut()
        for one in self._leaving:
            one.join()
        self.thaw_workers()
        while len(self.workers) < 2:
            self.new_worker()
        with contextlib.suppress(OrderRefused):
            self.resume()
        until(self._is_over, "the job ends", seconds=150)

    def mend(self) -> None:
        self.thaw_everything()
        self.thaw_workers()
        self.plug_in()
        self.start_servers()

    def _is_over(self) -> bool:
        # One that has come to its failpoint meanwhile would keep its connections to the hosts.
        self.thaw_workers()
        self.answer()
        self.workers = [one for one in self.workers if not one.is_gone]
        while len(self.workers) < 2:  # those that were doomed
            self.new_worker()
        job = self.job
        under_way = job.host_runs.filter(state__in=["running", "queued"])
        if job.state == "halted" and not under_way.exists():
            with contextlib.suppress(OrderRefused):  # it is over by now
                self.cancel()
        return job.state in JOB_ENDED

    def found_on(self, run: HostRun) -> list[str]:
        """What lies and runs on the host of a host run that came to no end."""
        attempts = run.attempts.order_by("pk").values_list("name", "kind", "uid", "state")
        told = [f"  attempt {' '.join(one)}" for one in attempts]
        home = self.hosts[run.name].home
        plan = home / ".patchwave/runs" / run.plan
        for file in sorted(plan.glob("*")):
            end = file.read_bytes()[-600:] if file.is_file() else b"(directory)"
            told.append(f"  {file.name}: {end!r}")
        for pid, line in self.running():
            with contextlib.suppress(OSError):
                state = Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].split()[:3]
                where = str(Path(f"/proc/{pid}/cwd").readlink())
                if where.startswith(str(home)):
                    told.append(f"  {pid} {' '.join(state)} {line[:120]} in {where}")
        return told

    # What a person does

    def cancel(self) -> None:
        undo, force = self.dice.choice([True, False, None]), self.dice.random() < 0.3
        orders.cancel(self.job, by=mira(), undo=undo, force=force)

    def pause(self) -> None:
        orders.pause(self.job, by=mira(), after=self.dice.choice([Pause.HOST, Pause.STEP]))

    def resume(self) -> None:
        orders.resume(self.job, by=mira())

    def retry(self) -> None:
        orders.retry(self.job, by=mira())

    def answer(self) -> None:
        for run in self.job.host_runs.filter(state="unknown"):
            self._answer_for(run)

    def _answer_for(self, run: HostRun) -> None:
        """Honestly, after a look at the host."""
        lost = run.attempts.filter(state="lost", uid__startswith=f"{run.plan}.").order_by("pk")
        said: orders.answering.Answer = "it_did_not_run"
        if attempt := lost.last():
            if attempt.uid in ended(self.hosts[run.name].home):
                said = "it_ran"
            elif self.dice.random() < 0.4:
                said = "give_up"
        try:
            orders.answer(self.job, by=mira(), hosts=[run.name], answer=said)
        except OrderRefused:
            orders.answer(self.job, by=mira(), hosts=[run.name], answer="give_up")

    # What befalls workers

    def new_worker(self, failpoint: str = "") -> None:
        if len(self.workers) + len(self._frozen) < MOST_WORKERS:
            self.workers.append(self.nursery.worker(settings=HURRY, failpoint=failpoint))

    def doomed_worker(self) -> None:
        """It dies, or freezes, in the middle of something, which may be a transaction."""
        point, how = self.dice.choice(sorted(POINTS)), self.dice.choice(["kill", "stop"])
        self.new_worker(f"{point}:{how}:{self.dice.randint(1, 6)}")

    def kill_worker(self) -> None:
        self._take_worker().end()

    def stop_worker(self) -> None:
        worker = self._take_worker()
        worker.send(signal.SIGTERM)
        self._leaving.append(threading.Thread(target=self._see_off, args=(worker,)))
        self._leaving[-1].start()

    def _see_off(self, worker: Worker) -> None:
        began = time.monotonic()
        with contextlib.suppress(AssertionError):
            worker.wait(STOPS_WITHIN / 2)
        if worker.state in ("T", "t"):
            # At its failpoint, which may be in a transaction: it cannot hear before it is thawed.
            self._frozen.append(worker)
            return
        with contextlib.suppress(ProcessLookupError):
            worker.send(signal.SIGUSR1)
        with contextlib.suppress(AssertionError):
            worker.wait(STOPS_WITHIN)
        took = time.monotonic() - began
        self.told.append(f"  worker {worker.pid} ended within {took:.1f} s")
        # At its failpoint since: it cannot end.
        if took > STOPS_WITHIN and worker.state not in ("T", "t"):
            self.wrong.append(self.told[-1])

    def freeze_worker(self) -> None:
        worker = self._take_worker()
        worker.send(signal.SIGSTOP)
        self._frozen.append(worker)

    def thaw_workers(self) -> None:
        for worker in [*self._frozen, *self.workers]:
            with contextlib.suppress(ProcessLookupError):
                worker.send(signal.SIGCONT)
        self.workers += self._frozen
        self._frozen.clear()

    def _take_worker(self) -> Worker:
        self.workers = [one for one in self.workers if not one.is_gone]
        return self.workers.pop(self.dice.randrange(len(self.workers)) if self.workers else 0)

    def lapse(self) -> None:
        HostRun.objects.filter(job=self.job).update(lease_until=None)

    def ring(self) -> None:
        HostRun.objects.filter(job=self.job).update(rung_at=None)
        reconciling.reconcile()

    # What befalls links

    def cut_fleet(self) -> None:
        fleet = self.dice.choice(self.fleets)
        groups = {host.group for host in fleet.hosts}
        if fleet is self.fleets[0]:
            groups -= set(self._stopped)
        fleet.cut(self.dice.choice(sorted(groups)))

    def stop_server(self) -> None:
        groups = {host.group for host in self.fleets[0].hosts} - set(self._stopped)
        self._stopped.append(self.dice.choice(sorted(groups)))
        self.fleets[0].stop(self._stopped[-1])

    def start_servers(self) -> None:
        while self._stopped:
            self.fleets[0].start(self._stopped.pop())

    def cut_line(self) -> None:
        self.dice.choice(self.lines).cut()

    def swallow(self) -> None:
        ways = self.dice.choice([("up",), ("down",), ("up", "down")])
        self.dice.choice(self.lines).swallow(*ways)

    def hang_up(self) -> None:
        self.dice.choice(self.lines).hang_up()

    def shorten(self) -> None:
        self.dice.choice(self.lines).longest_down = self.dice.choice([0, 3000, 20000])

    def pull(self) -> None:
        for fleet in self.fleets:
            if isinstance(fleet, Island):
                fleet.pull()

    def plug_in(self) -> None:
        for fleet in self.fleets:
            if isinstance(fleet, Island):
                fleet.plug_in()

    # What befalls hosts

    def kill_something(self) -> None:
        self._signal(self.dice.choice([signal.SIGKILL, signal.SIGTERM, signal.SIGHUP]))

    def freeze_something(self) -> None:
        self._still.append(self._signal(signal.SIGSTOP))

    def thaw_everything(self) -> None:
        while self._still:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self._still.pop(), signal.SIGCONT)

    def _signal(self, number: signal.Signals) -> int:
        pid, line = self.dice.choice(self.running())
        self.told.append(f"  {number.name} to {pid}: {line[:90]}")
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)
        return pid

    def running(self) -> list[tuple[int, str]]:
        """What runs on the hosts but for their SSH servers: pid and command line."""
        marks = {f"FLEET={fleet.mark['FLEET']}".encode() for fleet in self.fleets}
        found = []
        for pid in processes.running():
            line = b" ".join(processes.words(pid, "cmdline")).decode(errors="replace").strip()
            is_server = "sshd" in line or "dropbear" in line or pid == os.getpid()
            if line and not is_server and marks & set(processes.words(pid, "environ")):
                found.append((pid, line))
        return found


def ended(home: Path) -> set[str]:
    """The attempts whose scripts came to their ends, by uid."""
    file = home / "ended"
    lines = file.read_text().splitlines() if file.exists() else []
    return {f"{Path(line).parent.name}.{Path(line).stem}" for line in lines}
