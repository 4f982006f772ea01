"""Asks the database on behalf of the sockets, in a few threads of its own.

``database_sync_to_async`` has one thread for all sockets of a process, which they share with
every page: a slow page would stop every stream.
"""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import ParamSpec, TypeVar

from django.db import connection

THREADS = 4

P = ParamSpec("P")
T = TypeVar("T")

_threads = ThreadPoolExecutor(THREADS, thread_name_prefix="rows")


async def ask(function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """What ``function`` gives, called in one of our threads. Raises what it raises."""
    loop = asyncio.get_running_loop()
    return await loop.run_in_executor(_threads, partial(_asked, function, *args, **kwargs))


def _asked(function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    try:
        return function(*args, **kwargs)
    finally:
        # Kept from one call to the next: opening one costs more than most calls. A broken one is
        # closed, and the next call opens another.
        if connection.errors_occurred:
            connection.close()
