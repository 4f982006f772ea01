"""Attacks against the running product behind nginx: requests that two readers might end in
different places, bodies that never come or never end."""

import contextlib
import socket
import ssl
from collections.abc import Callable, Iterator

import pytest

from tests import waiting
from tests.e2e.nginx import NGINX
from tests.e2e.site import ADDRESS, Site

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.skipif(not NGINX, reason="nginx is not installed (Debian package nginx-light)"),
]

# ---- what two readers might understand differently

INSIDE = b"GET /smuggled HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n"
CHUNKED = b"Transfer-Encoding: chunked\r\n"
AMBIGUOUS = {
    "a length and chunks": CHUNKED + b"Content-Length: 4\r\n\r\n0\r\n\r\n",
    "chunks and a length": b"Content-Length: 4\r\n" + CHUNKED + b"\r\n0\r\n\r\n",
    "two lengths": b"Content-Length: 0\r\nContent-Length: 60\r\n\r\n",
    "two lengths in one": b"Content-Length: 0, 60\r\n\r\n",
    "a length with a sign": b"Content-Length: +0\r\n\r\n",
    "a negative length": b"Content-Length: -1\r\n\r\n",
    "chunks by another name": b"Transfer-Encoding: xchunked\r\nContent-Length: 0\r\n\r\n",
    "chunks twice": b"Transfer-Encoding: chunked, identity\r\nContent-Length: 0\r\n\r\n",
    "a space before the colon": b"Transfer-Encoding : chunked\r\nContent-Length: 0\r\n\r\n",
    "a folded header": b"X: y\r\n Transfer-Encoding: chunked\r\nContent-Length: 0\r\n\r\n",
    "a bare line feed": b"X: y\nTransfer-Encoding: chunked\r\nContent-Length: 0\r\n\r\n",
    "a bare carriage return": b"X: y\rTransfer-Encoding: chunked\r\nContent-Length: 0\r\n\r\n",
    "a size that is no number": CHUNKED + b"\r\n0x0\r\n\r\n",
    "a size with an end of its own": CHUNKED + b"\r\n0;\nx\r\n\r\n",
    "an underscore": b"Transfer_Encoding: chunked\r\nContent-Length: 0\r\n\r\n",
}


@contextlib.contextmanager
def to_nginx(site: Site) -> Iterator[ssl.SSLSocket]:
    with (
        socket.create_connection((ADDRESS, site.port), 10) as plain,
        site.trust.wrap_socket(plain, server_hostname=ADDRESS) as link,
    ):
        yield link


def asked(link: socket.socket, request: bytes) -> list[bytes]:
    """The first lines of all answers until the other side hangs up or has no more to say."""
    link.settimeout(3)
    got = b""
    with contextlib.suppress(OSError):
        link.sendall(request)
        while piece := link.recv(65536):
            got += piece
    return [line for line in got.split(b"\r\n") if line.startswith(b"HTTP/1.")]


@pytest.mark.parametrize("how", AMBIGUOUS)
def test_what_ends_in_two_places_is_not_two_requests(site: Site, how: str) -> None:
    """Behind nginx, where another's request could follow on the same connection: whatever nginx
    made of it, the product was not asked for what was inside."""
    host = f"{ADDRESS}:{site.port}".encode()
    start = b"POST /healthz HTTP/1.1\r\nHost: " + host + b"\r\n"
    with to_nginx(site) as link:
        asked(link, start + AMBIGUOUS[how] + INSIDE.replace(b"{host}", host))
    # nginx may see two requests of one client, and says so; the product sees no more than nginx.
    log = site.instance.home / "log" / "web.log"
    inside = log.read_text().count("GET /smuggled")
    waiting.until(lambda: inside <= site.seen("/smuggled"), "nginx has seen what was inside")


def test_s10_what_ends_in_two_places_is_refused_also_without_a_proxy(site: Site) -> None:
    port = site.instance.port
    start = f"POST /healthz HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n".encode()
    for how, rest in AMBIGUOUS.items():
        with socket.create_connection(("127.0.0.1", port), 10) as link:
            answers = asked(link, start + rest + INSIDE.replace(b"{host}", b"evil.example"))
        # Where it is understood in one way alone, a form without its token is refused.
        assert {line.split()[1] for line in answers} <= {b"400", b"403"}, how


# ---- what never comes, and what never ends


@pytest.fixture
def slow(site: Site) -> Iterator[Callable[[bytes], ssl.SSLSocket]]:
    with contextlib.ExitStack() as open_ones:

        def begin(start: bytes) -> ssl.SSLSocket:
            link = open_ones.enter_context(to_nginx(site))
            link.sendall(start)
            return link

        yield begin


def test_many_who_never_finish_keep_nobody_else_waiting(
    site: Site, slow: Callable[[bytes], ssl.SSLSocket]
) -> None:
    host = f"Host: {ADDRESS}:{site.port}\r\n".encode()
    for n in range(100):
        slow(b"POST /login HTTP/1.1\r\n" + host + b"Content-Length: 1000000\r\n\r\nusername=")
        slow(b"GET /login HTTP/1.1\r\n" + host + b"X-%d: " % n)
    assert site.get("/login", within=20) == 200
    assert site.get("/readyz", within=20) == 200


@pytest.mark.parametrize(("path", "size"), [("/login", 17), ("/api/v1/releases", 40)])
def test_a_large_body_of_a_stranger_is_turned_away(site: Site, path: str, size: int) -> None:
    """By nginx, or by the product where large ones are welcome."""
    headers = {"Content-Length": str(size << 20), "Connection": "close"}
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    head = f"POST {path} HTTP/1.1\r\nHost: {ADDRESS}:{site.port}\r\n{lines}\r\n"
    with to_nginx(site) as link:
        link.settimeout(30)
        first, sent = b"", 0
        link.sendall(head.encode())
        with contextlib.suppress(OSError):
            while sent < size << 20:
                sent += link.send(b"x" * 65536)
        with contextlib.suppress(OSError):
            first = link.recv(65536).split(b"\r\n")[0]
    # nginx gives up where the product hangs up on it.
    assert not first or first.split()[1] in (b"413", b"502"), first
    waiting.until(lambda: site.get("/readyz", within=5) == 200, "the site is well")
