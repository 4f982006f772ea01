"""Follows a job's story: every item once and in order, whatever happens to the connection."""

import json
import random
import time
from collections.abc import Iterator
from enum import Enum
from typing import Any, Literal

from websockets.exceptions import ConnectionClosed, InvalidHandshake
from websockets.sync.client import ClientConnection, connect
from websockets.typing import Subprotocol

from webapp.cli.client import Client
from webapp.cli.statuses import NotReachable, Refused
from webapp.words import _

Item = dict[str, Any]
#: Whose output comes too: everybody's, nobody's, or these hosts'.
Output = Literal["all", "none"] | list[str]

#: Where nothing more comes by itself.
ENDED = {"succeeded", "failed", "cancelled"}
STANDING = ENDED | {"halted"}

SUBPROTOCOL = Subprotocol("patchwave.v1")
OPEN_WITHIN = 10.0
PING_EVERY = 20.0
MAX_FRAME = 1024 * 1024
#: Seconds between two tries, and how long a server may be away before we give up.
PAUSE = 1.0
PATIENCE = 120.0
#: Seconds after which whoever follows gets a turn though nothing was told.
TURN = 1.0

#: Close codes that no other try would change.
FINAL = {4400, 4401, 4403, 4404}


class Link(Enum):
    """How we hear of the job, apart from how the job stands."""

    CONNECTING = "connecting"
    LIVE = "live"
    BEHIND = "behind"
    RECONNECTING = "reconnecting"
    POLLING = "polling"


class _Broken(Exception):
    """The socket left something out: what is missing comes over HTTP."""


class Story:
    """``after``: the last item that is known already. ``output``: "all", "none" or names of hosts.

    ``job`` is the job's newest report, ``seq`` the last item that came, ``gaps`` counts the times
    something was missing and had to be asked for again.
    """

    def __init__(
        self, client: Client, job_id: int, *, after: int = 0, output: Output = "none"
    ) -> None:
        self._client, self._job_id, self._output = client, job_id, output
        self.seq = after
        self.gaps = 0
        self.link = Link.CONNECTING
        self.job: dict[str, Any] = self._report()
        self._epoch: str | None = None
        self._heard = time.monotonic()

    def items(self) -> Iterator[Item]:
        """Until the job has ended or halted. Raises NotReachable, Refused."""
        for told in self.turns():
            yield from told

    def turns(self) -> Iterator[list[Item]]:
        """The same as it comes, many at a time; an empty list now and then while nothing does."""
        while True:
            heard = self._heard
            try:
                yield from self._live()
            except (ConnectionClosed, InvalidHandshake, OSError, _Broken) as drop:
                _refuse_if_final(drop)
                opened = self._heard > heard
                self.link = Link.RECONNECTING if opened else Link.POLLING
                yield []
            # What fell in between comes over HTTP; where no socket opens at all, this is a poll.
            try:
                yield from self._catch_up()
                self.job = self._report()
            except NotReachable:
                self.link = Link.RECONNECTING
                if time.monotonic() - self._heard > PATIENCE:
                    raise
            else:
                self._heard = time.monotonic()
                if self.job["state"] in STANDING and self.seq >= self.job["last_seq"]:
                    return
            yield []
            time.sleep(PAUSE * random.uniform(0.5, 1.5))  # noqa: S311 (spreads, guards nothing)

    def _report(self) -> dict[str, Any]:
        report: dict[str, Any] = self._client.get(self._path()).json()
        return report

    def _path(self, of: str = "") -> str:
        return f"/jobs/{self._job_id}{of}"

    def _live(self) -> Iterator[list[Item]]:
        """What the socket tells, until the job stands still."""
        with self._connect() as socket:
            _send(socket, t="hello", after=self.seq, output=self._output)
            state, last = "", None
            while True:
                try:
                    frame = json.loads(socket.recv(timeout=TURN))
                except TimeoutError:
                    yield []
                    continue
                self._heard = time.monotonic()
                match frame["t"]:
                    case "welcome":
                        self._know(frame["epoch"])
                        state, last = frame["job"]["state"], frame["last"]
                        self.job = frame["job"]
                    case "batch":
                        fresh = self._whole(frame)
                        state = next((i["to"] for i in fresh[::-1] if i["k"] == "job"), state)
                        self.seq = max(self.seq, frame["to"])
                        yield fresh
                        _send(socket, t="ack", seq=self.seq)
                    case "behind":
                        self.link = Link.BEHIND
                        for told in self._catch_up(frame["to"]):
                            yield told
                            _send(socket, t="ack", seq=self.seq)
                    case "end":
                        return
                if last is not None and self.seq >= last:
                    self.link = Link.LIVE
                    if state == "halted":
                        return

    def _connect(self) -> ClientConnection:
        address = self._client.address.replace("http", "ws", 1)
        return connect(
            f"{address}/ws/jobs/{self._job_id}/",
            additional_headers={"Authorization": f"Bearer {self._client.token}"},
            subprotocols=[SUBPROTOCOL],
            open_timeout=OPEN_WITHIN,
            close_timeout=2,
            ping_interval=PING_EVERY,
            ping_timeout=PING_EVERY,
            max_size=MAX_FRAME,
            proxy=None if self._client.is_local else True,
        )

    def _know(self, epoch: str) -> None:
        """A story that began anew, after a restored backup, is told from its beginning."""
        if self._epoch not in (None, epoch):
            self.seq = 0
            self._epoch = epoch
            raise _Broken
        self._epoch = epoch

    def _whole(self, batch: dict[str, Any]) -> list[Item]:
        """What of a batch is new. Raises _Broken where something is missing before it or in it."""
        fresh = self._new(batch["items"])
        expected = max(0, batch["to"] - self.seq)
        complete = self._output != "all" or len(fresh) == expected
        if batch["from"] > self.seq + 1 or not complete:
            self.gaps += 1
            raise _Broken
        return fresh

    def _catch_up(self, to: int | None = None) -> Iterator[list[Item]]:
        """Over HTTP, to the end of the story or to ``to``."""
        while True:
            wanted = {"after": self.seq, "host": _host_of(self._output)}
            page = self._client.get(self._path("/events"), **wanted).json()
            until = page["to"] if to is None else min(to, page["to"])
            fresh = [item for item in self._new(page["events"]) if item["s"] <= until]
            self.seq = max(self.seq, until)
            yield fresh
            if self.seq >= (page["last_seq"] if to is None else to):
                return

    def _new(self, items: list[Item]) -> list[Item]:
        return [item for item in items if item["s"] > self.seq]


def _host_of(output: Output) -> list[str] | str | None:
    """The query that leaves out the other hosts' output. No host has an empty name."""
    if isinstance(output, list):
        return output
    return None if output == "all" else ""


def _send(socket: ClientConnection, **frame: Any) -> None:
    socket.send(json.dumps(frame))


def _refuse_if_final(drop: Exception) -> None:
    if not isinstance(drop, ConnectionClosed) or drop.rcvd is None or drop.rcvd.code not in FINAL:
        return
    if drop.rcvd.code == 4404:
        raise Refused(_("There is no such job, or it is not yours to see."))
    if drop.rcvd.code == 4400:
        raise Refused(_("The stream did not understand us: is it of another version?"))
    raise Refused(_("You may not follow this job (any more)."))
