"""The command line's side of the stream, against a far side that drops, lags and refuses."""

import json
import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import pytest
from websockets.sync.server import Server, ServerConnection, serve

from webapp.cli import story
from webapp.cli.statuses import NotReachable, Refused
from webapp.cli.story import Link, Story


class Far:
    """One job, told over a socket and over HTTP. Remembers what it was asked; the knobs come
    first, one value for each connection where it is a list."""

    def __init__(self) -> None:
        self.drop_after: list[int] = []
        self.close_with: int | None = None
        self.behind_to: int | None = None
        self.leaves_out: list[int] = []
        self.epochs: list[str] = []
        self.repeats = False
        self.away = False
        self.items: list[dict[str, Any]] = []
        self.hellos: list[dict[str, Any]] = []
        self.acks: list[int] = []
        self.asked: list[dict[str, Any]] = []
        self.bearers: list[str | None] = []
        # As Client has them.
        self.address, self.token, self.is_local = "", "pw_x", True

    def tell(self, *kinds: str) -> None:
        """A job's states, or notes of any other text."""
        for text in kinds:
            is_state = text in ("running", "halted", "succeeded", "failed", "cancelled")
            news = {"k": "job", "to": text} if is_state else {"k": "note", "text": text}
            self.items.append({"s": len(self.items) + 1, **news, "at": "2026-01-01T00:00:00.000Z"})

    @property
    def state(self) -> str:
        return next((item["to"] for item in self.items[::-1] if item["k"] == "job"), "waiting")

    @property
    def job(self) -> dict[str, Any]:
        return {"id": 1, "state": self.state, "last_seq": len(self.items)}

    def get(self, path: str, **query: Any) -> httpx.Response:
        if self.away:
            raise NotReachable("away")
        if path == "/jobs/1":
            return httpx.Response(200, json=self.job)
        assert path == "/jobs/1/events"
        self.asked.append(query)
        page = self.items[query["after"] :][:2]
        to = page[-1]["s"] if page else len(self.items)
        return httpx.Response(200, json={"events": page, "to": to, "last_seq": len(self.items)})

    def answer(self, socket: ServerConnection) -> None:
        hello = json.loads(socket.recv(timeout=5))
        self.hellos.append(hello)
        self.bearers.append(socket.request.headers.get("Authorization") if socket.request else None)
        if self.close_with:
            socket.close(self.close_with)
            return
        last = len(self.items)
        epoch = self.epochs.pop(0) if self.epochs else "e"
        send(socket, t="welcome", epoch=epoch, last=last, job=self.job)
        after = hello["after"]
        if self.behind_to and after < self.behind_to:
            send(socket, t="behind", to=self.behind_to, bytes=1)
            while after < self.behind_to:
                self.acks.append(after := json.loads(socket.recv(timeout=5))["seq"])
        room = self.drop_after.pop(0) if self.drop_after else last
        for item in self.items[after : after + room]:
            if item["s"] in self.leaves_out:
                self.leaves_out.remove(item["s"])
                continue
            before = [self.items[item["s"] - 2]] if self.repeats and item["s"] > 1 else []
            send(socket, t="batch", **{"from": item["s"], "to": item["s"]}, items=[*before, item])
            self.acks.append(json.loads(socket.recv(timeout=5))["seq"])
        if after + room < last:
            socket.socket.close()
        elif self.state in story.ENDED:
            send(socket, t="new kind of frame")
            send(socket, t="end", last=last, state=self.state)
        else:
            socket.recv(timeout=5)


def send(socket: ServerConnection, **frame: Any) -> None:
    socket.send(json.dumps(frame))


@contextmanager
def listening(far: Far) -> Iterator[Server]:
    quiet = logging.getLogger("far side")
    quiet.setLevel(logging.CRITICAL)
    with serve(
        far.answer, "127.0.0.1", 0, subprotocols=[story.SUBPROTOCOL], logger=quiet
    ) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        host, port = server.socket.getsockname()
        far.address = f"http://{host}:{port}"
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def far(monkeypatch: pytest.MonkeyPatch) -> Iterator[Far]:
    monkeypatch.setattr(story, "PAUSE", 0.01)
    far = Far()
    with listening(far):
        yield far


def follow(far: Far, **given: Any) -> list[int]:
    return [item["s"] for item in Story(far, 1, **given).items()]  # type: ignore[arg-type]


def test_every_item_comes_once_and_in_order(far: Far) -> None:
    far.tell("running", "a", "b", "succeeded")
    assert follow(far) == [1, 2, 3, 4]
    assert far.acks == [1, 2, 3, 4]
    assert far.asked[-1]["after"] == 4


def test_it_logs_in_with_its_token(far: Far) -> None:
    far.tell("succeeded")
    follow(far)
    assert far.bearers == ["Bearer pw_x"]


