"""Addresses and ports of this machine alone: all of 127.0.0.0/8."""

import socket


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
