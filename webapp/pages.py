"""Pages and the API over HTTP."""

from collections import deque
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from asgiref.sync import ThreadSensitiveContext, sync_to_async
from django.core.handlers.asgi import ASGIHandler
from django.db import connection, connections
from django.http import HttpRequest, HttpResponseBase

#: Threads that wait for the next request.
KEPT = 8


class Pages(ASGIHandler):
    """Answers a request in one thread, from the first middleware to the view: none of them is a
    coroutine, and Django would go to and fro between the loop and a thread three times.

    And Django would begin a thread for each, which opens a connection to the database; here a few
    stay, and keep theirs.
    """

    def __init__(self) -> None:
        super().__init__()
        self._idle: deque[ThreadPoolExecutor] = deque()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        thread = self._idle.pop() if self._idle else _thread()
        try:
            async with ThreadSensitiveContext(executor=thread):
                await self.handle(scope, receive, send)
        finally:
            # When it is done: who hangs up does not end what it is asked.
            thread.submit(self._keep, thread)

    def _keep(self, thread: ThreadPoolExecutor) -> None:
        """In that thread."""
        if len(self._idle) < KEPT:
            self._idle.append(thread)
        else:
            connections.close_all()
            thread.shutdown(wait=False)

    def load_middleware(self, is_async: bool = False) -> None:
        super().load_middleware(is_async=False)

    async def get_response_async(self, request: HttpRequest) -> HttpResponseBase:
        return await sync_to_async(self.get_response, thread_sensitive=True)(request)


def _thread() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(1, "page", initializer=_keep_connection)


def _keep_connection() -> None:
    """One that has broken meanwhile is opened anew by the next request."""
    kept = {"CONN_MAX_AGE": None, "CONN_HEALTH_CHECKS": True}
    connection.settings_dict = {**connection.settings_dict, **kept}
