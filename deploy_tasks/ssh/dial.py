"""From a name to a TCP connection, in the time there is."""

import contextlib
import errno
import socket
import threading
import time
from collections.abc import Callable
from functools import partial
from ipaddress import ip_address

from django.utils.translation import gettext as _

from deploy_tasks.errors import ConnectFailed

#: Is given what cuts a connection off while it is being made; may raise what shall end that.
Making = Callable[[Callable[[], None]], None]


def dial(address: str, port: int, limit: float, making: Making) -> socket.socket:
    """Connect within ``limit`` seconds, trying every address of a name. Raises ConnectFailed."""
    deadline = time.monotonic() + limit
    found = _resolve(address, port, limit)
    for left, (family, where) in zip(range(len(found), 0, -1), found, strict=True):
        link = socket.socket(family, socket.SOCK_STREAM)
        try:
            making(partial(_cut, link))
            link.settimeout(max(0.001, (deadline - time.monotonic()) / left))
            link.connect(where)
        except OSError as error:
            link.close()
            if left == 1:
                raise _unreachable(error, address, port, limit) from error
        except BaseException:
            link.close()
            raise
        else:
            return link
    raise AssertionError("a name resolves to one address at least")


def _cut(link: socket.socket) -> None:
    with contextlib.suppress(OSError):
        link.shutdown(socket.SHUT_RDWR)


def _unreachable(error: OSError, address: str, port: int, limit: float) -> ConnectFailed:
    if isinstance(error, TimeoutError):
        return ConnectFailed(_("connection timed out after %g s") % limit)
    if isinstance(error, ConnectionRefusedError):
        return ConnectFailed(_("connection refused by %s") % _place(address, port))
    if isinstance(error, ConnectionResetError):
        return ConnectFailed(_("host closed the connection"))
    if error.errno in (errno.EHOSTUNREACH, errno.ENETUNREACH):
        return ConnectFailed(_("no route to host"))
    return ConnectFailed(_("connection failed: %s") % (error.strerror or error))


def _place(address: str, port: int) -> str:
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"


def _resolve(address: str, port: int, limit: float) -> list[tuple[int, tuple[str, int]]]:
    try:
        family = socket.AF_INET6 if ip_address(address).version == 6 else socket.AF_INET
    except ValueError:
        return _look_up(address, port, limit)
    return [(family, (address, port))]


def _look_up(name: str, port: int, limit: float) -> list[tuple[int, tuple[str, int]]]:
    # The resolver knows no time limit: it is waited for in a thread, which may be left behind.
    answers: list[tuple[int, tuple[str, int]]] = []

    def ask() -> None:
        try:
            found = socket.getaddrinfo(name, port, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError):
            return
        answers.extend((family, where) for family, _kind, _proto, _name, where in found)  # type: ignore[misc]

    asking = threading.Thread(target=ask, name=f"look up {name}", daemon=True)
    asking.start()
    asking.join(limit)
    if not answers:
        raise ConnectFailed(_("name %s cannot be resolved") % name)
    return list(answers)
