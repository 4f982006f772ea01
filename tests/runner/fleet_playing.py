"""Plays the story of a job of several hosts, and beside it its model, which has to agree."""

from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import get_args

import pytest

from demo.fleet import Fleet, FleetHost
from deploy_tasks import failpoints, orders, owner
from deploy_tasks.errors import InvalidInput, LostClaim, OrderRefused
from deploy_tasks.models import Event, Game, HostRun, Job
from deploy_tasks.orders.answering import Answer
from deploy_tasks.runner.story import LetGo
from deploy_tasks.states import HOST_ENDED, HostRunState, Pause
from tests.faults.jobs import mira, start, sweep
from tests.runner.fate import Fate, Links
from tests.runner.fleet_model import FleetModel
from tests.runner.fleet_stand import OVER, Terms
from tests.runner.model import Model
from tests.runner.told import PLAY, PROBE, Deed, Kind, Order, Recipe, text_of
from tests.runner.world import Worker, count
from tests.waiting import until

HOSTS = 4
ORDERS = get_args(Order)


@dataclass(frozen=True)
class Turn:
    """``act``: which of the orders that are possible, or of the others, is given, round and round;
    ``answer``, ``after``: of an answer, and of a pause; ``gone``: where a worker is gone meanwhile,
    and how; or what befalls a script of the host."""

    act: int
    is_possible: bool
    host: int
    answer: Answer
    after: Pause
    mends: bool
    gone: tuple[str, int, str] | None
    deed: Deed | None


@dataclass(frozen=True)
class Story:
    recipe: Recipe
    terms: Terms
    broken: dict[int, dict[tuple[int, Kind], int]]
    turns: tuple[Turn, ...]


