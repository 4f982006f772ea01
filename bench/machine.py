"""A second machine, as far as the network goes: a namespace with one link to this one."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def second() -> Iterator[list[str]]:
    """The words before a command that shall run there; none where this machine gives us none.

    127.0.0.0/8 is on this side of the link, for it has no loopback of its own: database, Valkey and
    fleet are met at the addresses that they have here, and every byte to them crosses the link.
    """
    name = f"pwm{os.getpid()}"
    outer, inner = f"{name}a", f"{name}b"
    net = f"10.204.{os.getpid() % 256}"
    inside = ["ip", "netns", "exec", name]
    words = [
        ["ip", "netns", "add", name],
        ["ip", "link", "add", outer, "type", "veth", "peer", "name", inner, "netns", name],
        ["ip", "addr", "add", f"{net}.1/30", "dev", outer],
        ["ip", "link", "set", outer, "up"],
        [*inside, "ip", "addr", "add", f"{net}.2/30", "dev", inner],
        [*inside, "ip", "link", "set", inner, "up"],
        [*inside, "ip", "route", "add", "127.0.0.0/8", "via", f"{net}.1"],
        ["sysctl", "-qw", f"net.ipv4.conf.{outer}.route_localnet=1"],
        [*inside, "sysctl", "-qw", f"net.ipv4.conf.{inner}.route_localnet=1"],
    ]
    try:
        for one in words:
            subprocess.run(one, check=True, capture_output=True, timeout=10)
    except (OSError, subprocess.SubprocessError) as error:
        print(f"all workers run on this machine, no other can be made: {error}", file=sys.stderr)
        _remove(name)
        yield []
        return
    try:
        yield inside
    finally:
        _remove(name)


def _remove(name: str) -> None:
    """Its end of the link goes with it, and ours with that."""
    subprocess.run(["ip", "netns", "del", name], capture_output=True, check=False, timeout=10)
