"""Whatever happens on the way, every watcher is told the same story: each event once, in order.

No database and no clock: rows are a list, bells ring when the test says so, time jumps.
"""

import asyncio
import json
import selectors
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from typing import Any

import pytest
from django.db import OperationalError
from hypothesis import event, given, settings
from hypothesis import strategies as st

from deploy_tasks import events
from deploy_tasks.events import Item, Page
from webapp import doorman, protocol, stream, tail, watcher
from webapp.doorman import Audience, Guest, Login
from webapp.protocol import Close, Hello, Output, Watch
from webapp.watcher import Watcher

JOB = 1
HOSTS = ("a", "b")
SOMEBODY = Guest(Login(session="s"), 1, "", Audience(ordering=False, language="en"))


class Rows:
    """Stands for the database: answers with what was there when the question came."""

    def __init__(self) -> None:
        self.items: list[Item] = []
        self.state = "running"
        #: Turns of the loop that an answer takes.
        self.turns = 0
        #: What the next questions end in, instead of an answer.
        self.trouble: list[Exception] = []

    def tell(self, host: str | None, length: int) -> None:
        fields = {"s": len(self.items) + 1, "h": host, "k": "output", "d": "x" * length}
        text = json.dumps(fields)
        self.items.append(Item(len(self.items) + 1, host, text, len(text) + 1))

    def move(self, state: str) -> None:
        """The job's state and the event of it, as in one transaction."""
        self.state = state
        self.tell(None, 0)

    async def ask(self, question: Callable[..., Any], *args: Any, **about: Any) -> Any:
        if self.trouble:
            raise self.trouble.pop()
        answers: dict[Callable[..., Any], Callable[..., Any]] = {
            events.head: lambda job: (len(self.items), self.state),
            events.read: self._read,
            events.weigh: self._weigh,
            doorman.no_longer_welcome: lambda job, guests: {},
        }
        answer = answers[question](*args, **about)
        for _ in range(self.turns):
            await asyncio.sleep(0)
        return answer

    def _read(
        self, job: int, *, after: int, limit: int, hosts: frozenset[str] | None = None
    ) -> Page:
        lines: list[Item] = []
        to = len(self.items)
        for item in self.items[after:]:
            if hosts is not None and item.output_of is not None and item.output_of not in hosts:
                continue
            if lines and sum(line.size for line in [*lines, item]) > limit:
                to = item.seq - 1
                break
            lines.append(item)
        return Page(lines, to, len(self.items), self.state)

    def _weigh(self, job: int, *, after: int, to: int, hosts: frozenset[str] | None) -> int:
        return sum(item.size for item in self.items[after:to])


class Layer:
    """Stands for the channel layer. Rings only when told to, and may be away."""

    def __init__(self) -> None:
        self.channels: list[asyncio.Queue[dict[str, Any] | None]] = []
        self.away = False

    async def new_channel(self) -> "asyncio.Queue[dict[str, Any] | None]":
        return asyncio.Queue()

    async def group_add(self, group: str, channel: "asyncio.Queue[dict[str, Any] | None]") -> None:
        self._fail()
        self.channels.append(channel)

    async def group_discard(
        self, group: str, channel: "asyncio.Queue[dict[str, Any] | None]"
    ) -> None:
        with suppress(ValueError):
            self.channels.remove(channel)
        self._fail()

    async def receive(self, channel: "asyncio.Queue[dict[str, Any] | None]") -> dict[str, Any]:
        message = await channel.get()
        if message is None:
            raise ConnectionResetError
        return message

    def ring(self, to: int) -> None:
        for channel in self.channels:
            channel.put_nowait({"type": "job.grew", "job": JOB, "to": to})

    def go(self, *, away: bool) -> None:
        """Who listens now is cut off, and hears nothing of what is rung meanwhile."""
        self.away = away
        for channel in self.channels:
            channel.put_nowait(None)
        self.channels.clear()

    def _fail(self) -> None:
        if self.away:
            raise ConnectionRefusedError