class Player:
    def __init__(self, game: Game, fleet: Fleet, workers: list[Worker], story: Story) -> None:
        self.game, self.workers, self.story = game, workers, story
        self.hosts = fleet.hosts[:HOSTS]
        recipe, broken = story.recipe, story.broken
        models = [Model(recipe, Counter(broken.get(n, {})), set()) for n in range(HOSTS)]
        self.model = FleetModel(story.terms, models, story.terms.cut(list(range(HOSTS))))
        self.links: Links = {}
        #: A worker was gone without a word.
        self.is_haunted = False

    def play(self) -> None:
        self._make_ready()
        first, *others = self.story.turns
        self._turn(first, self.model.run, self._start)
        for turn in others:
            self._act(turn)

    def _make_ready(self) -> None:
        text = text_of(self.story.recipe)
        if self.story.terms.alone == "lock":
            text += "\nvars: {root: {type: path, default: /srv}}\nlock: root"
        for n, host in enumerate(self.hosts):
            sweep(host)
            (host.home / "play").write_text(PLAY)
            (host.home / "probe").write_text(PROBE)
            (host.home / "version").write_text("1.0\n")
            for (step, kind), times in self.story.broken.get(n, {}).items():
                name = self.story.recipe.steps[step].name
                (host.home / f"broken.{name}.{kind}").write_text(f"{times}\n")
        number = self.game.recipe.newest().number + 1
        self.game.recipe.revisions.create(number=number, text=text, sha256=f"{number:064}")

    # Orders

    def _start(self) -> None:
        terms = self.story.terms
        rollout = {
            "canary": terms.canary,
            "batches": [terms.batch, "repeat"],
            "parallel": 1 if terms.alone == "width" else HOSTS,
            "max_failed": terms.max_failed,
            "max_failed_in_batch": terms.max_failed_in_batch,
            "gate": terms.gate,
            "on_halt": "rollback" if terms.goes_back else "wait",
            "max_down": {"all": terms.max_down} if terms.max_down else {},
        }
        self.job = start(self.game, *self.hosts, rollout=rollout)

    def _act(self, turn: Turn) -> None:
        model, name, given = self.model, self.hosts[turn.host].name, {"by": mira()}
        if turn.mends:
            for host, its in self._hosts():
                its.broken.clear()
                for path in host.home.glob("broken.*"):
                    path.unlink()
        in_doubt = next(iter(model.those("unknown")), turn.host)
        doubted = [self.hosts[in_doubt].name]
        orders_of = {
            "answer": (
                model.may_answer(in_doubt, turn.answer),
                lambda: model.answer(in_doubt, turn.answer),
                lambda: orders.answer(self.job, hosts=doubted, answer=turn.answer, **given),
            ),
            "retry one": (
                model.may_retry([turn.host]),
                lambda: model.retry([turn.host]),
                lambda: orders.retry(self.job, hosts=[name], **given),
            ),
            "exclude": (
                model.may_exclude(turn.host),
                lambda: model.exclude(turn.host),
                lambda: orders.exclude(self.job, hosts=[name], **given),
            ),
            "pause": (
                model.may_pause(),
                lambda: model.hold(turn.after),
                lambda: orders.pause(self.job, after=turn.after, **given),
            ),
            "resume": (
                model.may_resume(),
                model.resume,
                lambda: orders.resume(self.job, **given),
            ),
            "allow": (
                model.is_open,
                lambda: model.allow(HOSTS),
                lambda: orders.change(self.job, max_failed=HOSTS, **given),
            ),
            "promote": (
                model.may_promote(),
                model.promote,
                lambda: orders.promote(self.job, **given),
            ),
            "cancel": (
                model.state not in OVER,
                model.cancel,
                lambda: orders.cancel(self.job, **given),
            ),
            "roll back": (model.may_roll_back(), self._take_back, self._roll_back),
            "retry": (
                model.may_retry(model.retryable()),
                lambda: model.retry(model.retryable()),
                lambda: orders.retry(self.job, **given),
            ),
        }
        some = [one[1:] for one in orders_of.values() if one[0] == turn.is_possible]
        if not some:
            return
        decide, order = some[turn.act % len(some)]
        if turn.is_possible:
            self._turn(turn, decide, order)
            return
        with pytest.raises((OrderRefused, InvalidInput)):
            order()
        self._compare()

    def _take_back(self) -> None:
        self.model = self.model.roll_back()

    def _roll_back(self) -> None:
        back, _ = orders.rollback(self.job, by=mira())
        self.job = back

    # What happens then

    def _turn(self, turn: Turn, decide: Callable[[], None], order: Callable[[], object]) -> None:
        self.model.deed = (turn.host, turn.deed) if turn.deed else None
        for its in self.model.hosts:
            its.deed_at = 0
        decide()
        if isinstance(self.model.back, FleetModel):
            self.model = self.model.back
        failpoints.disarm()
        if turn.gone:
            self._arm(*turn.gone)
        its = self.model.hosts[turn.host]
        fate = Fate(self.hosts[turn.host], self.workers, its, self.links)
        befalls = turn.deed and fate.model.deed_at
        if befalls:
            fate.hold.touch()
        order()
        if befalls and turn.deed:
            if turn.deed.what in ORDERS and not self.story.terms.alone:
                until(lambda: self._others_rest(fate.host.name), "no other one is under way")
            fate.befall(turn.deed)
        with suppress(AssertionError):
            until(self._rests, "it rests")
        failpoints.disarm()
        self._compare()

    def _others_rest(self, name: str) -> bool:
        under_way = HostRun.objects.filter(state__in=["queued", "running"]).exclude(name=name)
        so_far = [count(h) == its.lines for h, its in self._hosts() if h.name != name]
        return all(so_far) and not under_way.exists()

    def _hosts(self) -> list[tuple[FleetHost, Model]]:
        return list(zip(self.hosts, self.model.hosts, strict=True))

    def _arm(self, point: str, times: int, how: str) -> None:
        def go() -> None:
            if point == "conduct.decided":
                raise RuntimeError("the conductor is gone")
            if how == "stopped" and point != "end.committed":
                raise LetGo
            self.is_haunted = True
            raise LostClaim("gone")

        failpoints.at(point, go, times=times)

    def _bury(self) -> None:
        """A worker that is gone without a word is known to be dead."""
        rows = HostRun.objects.filter(state=HostRunState.RUNNING, owner=owner.me())
        ids = set(rows.values_list("pk", flat=True))
        carried = {pk for worker in self.workers for pk in worker.keeper._carriages}
        if self.is_haunted and (ghosts := ids - carried):
            # Our id, at another time.
            dead = f"{owner.me().rpartition(':')[0]}:1"
            rows.filter(pk__in=ghosts).update(owner=dead, rung_at=None)

    def _rests(self) -> bool:
        self._bury()
        self.job.refresh_from_db()
        self.job = Job.objects.filter(rolls_back=self.job).first() or self.job
        under_way = HostRun.objects.filter(state__in=["queued", "running"])
        assert not under_way.filter(holds_host=False).exists(), "nobody else may have it"
        as_expected = self._is_in(self.model.state) and self._found() == self._expected()
        return as_expected and self._all_did_theirs() and not under_way.exists()

    def _is_in(self, state: str) -> bool:
        """That of a job which is being cancelled says no more than that it is not over."""
        if self.model.cancelled and state not in OVER:
            return self.job.state not in OVER
        return self.job.state == state

    def _found(self) -> dict[str, str]:
        return dict(self.job.host_runs.values_list("name", "state"))

    def _expected(self) -> dict[str, str]:
        there = [n for batch in self.model.batches for n in batch]
        states = {n: self.model.hosts[n].state for n in there}
        shown = {n: "paused" if state == "held" else state for n, state in states.items()}
        return {self.hosts[n].name: state for n, state in shown.items()}

    def _all_did_theirs(self) -> bool:
        return all(count(host) == its.lines for host, its in self._hosts())

    def _compare(self) -> None:
        found, expected = self._found(), self._expected()
        assert found == expected, (found, expected)
        assert self._is_in(self.model.state), (self.job.state, self.job.reason)
        for host, its in self._hosts():
            assert count(host) == its.lines, host.name
        down = {host.name: its.down for host, its in self._hosts()}
        for run in self.job.host_runs.all():
            assert run.down == down[run.name] or run.state not in HOST_ENDED, run.name
            is_free = run.state == "waiting" and self.job.state == "halted"
            assert run.holds_host == (run.state not in HOST_ENDED and not is_free), run.name
        if self.story.terms.alone == "lock":
            self._nobody_was_under_way_beside_another()

    def _nobody_was_under_way_beside_another(self) -> None:
        told = Event.objects.filter(job=self.job, kind="host").order_by("seq")
        under_way: set[int | None] = set()
        for one, data in told.values_list("host_run", "data"):
            to = (data or {}).get("to")
            if to == "running":
                under_way.add(one)
            elif to in HOST_ENDED:
                under_way.discard(one)
            assert len(under_way) <= 1
