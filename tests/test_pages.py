"""Which thread answers a request, and with which connection to the database."""

import asyncio
import threading
from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection, connections
from django.http import HttpRequest, HttpResponse

from tests.waiting import until
from webapp import pages
from webapp.pages import Pages

pytestmark = pytest.mark.django_db(transaction=True)

SCOPE = {
    "type": "http",
    "http_version": "1.1",
    "method": "GET",
    "path": "/",
    "query_string": b"",
    "headers": [],
}


class Asked(Pages):
    """Answers with what a function says, and remembers in which threads that was."""

    def __init__(self, say: Callable[[], Any] = threading.get_ident) -> None:
        super().__init__()
        self.say = say
        self.threads: set[threading.Thread] = set()

    def get_response(self, request: HttpRequest) -> HttpResponse:
        self.threads.add(threading.current_thread())
        return HttpResponse(str(self.say()))

    async def told(self) -> str:
        """What a request is answered, when the next one may have its thread."""
        threads, asking = len(self._idle), Request()
        await self(dict(SCOPE), asking.inbox.get, asking.send)
        await soon(lambda: len(self._idle) >= max(1, threads), "it waits for the next")
        return asking.body.decode()

    async def end(self) -> None:
        """Its threads, with their connections: the test's database goes away."""
        await soon(lambda: len(self._idle) == len(self.alive), "all are done")
        while self._idle:
            thread = self._idle.pop()
            thread.submit(connections.close_all).result(10)
            thread.shutdown()

    @property
    def alive(self) -> list[threading.Thread]:
        return [thread for thread in self.threads if thread.is_alive()]


class Request:
    """One client: what comes from it, and what it has been sent."""

    def __init__(self) -> None:
        self.inbox: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self.inbox.put_nowait({"type": "http.request", "body": b"", "more_body": False})
        self.body = b""

    async def send(self, message: dict[str, Any]) -> None:
        self.body += message.get("body", b"")


async def soon(condition: Callable[[], Any], what: str) -> None:
    await asyncio.to_thread(until, condition, what)


def opened() -> int:
    """Which connection answers."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
    return id(connection.connection)


async def test_the_next_request_has_the_same_thread_and_its_connection() -> None:
    asked = Asked(opened)
    assert len({await asked.told() for _ in range(3)}) == 1
    assert len(asked.threads) == 1
    await asked.end()


async def test_those_who_ask_at_once_have_a_thread_each_and_few_stay(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(pages, "KEPT", 1)
    together = threading.Barrier(3)
    asked = Asked(lambda: together.wait(10))
    await asyncio.gather(*(asked.told() for _ in range(3)))
    assert len(asked.threads) == 3
    await soon(lambda: len(asked.alive) == 1, "the others end")
    await asked.end()


async def test_a_thread_that_is_still_asked_is_given_to_nobody_else() -> None:
    begun, may = threading.Event(), threading.Event()

    def slow() -> None:
        begun.set()
        may.wait(10)

    asked, hangs_up = Asked(slow), Request()
    asking = asyncio.create_task(asked(dict(SCOPE), hangs_up.inbox.get, hangs_up.send))
    await asyncio.to_thread(begun.wait, 10)
    hangs_up.inbox.put_nowait({"type": "http.disconnect"})
    asked.say = threading.get_ident
    await asked.told()
    assert len(asked.threads) == 2
    may.set()
    await asking
    await asked.end()


async def test_a_connection_that_was_cut_meanwhile_is_opened_anew() -> None:
    if connection.vendor != "postgresql":
        pytest.skip("a file cannot be cut off")
    asked = Asked(opened)
    first = await asked.told()

    def cut() -> int:
        connection.connection.close()
        return 0

    asked.say = cut
    await asked.told()
    asked.say = opened
    assert await asked.told() != first
    await asked.end()
