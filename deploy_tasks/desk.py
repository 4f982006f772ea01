"""Few database connections answer the questions of all threads that carry hosts.

An open connection is a quarter of a megabyte with SQLite and a process with PostgreSQL, and a
thousand quiet hosts need none: their threads ask here, where a few clerks have one each.
"""

import logging
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import wraps
from typing import ParamSpec, TypeVar

from django.db import (
    DatabaseError,
    InterfaceError,
    InternalError,
    OperationalError,
    close_old_connections,
    connection,
)

log = logging.getLogger(__name__)

P = ParamSpec("P")
T = TypeVar("T")

CLERKS = 4
#: What a database says that is away or busy, or has ended a transaction that stood still too long.
AWAY = (OperationalError, InterfaceError, InternalError)

_clerks = ThreadPoolExecutor(CLERKS, thread_name_prefix="clerk")
_thread = threading.local()


def use() -> None:
    """From here on this thread asks at the desk."""
    _thread.asks = True


def asked(question: Callable[P, T]) -> Callable[P, T]:
    """For a function that reads rows, or writes one, in no transaction but its own."""

    @wraps(question)
    def ask(*args: P.args, **kwargs: P.kwargs) -> T:
        if getattr(_thread, "asks", False):
            return _clerks.submit(_answer, lambda: question(*args, **kwargs)).result()
        return question(*args, **kwargs)

    return ask


@contextmanager
def tried_again(what: str) -> Iterator[None]:
    """For a thread that nothing may end: its timer tries again."""
    try:
        yield
    except (DatabaseError, InterfaceError) as error:
        log.warning("could not %s, trying again: %s", what, error)
        connection.close()
    except Exception:
        log.exception("could not %s, trying again", what)


def _answer(question: Callable[[], T]) -> T:
    try:
        return question()
    finally:
        close_old_connections()
