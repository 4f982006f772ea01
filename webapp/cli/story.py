"""Follows a job's story: every item once and in order, whatever happens to the connection."""

import json
import random
import time
from collections.abc import Iterator
from typing import Any

from websockets.exceptions import ConnectionClosed, InvalidHandshake
from websockets.sync.client import ClientConnection, connect
from websockets.typing import Subprotocol

from webapp.cli.client import Client
from webapp.cli.statuses import NotReachable, Refused
from webapp.cli.words import _

Item = dict[str, Any]

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

#: Close codes that no other try would change.
FINAL = {4400, 4401, 4403, 4404}


class Story:
    """``after``: the last item that is known already. ``output``: what hosts print comes too.

    ``job`` is the job's newest report, ``seq`` the last item that came.
    """

    def __init__(
        self, client: Client, job_id: int, *, after: int = 0, output: bool = False
    ) -> None:
        self._client, self._job_id, self._output = client, job_id, output
        self.seq = after
        self.job: dict[str, Any] = self._report()
        self._heard = time.monotonic()

    def items(self) -> Iterator[Item]:
        """Until the job has ended or halted. Raises NotReachable, Refused."""
        while True:
            try:
                yield from self._live()
            except (ConnectionClosed, InvalidHandshake, OSError) as drop:
                _refuse_if_final(drop)
            # What fell in between comes over HTTP; where no socket opens at all, this is a poll.
            try:
                yield from self._catch_up()
                self.job = self._report()
            except NotReachable:
                if time.monotonic() - self._heard > PATIENCE:
                    raise
            else:
                self._heard = time.monotonic()
                if self.job["state"] in STANDING and self.seq >= self.job["last_seq"]:
                    return
            time.sleep(PAUSE * random.uniform(0.5, 1.5))  # noqa: S311 (spreads, guards nothing)

    def _report(self) -> dict[str, Any]:
        report: dict[str, Any] = self._client.get(f"/jobs/{self._job_id}").json()
        return report

    def _live(self) -> Iterator[Item]:
        """What the socket tells, until the job stands still."""
        with self._connect() as socket:
            _send(socket, t="hello", after=self.seq, output="all" if self._output else "none")
            state, last = "", None
            while True:
                frame = json.loads(socket.recv())
                self._heard = time.monotonic()
                match frame["t"]:
                    case "welcome":
                        state, last = frame["job"]["state"], frame["last"]
                    case "batch":
                        for item in self._new(frame["items"]):
                            state = item["to"] if item["k"] == "job" else state
                            yield item
                        self.seq = max(self.seq, frame["to"])
                        _send(socket, t="ack", seq=self.seq)
                    case "behind":
                        yield from self._catch_up(frame["to"])
                    case "end":
                        return
                if last is not None and self.seq >= last and state == "halted":
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

    def _catch_up(self, to: int | None = None) -> Iterator[Item]:
        """Over HTTP, to the end of the story or to ``to``."""
        # No host has an empty name: all output is left out.
        host = None if self._output else ""
        while True:
            answer = self._client.get(f"/jobs/{self._job_id}/events", after=self.seq, host=host)
            page = answer.json()
            yield from self._new(page["events"])
            self.seq = max(self.seq, page["to"])
            if self.seq >= (page["last_seq"] if to is None else min(to, page["last_seq"])):
                return

    def _new(self, items: list[Item]) -> Iterator[Item]:
        return (item for item in items if item["s"] > self.seq)


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