def test_what_is_known_already_is_not_told_again(far: Far) -> None:
    far.tell("running", "a", "b", "succeeded")
    assert follow(far, after=2) == [3, 4]


def test_after_a_drop_it_goes_on_where_it_was(far: Far) -> None:
    far.tell("running", "a", "b", "c", "d", "e", "f", "g", "succeeded")
    far.drop_after = [1, 1, 0]
    assert follow(far) == list(range(1, 10))


def test_items_that_come_twice_are_told_once(far: Far) -> None:
    far.tell("running", "a", "b", "succeeded")
    far.repeats = True
    assert follow(far) == [1, 2, 3, 4]


def test_what_the_socket_leaves_out_is_fetched_over_http(far: Far) -> None:
    far.tell("running", "a", "b", "c", "succeeded")
    far.behind_to = 3
    assert follow(far) == [1, 2, 3, 4, 5]
    assert [query["after"] for query in far.asked[:2]] == [0, 2]
    assert far.acks == [2, 3, 4, 5], "what was fetched, and not a word of what was not told"


def test_what_is_missing_is_counted_and_fetched(far: Far) -> None:
    far.tell("running", "a", "b", "c", "succeeded")
    far.leaves_out = [3]
    told = Story(far, 1)  # type: ignore[arg-type]
    assert [item["s"] for item in told.items()] == [1, 2, 3, 4, 5]
    assert told.gaps == 1


def test_a_story_that_began_anew_is_told_from_its_beginning(far: Far) -> None:
    far.tell("running", "a", "b", "c")
    far.drop_after = [2]
    far.epochs = ["before", "after", "after"]
    told = Story(far, 1).items()  # type: ignore[arg-type]
    assert [next(told)["s"] for _ in range(4)] == [1, 2, 3, 4]
    far.tell("succeeded")
    assert [item["s"] for item in told] == [1, 2, 3, 4, 5]


def test_it_tells_how_it_hears_of_the_job(far: Far) -> None:
    far.tell("running", "a", "b")
    far.drop_after = [1]
    told = Story(far, 1)  # type: ignore[arg-type]
    links = [told.link]
    for _ in told.turns():
        links.append(told.link)
        if told.link == Link.LIVE:
            far.tell("succeeded")
            break
    assert list(dict.fromkeys(links)) == [Link.CONNECTING, Link.RECONNECTING, Link.LIVE]


def test_whoever_follows_gets_a_turn_though_nothing_is_told(
    far: Far, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(story, "TURN", 0.01)
    far.tell("running")
    turns = Story(far, 1).turns()  # type: ignore[arg-type]
    assert [len(next(turns)) for _ in range(3)] == [1, 0, 0]


def test_where_no_socket_opens_the_story_is_polled(
    far: Far, monkeypatch: pytest.MonkeyPatch
) -> None:
    far.address = "http://127.0.0.1:9"
    far.tell("running", "a", "succeeded")
    assert follow(far) == [1, 2, 3]
    assert far.hellos == []


def test_output_comes_only_where_it_is_wanted(far: Far) -> None:
    far.tell("succeeded")
    follow(far)
    follow(far, output="all")
    follow(far, output=["eu-1"])
    assert [hello["output"] for hello in far.hellos] == ["none", "all", ["eu-1"]]
    assert [query["host"] for query in far.asked] == ["", None, ["eu-1"]]


@pytest.mark.parametrize("end", ["succeeded", "failed", "cancelled", "halted"])
def test_it_ends_where_the_job_stands(far: Far, end: str) -> None:
    far.tell("running", "a", end)
    told = Story(far, 1)  # type: ignore[arg-type]
    assert [item["s"] for item in told.items()] == [1, 2, 3]
    assert told.job["state"] == end


def test_a_halt_that_is_past_ends_nothing(far: Far) -> None:
    far.tell("running", "halted", "running", "a", "succeeded")
    assert follow(far) == [1, 2, 3, 4, 5]


def test_a_job_that_stands_already_is_told_to_its_end(far: Far) -> None:
    far.tell("running", "halted")
    assert follow(far, after=2) == []


@pytest.mark.parametrize("code", [4400, 4401, 4403, 4404])
def test_a_final_refusal_is_not_tried_again(far: Far, code: int) -> None:
    far.tell("running")
    far.close_with = code
    with pytest.raises(Refused):
        follow(far)
    assert len(far.hellos) == 1


def test_a_server_that_stays_away_is_given_up(far: Far, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(story, "PATIENCE", 0.0)
    far.tell("running")
    told = Story(far, 1)  # type: ignore[arg-type]
    far.away, far.drop_after = True, [0]
    with pytest.raises(NotReachable):
        list(told.items())
