"""Whatever happens on the way, every watcher is told the same story: each event once, in order.

No database and no clock: rows are a list, bells ring when the test says so, time jumps.
"""

import asyncio
import json
import selectors
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
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
        self.turns = 0

    def tell(self, host: str | None, length: int) -> None:
        fields = {"s": len(self.items) + 1, "h": host, "k": "output", "d": "x" * length}
        text = json.dumps(fields)
        self.items.append(Item(len(self.items) + 1, host, fields, text, len(text) + 1))

    async def ask(self, question: Callable[..., Any], *args: Any, **about: Any) -> Any:
        answers: dict[Callable[..., Any], Callable[..., Any]] = {
            events.head: lambda job: (len(self.items), "running"),
            events.read: self._read,
            events.weigh: self._weigh,
            doorman.no_longer_welcome: lambda guests, job: {},
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
        return Page(lines, to, len(self.items), "running")

    def _weigh(self, job: int, *, after: int, to: int, hosts: frozenset[str] | None) -> int:
        return sum(item.size for item in self.items[after:to])


class Layer:
    """Stands for the channel layer. Rings only when told to."""

    def __init__(self) -> None:
        self.channels: list[asyncio.Queue[dict[str, Any]]] = []

    async def new_channel(self) -> "asyncio.Queue[dict[str, Any]]":
        return asyncio.Queue()

    async def group_add(self, group: str, channel: "asyncio.Queue[dict[str, Any]]") -> None:
        self.channels.append(channel)

    async def group_discard(self, group: str, channel: "asyncio.Queue[dict[str, Any]]") -> None:
        self.channels.remove(channel)

    async def receive(self, channel: "asyncio.Queue[dict[str, Any]]") -> dict[str, Any]:
        return await channel.get()

    def ring(self, to: int) -> None:
        for channel in self.channels:
            channel.put_nowait({"type": "job.grew", "job": JOB, "to": to})


class Client:
    """Keeps what it is told, and what it should have been told."""

    def __init__(self, rows: Rows, after: int, output: Output) -> None:
        self.rows = rows
        self.output = output
        self.to = after
        self.seqs: list[int] = []
        self.expected: list[int] = []
        self.acknowledging = True
        self.come()

    def come(self) -> None:
        self.leaving = False
        hello = Hello(after=self.to, output=self.output)
        self.watcher = Watcher(SOMEBODY, hello, self.hear)
        self.task = asyncio.create_task(self._watch(stream.join(JOB, self.watcher)))

    async def leave(self) -> None:
        self.leaving = True
        self.watcher.close(Close.RESTARTING)
        await self.task

    async def hear(self, text: str) -> None:
        frame = json.loads(text)
        match frame["t"]:
            case "batch":
                assert frame["from"] == self.to + 1
                self._take([item["s"] for item in frame["items"]], frame["to"])
            case "watching":
                assert frame["from"] == self.to + 1
                self.output = frame["output"]
            case "behind":
                event("somebody was behind")
                self._take(self._wanted(self.to, frame["to"]), frame["to"])
        if self.acknowledging:
            self.acknowledge()

    def acknowledge(self) -> None:
        self.watcher.heard()
        self.watcher.acknowledge(self.to)

    def _take(self, seqs: list[int], to: int) -> None:
        assert to > self.to
        self.expected += self._wanted(self.to, to)
        self.seqs += seqs
        self.to = to

    def _wanted(self, after: int, to: int) -> list[int]:
        hosts = protocol.hosts_of(self.output)
        told = self.rows.items[after:to]
        return [i.seq for i in told if hosts is None or not i.output_of or i.output_of in hosts]

    async def _watch(self, reader: stream.Reader) -> None:
        try:
            code = await self.watcher.run(reader)
        finally:
            stream.leave(reader, self.watcher)
        if code == Close.RESTARTING and not self.leaving:
            event("somebody came of age")
            self.come()


Step = tuple[str, Any]
outputs = st.sampled_from(["all", "none", ["a"], ["b"], ["a", "b"]])
pieces = st.tuples(st.sampled_from([None, *HOSTS]), st.integers(0, 120))
tells = st.tuples(st.just("tell"), st.lists(pieces, min_size=1, max_size=20))
waits = st.tuples(st.just("wait"), st.sampled_from([0.0, 0.01, 5.0]))
steps = st.one_of(
    tells,
    tells,
    waits,
    waits,
    st.tuples(st.just("ring"), st.integers(-3, 3)),
    st.tuples(st.just("join"), st.tuples(st.integers(0, 100), outputs, st.booleans())),
    st.tuples(st.just("leave"), st.integers(0, 9)),
    st.tuples(st.just("hold"), st.integers(0, 9)),
    st.tuples(st.just("let go"), st.integers(0, 9)),
    st.tuples(st.just("watch"), st.tuples(st.integers(0, 9), outputs)),
    st.tuples(st.just("restart"), st.none()),
    st.tuples(st.just("turns"), st.integers(0, 5)),
)


@settings(max_examples=150, deadline=None)
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
            case "ring":
                layer.ring(len(rows.items) + about)
            case "wait":
                await asyncio.sleep(about)
            case "join":
                after, output, slow = about
                clients.append(Client(rows, min(after, len(rows.items)), output))
                clients[-1].acknowledging = not slow
            case "restart":
                for client in clients:
                    await client.leave()
                for client in clients:
                    client.come()
            case "turns":
                rows.turns = about
            case _ if clients:
                await meet(step, about, clients)
    for client in clients:
        client.acknowledging = True
        client.acknowledge()
    await asyncio.sleep(30)
    for client in clients:
        assert client.to == len(rows.items)
        assert client.seqs == client.expected
        await client.leave()
    await asyncio.sleep(1)
    assert layer.channels == []


async def meet(step: str, about: Any, clients: list[Client]) -> None:
    place, output = about if step == "watch" else (about, None)
    client = clients[place % len(clients)]
    match step:
        case "leave":
            await client.leave()
            client.come()
        case "hold":
            client.acknowledging = False
        case "let go":
            client.acknowledging = True
            client.acknowledge()
        case "watch":
            client.watcher.ask(Watch(output=output))


@contextmanager
def small_sizes() -> Iterator[tuple[Rows, Layer]]:
    """Everything overflows soon."""
    rows, layer = Rows(), Layer()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(stream, "rows", rows)
        patch.setattr(stream, "get_channel_layer", lambda: layer)
        patch.setattr(stream, "REWIND", 3)
        patch.setattr(stream, "KEPT", 500)
        patch.setattr(tail, "KEPT", 500)
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
