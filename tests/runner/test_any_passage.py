"""Any recipe, any ends of its steps, workers that die or let go anywhere, and what a person says:
nothing is done again by a guess. The host is none: it does what the dice say."""

import contextlib
import random
import threading
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Self

import pytest
from django.contrib.auth.models import User

from deploy_tasks import failpoints, orders
from deploy_tasks.commands import Program
from deploy_tasks.errors import OrderRefused
from deploy_tasks.frames import Ended, Frame, Started
from deploy_tasks.journal import Entry, Writer
from deploy_tasks.models import Attempt, HostRun
from deploy_tasks.recipes import Step
from deploy_tasks.revisions import recipe_of
from deploy_tasks.runner import Carriage, carry, carrying, claimable, left_over, passage, plans
from deploy_tasks.runner.following import End
from deploy_tasks.runner.plans import LivePlan
from deploy_tasks.runner.story import Later, LetGo, Story
from deploy_tasks.runner.telling import Teller
from deploy_tasks.wishes import Wish
from tests import factories

pytestmark = pytest.mark.django_db

STORIES = [
    # The first ones are of those that had told of mistakes.
    *range(89, 111),
    *(pytest.param(n, marks=pytest.mark.slow) for n in range(400) if n not in range(89, 111)),
]
POINTS = ("claim.told", "plan.committed", "log.told", "plan.through", "undo.begun", "end.before")


class Death(BaseException):
    """Of a worker. Nothing may catch it."""


class Journal(Writer):
    """One that commits what it is given, before anything else happens."""

    def __init__(self) -> None:
        self._on_ended = lambda jobs: None
        self.turn = threading.Lock()

    def put(self, entry: Entry) -> Entry:
        self._commit([entry])
        return entry


@dataclass
class Host:
    """What has begun there, in order, and how it ended; and what a person has said since."""

    dice: random.Random
    steps: list[Step]
    plans: dict[str, list[str]] = field(default_factory=dict)
    #: Of each step and kind: ends, and words of a person.
    past: dict[tuple[int, str], list[str]] = field(default_factory=dict)
    told: list[str] = field(default_factory=list)
    #: What should not have begun.
    wrong: list[str] = field(default_factory=list)

    def of(self, step: int, kind: str) -> list[str]:
        return self.past.setdefault((step, kind), [])

    def say(self, word: str, *steps: tuple[int, str]) -> None:
        self.told.append(f"a person: {word} {steps}")
        for one in steps:
            self.past[one].append(word)
            if (one[1], word) == ("undo", "it_ran"):
                self._undone(one[0])

    def retry(self) -> None:
        """What stands is not done again; but for what came after a step that was undone."""
        self.told.append("a person: retry")
        for past in self.past.values():
            past += [] if past[-1:] in ([], ["ok"], ["it_ran"]) else ["retry"]

    def _undone(self, step: int) -> None:
        self.past[step, "do"] = []
        for (number, kind), past in self.past.items():
            if number > step and kind == "do" and past:
                past.append("behind")

    def carry_out(self, plan: LivePlan) -> list[str]:
        """All of a plan, at once: nobody looks. Launched again, it is there already."""
        if plan.id in self.plans:
            return self.plans[plan.id]
        ends = self.plans[plan.id] = []
        for attempt in plan.attempts:
            step, kind = self.steps[attempt.step], str(attempt.kind)
            if not self._may_begin(attempt.step, kind):
                self.wrong.append(f"{step.name} {kind} after {self.of(attempt.step, kind)}")
            ends.append(self.dice.choices(["ok", "failed", "lost"], [6, 3, 1])[0])
            self.told.append(f"{step.name} {kind} {ends[-1]}")
            self.of(attempt.step, kind).append(ends[-1])
            if kind == "undo" and ends[-1] == "ok":
                self._undone(attempt.step)
            elif kind == "do":
                self.past[attempt.step, "undo"] = []
            optional = plans.script(step, plan.way).optional
            if ends[-1] == "lost" or (ends[-1] == "failed" and not optional):
                break
        return ends

    def _may_begin(self, number: int, kind: str) -> bool:
        step, past = self.steps[number], self.of(number, kind)
        if kind == "undo" and not self.of(number, "do"):
            return False
        if not past:
            return True
        if past[-1] == "failed":
            since = past[len(past) - past[::-1].index("retry") :] if "retry" in past else past
            times = step.retries.times if step.retries and kind == "do" else 0
            return Counter(since)["failed"] <= times
        if past[-1] == "lost":
            return step.repeat == "safe"
        return past[-1] in ("it_did_not_run", "retry") and step.repeat != "never"

    def is_updated(self) -> bool:
        return all(self._stands(number, step) for number, step in enumerate(self.steps))

    def _stands(self, number: int, step: Step) -> bool:
        past = [one for one in self.of(number, "do") if one not in ("retry", "behind")]
        return bool(past) and (
            past[-1] in ("ok", "it_ran") or (step.optional and past[-1] == "failed")
        )


