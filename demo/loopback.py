"""Addresses and ports of this machine alone: all of 127.0.0.0/8."""

import contextlib
import socket
from collections.abc import Sequence


def free_net() -> tuple[int, socket.socket]:
    """A second octet of 127.0.0.0/8 that no other fleet uses, and the lock that says so."""
    for net in range(77, 127):
        lock = socket.socket(socket.AF_UNIX)
        try:
            lock.bind(f"\0fleet-127.{net}")  # an abstract name: free again when the process ends
        except OSError:
            lock.close()
        else:
            return net, lock
    raise RuntimeError("too many fleets at a time")


def free_port(address: str) -> int:
    with socket.socket() as probe:
        probe.bind((address, 0))
        return int(probe.getsockname()[1])


def listens(address: str, port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex((address, port)) == 0


def port_on(addresses: Sequence[str], *, usual: int) -> int:
    """A port that is free on all of them; the ``usual`` one where it is."""
    with contextlib.suppress(OSError):
        for address in addresses:
            with socket.socket() as probe:
                # What ended a moment ago is not in the way.
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                probe.bind((address, usual))
        return usual
    return free_port(addresses[0])
