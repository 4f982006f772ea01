"""Plays a story with real workers on a real host, and beside it its model, which has to agree."""

from collections import Counter
from collections.abc import Callable

from django.db.models import F

from demo.fleet import FleetHost
from deploy_tasks import desk, failpoints, orders
from deploy_tasks.errors import LostClaim
from deploy_tasks.models import Game, HostRun
from deploy_tasks.runner.story import LetGo
from deploy_tasks.states import HOST_ENDED, JOB_ENDED
from tests.faults.jobs import mira, start, sweep
from tests.runner.fate import Fate
from tests.runner.model import Model
from tests.runner.told import PLAY, PROBE, Gone, Story, Turn, text_of
from tests.runner.world import Worker, count
from tests.waiting import until

RESTING = [*HOST_ENDED, "unknown", "paused"]


class Player(Fate):
    def __init__(self, game: Game, host: FleetHost, workers: list[Worker], story: Story) -> None:
        model = Model(story.recipe, Counter(story.broken), set(story.there))
        super().__init__(host, workers, model)
        self.game, self.story = game, story

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
                self.is_refused(lambda: self.answer("it_did_not_run"))
                answer = "it_ran"
            self._turn(turn, lambda: model.answer(answer), lambda: self.answer(answer))
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
            self.is_refused(order)

    def _roll_back(self, turn: Turn) -> None:
        if not self.model.may_roll_back():
            self.is_refused(lambda: orders.rollback(self.job, by=mira()))
            return

        def order() -> None:
            self.job, _ = orders.rollback(self.job, by=mira())

        self._turn(turn, self.model.roll_back, order)
        if self.model.state in ("unknown", "paused"):
            self._next(Turn(answer=turn.answer, cancels=turn.cancels))
        if self.model.state in ("failed", "cancelled"):
            self._next(Turn(mends=True))

    # What happens then

    def _turn(self, turn: Turn, decide: Callable[[], None], order: Callable[[], object]) -> None:
        """The model goes first: it knows whether the deed's step is come to."""
        decide()
        self.model.carry(turn.deed)
        failpoints.disarm()
        if turn.gone:
            self._arm(turn.gone)
        if turn.deed and self.model.deed_at:
            self.hold.touch()
        order()
        if turn.deed and self.model.deed_at:
            self.befall(turn.deed)
        self._rest()
        self._compare()

    def _arm(self, gone: Gone) -> None:
        def go() -> None:
            if gone.how == "cut":
                self.cut()
                return
            if gone.how == "stopped":
                raise LetGo
            runs = HostRun.objects.filter(pk=self.run.pk)
            if gone.how == "frozen":
                desk.asked(lambda: runs.update(fence=F("fence") + 1))()
            self.ghosts.add(self.run.pk)
            raise LostClaim("gone")

        failpoints.at(gone.point, go, times=gone.times)

    def _rest(self) -> None:
        def rests() -> bool:
            self.buried()
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
            assert run.down == model.down
            assert not run.holds_host
        attempts = run.attempts.filter(state__in=["new", "running"])
        assert not attempts.exists() or run.state not in HOST_ENDED