class Client:
    """Keeps what it is told, and what it should have been told.

    What was sent and not read is lost with the connection.
    """

    def __init__(self, rows: Rows, after: int, output: Output) -> None:
        self.rows = rows
        #: Of what it is told, and of what it has asked for last.
        self.output = self.wish = output
        self.to = after
        self.seqs: list[int] = []
        self.expected: list[int] = []
        self.ended_at: int | None = None
        self.reading = True
        self.come()

    def come(self) -> None:
        self.leaving = False
        self.output = self.wish
        self.inbox: deque[str] = deque()
        hello = Hello(after=self.to, output=self.output, stay=True)
        self.watcher = Watcher(SOMEBODY, hello, partial(self._arrive, self.inbox))
        self.task = asyncio.create_task(self._watch())

    async def leave(self) -> None:
        """The server goes down, or the client: what was sent arrives."""
        self.leaving = True
        self.watcher.close(Close.RESTARTING)
        await self.task
        self.read()

    async def lose(self) -> None:
        """The network breaks."""
        self.leaving = True
        self.inbox = deque()
        self.task.cancel()
        await asyncio.wait([self.task])

    def want(self, output: Output) -> None:
        self.wish = output
        self.watcher.ask(Watch(output=output))

    def read(self, most: int | None = None) -> None:
        while self.inbox and most != 0:
            self._hear(json.loads(self.inbox.popleft()))
            most = most and most - 1
        self.watcher.heard()
        self.watcher.acknowledge(self.to)

    async def _arrive(self, inbox: deque[str], text: str) -> None:
        inbox.append(text)
        if self.reading and inbox is self.inbox:
            self.read()

    def _hear(self, frame: dict[str, Any]) -> None:
        match frame["t"]:
            case "batch":
                assert frame["from"] == self.to + 1
                self._take([item["s"] for item in frame["items"]], frame["to"])
            case "watching":
                assert frame["from"] == self.to + 1
                self.output = frame["output"]
            case "behind":
                event("somebody was behind")
                assert frame["bytes"] > 0
                self._take(self._wanted(self.to, frame["to"]), frame["to"])
            case "end":
                assert frame["last"] == self.to
                self.ended_at = self.to

    def _take(self, seqs: list[int], to: int) -> None:
        assert to > self.to
        self.expected += self._wanted(self.to, to)
        self.seqs += seqs
        self.to = to

    def _wanted(self, after: int, to: int) -> list[int]:
        hosts = protocol.hosts_of(self.output)
        told = self.rows.items[after:to]
        return [i.seq for i in told if hosts is None or not i.output_of or i.output_of in hosts]

    async def _watch(self) -> None:
        code = Close.RESTARTING
        try:
            with stream.watching(JOB, self.watcher) as reader:
                code = await self.watcher.run(reader)
        except RuntimeError:
            event("an answer broke")
        if code == Close.RESTARTING and not self.leaving:
            event("somebody was sent to come again")
            self.read()
            await asyncio.sleep(0.5)
            if not self.leaving:
                self.come()


Step = tuple[str, Any]
outputs = st.sampled_from(["all", "none", ["a"], ["b"], ["a", "b"]])
pieces = st.tuples(st.sampled_from([None, *HOSTS]), st.integers(0, 120))
tells = st.tuples(st.just("tell"), st.lists(pieces, min_size=1, max_size=20))
floods = st.tuples(st.just("tell"), st.lists(st.tuples(st.just("a"), st.just(400)), min_size=9))
waits = st.tuples(st.just("wait"), st.sampled_from([0.0, 0.01, 5.0]))
steps = st.one_of(
    tells,
    tells,
    floods,
    waits,
    waits,
    st.tuples(st.just("ring"), st.integers(-3, 3)),
    st.tuples(st.just("join"), st.tuples(st.integers(0, 100), outputs, st.booleans())),
    st.tuples(st.just("leave"), st.integers(0, 9)),
    st.tuples(st.just("lose"), st.integers(0, 9)),
    st.tuples(st.just("hold"), st.integers(0, 9)),
    st.tuples(st.just("let go"), st.integers(0, 9)),
    st.tuples(st.just("read"), st.tuples(st.integers(0, 9), st.integers(1, 3))),
    st.tuples(st.just("watch"), st.tuples(st.integers(0, 9), outputs)),
    st.tuples(st.just("restart"), st.booleans()),
    st.tuples(st.just("move"), st.sampled_from(["running", "failed"])),
    st.tuples(st.just("layer"), st.booleans()),
    st.tuples(st.just("trouble"), st.sampled_from([OperationalError, RuntimeError])),
    st.tuples(st.just("turns"), st.integers(0, 5)),
)