class Follower:
    """Reads a host's log, from where the last one has stopped."""

    host: Host

    def __init__(self, plan: LivePlan, story: Story, mask: Any, **_: Any) -> None:
        self._plan, self._carriage = plan, story.carriage
        self.teller = Teller(plan, story, mask)

    async def follow(self, session: None, program: Program) -> End:
        plan, dice = self._plan, self.host.dice
        plan.sent = True
        ends = self.host.carry_out(plan)
        plan.seen = True
        for number, end in enumerate(ends, 1):
            attempt, news = plan.attempts[number - 1], list[Frame]()
            if attempt.state == "new":
                news.append(Started(number, 1.0))
                if dice.random() < 0.5:
                    self._tell(news)
            if end == "lost":
                self._tell(news)
                self.teller.lose_what_runs("all was dark")
                self.teller.abandon_the_rest()
                return End.LOST
            if attempt.state in ("new", "running"):
                self._tell([*news, Ended(number, {"ok": 0, "failed": 3}[end], 2.0, "-")])
            if dice.random() < 0.05:
                self._carriage.stopping.set()
                raise LetGo
        self.teller.abandon_the_rest()
        failpoints.failpoint("plan.through")
        return End.FAILED if ends[-1] == "failed" else End.DONE

    def _tell(self, news: list[Frame]) -> None:
        if news:
            self.teller.tell(news, b"", begin=self.teller.told_to)
            news.clear()


class Contact:
    def __init__(self, place: None, story: Story, claim: Entry) -> None:
        self._claim = claim

    def session(self, *, launched: bool) -> None:
        self._claim.wait()

    @contextlib.contextmanager
    def cut_when_woken(self, session: None, *, launched: bool) -> Iterator[Self]:
        yield self

    def close(self) -> None:
        pass


def write_recipe(dice: random.Random) -> str:
    lines = ["recipe: any", f"on_failure: {dice.choice(['stop', 'undo'])}", "steps:"]
    for number in range(dice.randint(2, 5)):
        repeat = dice.choice(["ask", "safe", "never"])
        given = {"name": f"s{number}", "run": "'true'", "repeat": repeat}
        if dice.random() < 0.4:
            given["undo"] = "'true'"
        if dice.random() < 0.4:
            given["optional"] = "true"
        if dice.random() < 0.3 and repeat != "never":
            given["retries"] = "{times: 1, delay: 1s}"
        if number > 0 and dice.random() < 0.4:
            given |= {"always": "true", "repeat": "safe"}
            given.pop("undo", None)
        lines.append("  - {" + ", ".join(f"{name}: {value}" for name, value in given.items()) + "}")
    return "\n".join(lines)


@pytest.fixture
def host(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Host]:
    dice = random.Random(request.param)
    host = Host(dice, [])

    def wait(self: Carriage, seconds: float) -> None:
        if dice.random() < 0.5:
            raise Later(0)

    def named(*_: Any, **__: Any) -> str:
        return "4711 tar" if dice.random() < 0.2 else ""

    def abandon(session: None, plan: LivePlan) -> str:
        return "started" if plan.id in host.plans else "abandoned"

    monkeypatch.setattr(Follower, "host", host, raising=False)
    for place, name, instead in (
        (Carriage, "wait", wait),
        (left_over, "named", named),
        (carrying, "Follower", Follower),
        (carrying, "abandon", abandon),
        (carrying, "pass_on", lambda *_: True),
        (carrying.Carrying, "_program", lambda *_: None),
        (passage, "Contact", Contact),
        (passage.target, "of_run", lambda _: None),
        (passage.unended, "end", lambda *_, **__: None),
    ):
        monkeypatch.setattr(place, name, instead)
    yield host
    failpoints.disarm()
    print("\n".join(host.told))


def pass_through(run: HostRun, host: Host) -> None:
    """As far as one worker comes."""
    dice = host.dice
    if dice.random() < 0.1:
        run.wish = dice.choice([Wish.CANCEL, Wish.CANCEL_AND_UNDO])
        HostRun.objects.filter(pk=run.pk).update(wish=run.wish)
    failpoints.disarm()
    if dice.random() < 0.5:
        failpoints.at(dice.choice(POINTS), _die, times=dice.randint(1, 4))
    carriage = Carriage(run.pk, run.fence + 1, threading.Event(), wish=Wish(run.wish))
    assert claimable(run)
    try:
        # It never awaits what a loop would have to bring.
        with contextlib.suppress(StopIteration):
            carry(run, writer=Journal(), carriage=carriage).send(None)
    except Death:
        host.told.append("a worker dies")
        HostRun.objects.filter(pk=run.pk).update(lease_until=None)


def _die() -> None:
    raise Death


def answer(run: HostRun, host: Host, mira: User) -> None:
    lost = run.attempts.filter(state="lost", uid__startswith=f"{run.plan}.")
    steps = [(one.step, str(one.kind)) for one in lost]
    assert steps, run.reason
    said: orders.answering.Answer = host.dice.choice(["it_ran", "it_did_not_run"])
    try:
        orders.answer(run.job, by=mira, hosts=[run.name], answer=said)
    except OrderRefused:
        orders.answer(run.job, by=mira, hosts=[run.name], answer=(said := "it_ran"))
    host.say(said, *steps)


@pytest.mark.parametrize("host", STORIES, indirect=True)
def test_nothing_is_done_again_by_a_guess_and_what_succeeds_is_done(host: Host, mira: User) -> None:
    game = factories.game(text=write_recipe(host.dice))
    job = factories.job(game, 1, state="running")
    host.steps = list(recipe_of(job.revision).steps)
    job.host_runs.update(state="queued", holds_host=True)
    for _ in range(30):
        assert host.wrong == []
        run = HostRun.objects.get(job=job)
        if run.state == "unknown":
            answer(run, host, mira)
        elif run.state in ("queued", "running"):
            pass_through(run, host)
        elif run.state == "succeeded":
            assert host.is_updated()
            break
        else:
            open_ = Attempt.objects.filter(host_run=run, state__in=["new", "running"])
            assert not open_.exists()
            try:
                orders.retry(job, by=mira)
            except OrderRefused:
                break
            host.retry()
            HostRun.objects.filter(pk=run.pk).update(state="queued")
