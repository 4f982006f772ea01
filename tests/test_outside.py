"""The program that goes out for a night call: what it can reach, and what it can not."""

import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from webapp.calls import outside

LOOPBACK = ["127.0.0.0/8"]


@dataclass
class Receiver:
    """Takes what is posted; answers ``status``, after ``hold`` is set where that is given."""

    status: int = 200
    location: str = ""
    hold: threading.Event | None = None
    taken: list[tuple[str, dict[str, str], str]] = field(default_factory=list)
    url: str = ""

    def take(self, request: BaseHTTPRequestHandler) -> None:
        body = request.rfile.read(int(request.headers.get("Content-Length", 0))).decode()
        self.taken.append((request.path, dict(request.headers), body))
        if self.hold:
            self.hold.wait(30)
        request.send_response(self.status)
        if self.location:
            request.send_header("Location", self.location)
        request.send_header("Content-Length", "0")
        request.end_headers()


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    found = Receiver()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            found.take(self)

        def do_GET(self) -> None:
            found.take(self)

        def log_message(self, format: str, *args: Any) -> None: ...

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        found.url = f"http://127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield found
        if found.hold:
            found.hold.set()
        server.shutdown()
        thread.join()


def go(url: str, *, kind: str = "webhook", allowed: list[str] | None = None) -> str:
    """What the program says went wrong."""
    given = {
        "kind": kind,
        "url": url,
        "allowed": LOOPBACK if allowed is None else allowed,
        "body": "{}",
        "headers": {"X-Test": "yes"},
        "title": "Patchwave",
        "text": "job #1 halted",
    }
    done = subprocess.run(
        [sys.executable, "-I", outside.__file__],
        input=json.dumps(given),
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    return str(json.loads(done.stdout)["said"])


def test_a_webhook_is_posted_as_it_was_given(receiver: Receiver) -> None:
    assert go(f"{receiver.url}/hook?key=1") == ""
    ((path, headers, body),) = receiver.taken
    assert (path, headers["X-Test"], body) == ("/hook?key=1", "yes", "{}")


def test_a_service_of_apprise_is_told(receiver: Receiver) -> None:
    assert go(receiver.url.replace("http", "json"), kind="service") == ""
    assert json.loads(receiver.taken[0][2])["message"] == "job #1 halted"


@pytest.mark.parametrize("status", [404, 500])
def test_what_the_receiver_answers_is_told(receiver: Receiver, status: int) -> None:
    receiver.status = status
    assert go(receiver.url) == f"the receiver answered {status}"


@pytest.mark.parametrize("kind", ["webhook", "service"])
def test_a_redirect_is_not_followed(receiver: Receiver, kind: str) -> None:
    receiver.status, receiver.location = 302, f"{receiver.url}/elsewhere"
    scheme = "http" if kind == "webhook" else "json"
    assert go(f"{receiver.url.replace('http', scheme)}/first", kind=kind)
    assert [path for path, _headers, _body in receiver.taken] == ["/first"]


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        ("webhook", "127.0.0.1"),
        ("webhook", "localhost"),
        ("webhook", "[::ffff:127.0.0.1]"),
        ("service", "localhost"),
    ],
)
def test_an_address_that_only_the_server_reaches_is_refused(
    receiver: Receiver, kind: str, name: str
) -> None:
    url = receiver.url.replace("127.0.0.1", name)
    scheme = "http" if kind == "webhook" else "json"
    assert "is not a public address" in go(url.replace("http", scheme), kind=kind, allowed=[])
    assert not receiver.taken


def test_a_name_that_is_allowed_may_be_reached(receiver: Receiver) -> None:
    assert go(receiver.url, allowed=["localhost"]) == ""


def test_a_service_that_reads_a_file_of_the_worker_is_refused(tmp_path: Path) -> None:
    secret = tmp_path / "key.json"
    secret.write_text("{}")
    assert go(f"fcm://project/device/?keyfile={secret}", kind="service")


def test_a_service_that_nobody_knows_is_said() -> None:
    assert "does not know this service" in go("nonsense://x", kind="service")


def test_nobody_listening_is_said_in_words(receiver: Receiver) -> None:
    assert go("http://127.0.0.1:1/") == "Connection refused"


@pytest.mark.parametrize(
    ("address", "may"),
    [
        ("1.1.1.1", True),
        ("2606:4700::1111", True),
        ("127.0.0.1", False),
        ("10.1.2.3", False),
        ("169.254.169.254", False),
        ("100.64.0.1", False),
        ("0.0.0.0", False),
        ("224.0.0.1", False),
        ("::1", False),
        ("fe80::1%eth0", False),
        ("fd00::1", False),
        ("::ffff:10.0.0.1", False),
        ("64:ff9b::a00:1", False),
        ("2002:7f00:1::", False),
        ("10.2.0.1", True),
        ("::ffff:10.2.0.1", True),
    ],
)
def test_public_addresses_and_those_allowed_may_be_reached(address: str, may: bool) -> None:
    assert outside.may_reach(address, outside.networks(["10.2.0.0/16"])) == may
