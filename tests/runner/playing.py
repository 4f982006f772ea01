"""Plays a story with real workers on a real host, and beside it its model, which has to agree."""

import os
import signal
import socket
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from django.db.models import F

from demo.fleet import FleetHost
from demo.processes import gone
from deploy_tasks import desk, failpoints, orders, owner
from deploy_tasks.errors import LostClaim, OrderRefused
from deploy_tasks.models import Game, HostRun
from deploy_tasks.orders.answering import Answer
from deploy_tasks.runner.story import LetGo
from deploy_tasks.ssh import Session
from deploy_tasks.states import HOST_ENDED, JOB_ENDED, Pause
from tests.faults.host.slow import kill_runner
from tests.faults.jobs import mira, start, sweep
from tests.runner.model import Model
from tests.runner.told import PLAY, PROBE, Deed, Gone, Story, Turn, text_of
from tests.runner.world import Worker, count
from tests.waiting import until

RESTING = [*HOST_ENDED, "unknown", "paused"]


class Player:
    def __init__(self, game: Game, host: FleetHost, workers: list[Worker], story: Story) -> None:
        self.game, self.host, self.workers, self.story = game, host, workers, story
        self.model = Model(story.recipe, Counter(story.broken), set(story.there))
        self.ghosts: set[int] = set()
        #: Every connection that was made, in order.
        self.links: list[Session] = []

    def play(self) -> None:
        self._make_ready()
        first, *others = self.story.turns
        self._turn(first, lambda: None, self._start)
        for turn in others:
            if self.model.state == "succeeded":
                break
            self._next(turn)
        while self.model.state in ("unknown", "paused"):
            self._next(Turn(answer="give_up"))
        if self.story.back:
            self._roll_back(self.story.back)

    def _make_ready(self) -> None:
        sweep(self.host)
        home = self.host.home
        (home / "play").write_text(PLAY)
        (home / "probe").write_text(PROBE)
        (home / "version").write_text("1.0\n")
        for (n, kind), times in self.story.broken.items():
            (home / f"broken.{self._name(n)}.{kind}").write_text(f"{times}\n")
        for n in self.story.there:
            (home / f"did.{self._name(n)}").touch()
        number = self.game.recipe.newest().number + 1
        text = text_of(self.story.recipe)
        self.game.recipe.revisions.create(number=number, text=text, sha256=f"{number:064}")

    def _name(self, n: int) -> str:
        return self.story.recipe.steps[n].name

    # Orders

    def _start(self) -> None:
        self.job = start(self.game, self.host)

    def _next(self, turn: Turn) -> None:
        model, job = self.model, self.job
        if turn.mends:
            model.broken.clear()
            for path in self.host.home.glob("broken.*"):
                path.unlink()
        if model.state == "unknown":
            if turn.cancels:
                model.cancel(undo=True)
                orders.cancel(job, by=mira())
            answer = turn.answer
            if answer == "it_did_not_run" and not model.may_answer_not_run():
                self._is_refused(lambda: self._answer("it_did_not_run"))
                answer = "it_ran"
            self._turn(turn, lambda: model.answer(answer), lambda: self._answer(answer))
        elif model.state == "paused" and turn.cancels:
            self._turn(turn, lambda: model.cancel(undo=True), lambda: orders.cancel(job, by=mira()))
        elif model.state == "paused":
            self._turn(turn, model.resume, lambda: orders.resume(job, by=mira()))
        else:
            self._retry(turn)

    def _retry(self, turn: Turn) -> None:
        begin = None if self.model.rolls_back else turn.begin
        step = None if begin is None else self._name(begin)

        def order() -> None:
            orders.retry(self.job, by=mira(), from_step=step)

        if self.model.may_retry(begin):
            self._turn(turn, lambda: self.model.retry(begin), order)
        else:
            self._is_refused(order)

    def _roll_back(self, turn: Turn) -> None:
        if not self.model.may_roll_back():
            self._is_refused(lambda: orders.rollback(self.job, by=mira()))
            return

        def order() -> None:
            self.job, _ = orders.rollback(self.job, by=mira())

        self._turn(turn, self.model.roll_back, order)
        if self.model.state in ("unknown", "paused"):
            self._next(Turn(answer=turn.answer, cancels=turn.cancels))
        if self.model.state in ("failed", "cancelled"):
            self._next(Turn(mends=True))

    def _is_refused(self, order: Callable[[], object]) -> None:
        try:
            order()
        except OrderRefused:
            return
        raise AssertionError(f"not refused, with {self.model.lines}")

    # What happens then

    def _turn(self, turn: Turn, decide: Callable[[], None], order: Callable[[], object]) -> None:
        """The model goes first: it knows whether the deed's step is come to."""
        decide()
        self.model.carry(turn.deed)
        failpoints.disarm()
        if turn.gone:
            self._arm(turn.gone)
        if turn.deed and self.model.deed_at:
            self._hold.touch()
        order()
        if turn.deed and self.model.deed_at:
            self._do(turn.deed)
        self._rest()
        self._compare()

    def _arm(self, gone: Gone) -> None:
        def go() -> None:
            if gone.how == "cut":
                self._cut()
                return
            if gone.how == "stopped":
                raise LetGo
            runs = HostRun.objects.filter(pk=self.run.pk)
            if gone.how == "frozen":
                desk.asked(lambda: runs.update(fence=F("fence") + 1))()
            self.ghosts.add(self.run.pk)
            raise LostClaim("gone")

        failpoints.at(gone.point, go, times=gone.times)

    @property
    def _hold(self) -> Path:
        return self.host.home / f"hold.{self.model.deed_at}"

    @property
    def run(self) -> HostRun:
        return HostRun.objects.filter(name=self.host.name).latest("pk")

    def _do(self, deed: Deed) -> None:
        """While its script runs."""
        so_far = self.model.lines[: self.model.deed_at]
        until(lambda: self._buried() and len(count(self.host)) >= len(so_far), f"{deed} begins")
        assert count(self.host) == so_far
        if deed.what == "kill":
            self._kill()
        elif deed.what == "cut":
            self._cut()
        elif deed.what == "another worker":
            self.workers[-1].stop()
            self.workers.append(Worker())
        else:
            self._wish(deed)
        self._hold.unlink()

    def _wish(self, deed: Deed) -> None:
        """Ordered while a script runs, until that has heard of it, or nobody is to tell it."""
        plan = self.host.home / ".patchwave/runs" / self.run.plan
        _number, script, *_ = (plan / "now").read_text().split()
        if deed.unheard:
            self.workers[-1].stop()
        self._order(deed)
        if deed.unheard:
            self.workers.append(Worker())
        if self.model.ended_by_deed:
            until(lambda: self._buried() and gone(int(script)), "it is ended")
        elif self.model.heard_of_deed:
            told = plan / ("pause" if deed.what == "pause" else "cancel")
            until(lambda: self._buried() and told.exists(), "its host heard of it")
        else:
            until(lambda: self._buried() and self._has_heard(), "its worker heard of it")

    def _order(self, deed: Deed) -> None:
        """Nobody can order what crosses it."""
        self._is_refused(lambda: orders.retry(self.job, by=mira()))
        if deed.what == "pause" and self.model.cancelled:
            self._is_refused(lambda: orders.pause(self.job, by=mira(), after=Pause.STEP))
        elif deed.what == "pause":
            orders.pause(self.job, by=mira(), after=Pause.STEP)
        else:
            undo, force = deed.what != "cancel and leave", deed.what == "force"
            orders.cancel(self.job, by=mira(), undo=undo, force=force)
        self._is_refused(lambda: orders.retry(self.job, by=mira()))
        if self.model.state != "unknown":
            self._is_refused(lambda: self._answer("it_ran"))

    def _answer(self, answer: Answer) -> None:
        orders.answer(self.job, by=mira(), hosts=[self.host.name], answer=answer)

    def _kill(self) -> None:
        """Its plan's runner and what that runs: also what a wait asks."""
        probe = self.host.home / ".patchwave/runs" / self.run.plan / "probe"
        asked = int(probe.read_text().split()[0]) if probe.exists() else 0
        kill_runner(self.run, self.host)
        if asked:
            with suppress(ProcessLookupError):
                os.kill(asked, signal.SIGKILL)

    def _cut(self) -> None:
        with suppress(OSError):
            link = self.links[-1]._wire._socket
            if link:
                link.shutdown(socket.SHUT_RDWR)

    def _has_heard(self) -> bool:
        run = self.run
        carried = [worker.keeper._carriages.get(run.pk) for worker in self.workers]
        return all(one.wish == run.wish for one in carried if one)

    def _buried(self) -> bool:
        """A worker that is gone without a word is known to be dead."""
        run = self.run
        carried = any(run.pk in worker.keeper._carriages for worker in self.workers)
        if run.pk in self.ghosts and not carried and run.state == "running" and run.owner:
            self.ghosts.discard(run.pk)
            # Our id, at another time.
            dead = f"{owner.me().rpartition(':')[0]}:1"
            HostRun.objects.filter(pk=run.pk, owner=owner.me()).update(owner=dead, rung_at=None)
        return True

    def _rest(self) -> None:
        def rests() -> bool:
            self._buried()
            self.job.refresh_from_db()
            state = self.run.state
            return state in RESTING and (state not in HOST_ENDED or self.job.state in JOB_ENDED)

        until(rests, f"it rests, {self.model.state} at last")

    def _compare(self) -> None:
        model, run = self.model, self.run
        assert count(self.host) == model.lines
        assert run.state == model.state, (run.error, run.reason)
        if run.state in HOST_ENDED:
            assert self.job.state == model.job_state
            assert model.blame in run.error.partition(";")[0], "what failed first is told first"
            assert model.is_down in (None, run.down)
            assert not run.holds_host
        attempts = run.attempts.filter(state__in=["new", "running"])
        assert not attempts.exists() or run.state not in HOST_ENDED