@settings(max_examples=200, deadline=None)
@given(script=st.lists(steps, min_size=20, max_size=60))
def test_every_watcher_is_told_the_same_story(script: list[Step]) -> None:
    with small_sizes() as (rows, layer), asyncio.Runner(loop_factory=JumpingLoop) as runner:
        runner.run(play(script, rows, layer))


async def play(script: list[Step], rows: Rows, layer: Layer) -> None:
    clients: list[Client] = []
    for step, about in script:
        match step:
            case "tell":
                for host, length in about:
                    rows.tell(host, length)
            case "move":
                rows.move(about)
            case "ring":
                layer.ring(len(rows.items) + about)
            case "wait":
                await asyncio.sleep(about)
            case "join":
                after, output, slow = about
                clients.append(Client(rows, min(after, len(rows.items)), output))
                clients[-1].reading = not slow
            case "restart":
                for client in clients:
                    await (client.leave() if about else client.lose())
                for client in clients:
                    client.come()
            case "layer":
                layer.go(away=about)
            case "trouble":
                rows.trouble.append(about("not now"))
            case "turns":
                rows.turns = about
            case _ if clients:
                await meet(step, about, clients)
    layer.go(away=False)
    for client in clients:
        client.reading = True
        client.read()
    await asyncio.sleep(60)
    for client in clients:
        assert client.to == len(rows.items)
        assert client.seqs == client.expected
        if rows.state == "failed":
            assert client.ended_at == client.to
        await client.leave()
    await asyncio.sleep(1)
    assert layer.channels == []


async def meet(step: str, about: Any, clients: list[Client]) -> None:
    place, how = about if isinstance(about, tuple) else (about, None)
    client = clients[place % len(clients)]
    match step:
        case "leave":
            await client.leave()
            client.come()
        case "lose":
            await client.lose()
            client.come()
        case "hold":
            client.reading = False
        case "let go":
            client.reading = True
            client.read()
        case "read":
            client.read(how)
        case "watch":
            client.want(how)


@contextmanager
def small_sizes() -> Iterator[tuple[Rows, Layer]]:
    """Everything overflows soon."""
    rows, layer = Rows(), Layer()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(stream, "rows", rows)
        patch.setattr(stream, "get_channel_layer", lambda: layer)
        patch.setattr(stream, "REWIND", 3)
        patch.setattr(stream, "PAGE", 160)
        patch.setattr(tail, "KEPT", 480)
        patch.setattr(protocol, "BATCH", 250)
        patch.setattr(watcher, "MAX_FRAME", 400)
        patch.setattr(watcher, "WINDOW", 1200)
        patch.setattr(watcher, "SILENCE", 1e9)
        patch.setattr(watcher, "MAX_ANSWERS", 1e9)
        patch.setattr(watcher, "MAX_WAITING", 1e9)
        patch.setattr(watcher, "MAX_AGE", 12.0)
        yield rows, layer


class JumpingLoop(asyncio.SelectorEventLoop):
    """Nobody waits: when there is nothing to do, time jumps to the next thing that is due."""

    def __init__(self) -> None:
        self._now = 0.0
        loop = self

        class Selector(selectors.DefaultSelector):  # type: ignore[misc, valid-type]
            def select(self, timeout: float | None = None) -> Any:
                loop._now += timeout or 0.0
                return super().select(0)

        super().__init__(Selector())

    def time(self) -> float:
        return self._now
