"""Behind the real nginx, with the configuration that we ship: where this product comes from.

nginx gives up on a silent answer after 60 s; here after 5, so that a job of 20 s is a long one.
"""

import contextlib
import http.client
import ipaddress
import json
import re
import ssl
import subprocess
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email.message import Message
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from playwright.sync_api import Page, expect, sync_playwright

from demo import openssh, toy_game
from demo.fleet import Fleet
from tests.e2e.nginx import NGINX, Nginx
from tests.e2e.test_page import ARGUMENTS, CHROMIUM
from tests.instances import Instance, environment, free_port
from webapp.env import BASE

#: To programs an address of another machine: no short cut by loopback's name.
ADDRESS = "127.0.0.2"
#: Seconds of silence after which this nginx gives up.
READ_TIMEOUT = 5
GAVE_UP = {"499", "502", "504"}
LINES = 60
RECIPE = f"""
recipe: long
vars: {{root: {{type: path, required: true}}}}
steps:
  - name: talk
    run: |
      line=0
      until [ $line -ge {LINES} ]; do
        line=$((line + 1))
        echo "line $line of $host"
        [ $line -ne {LINES // 2} ] || sleep {READ_TIMEOUT + 3}
        sleep 0.2
      done
"""
NOT_OURS = "location /inside/ {{ proxy_pass http://127.0.0.1:{}; }}"
pytestmark = [
    pytest.mark.e2e,
    pytest.mark.skipif(not NGINX, reason="nginx is not installed (Debian package nginx-light)"),
    pytest.mark.skipif(not CHROMIUM, reason="chromium is not installed"),
    pytest.mark.skipif(not openssh.usable(), reason="sshd is not installed"),
]


class Inside(BaseHTTPRequestHandler):
    """Not of this product: works for 10 s inside the request, as its forerunner did."""

    done = threading.Event()

    def do_GET(self) -> None:
        self.done.wait(10)
        with contextlib.suppress(OSError):
            self.send_response(200)
            self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


class Site:
    """The product behind nginx, and beside it what works inside its requests."""

    def __init__(self, at: Path) -> None:
        self.at, self.port = at, free_port()
        self.address = f"https://{ADDRESS}:{self.port}"
        self.instance = Instance(at / "home", PATCHWAVE_URL=self.address)
        self.certificate = _certify(at)
        self.trust = ssl.create_default_context(cafile=self.certificate)

    def configuration(self, inside: int) -> str:
        """The shipped configuration, with what is "yours" in it, and less patience."""
        text = (BASE / "deploy" / "nginx.conf").read_text()
        assert "timeout" not in text
        for shipped, ours in {
            "127.0.0.1:8000;": f"127.0.0.1:{self.instance.port};",
            "/var/lib/nginx/patchwave": f"{self.at}/cache",
            "    listen 80;\n    listen [::]:80;\n": f"    listen {ADDRESS}:{free_port()};\n",
            "    listen [::]:443 ssl http2;\n": f"    proxy_read_timeout {READ_TIMEOUT}s;\n",
            "listen 443 ssl http2": f"listen {ADDRESS}:{self.port} ssl http2",
            "/etc/ssl/patchwave/fullchain.pem": str(self.certificate),
            "/etc/ssl/patchwave/privkey.pem": str(self.at / "key.pem"),
            "    location / {": f"    {NOT_OURS.format(inside)}\n    location / {{",
        }.items():
            assert text.count(shipped) == 1, shipped
            text = text.replace(shipped, ours)
        return text

    def cli(self, *words: str) -> "subprocess.Popen[str]":
        """As on another machine: by the public address, with a token."""
        return subprocess.Popen(
            [BASE / "bin" / "patchwave", *words],
            env=environment(
                self.at / "elsewhere",
                PATCHWAVE_URL=self.address,
                PATCHWAVE_TOKEN=self.token,
                SSL_CERT_FILE=str(self.certificate),
                NO_PROXY=ADDRESS,
            ),
            stdout=subprocess.PIPE,
            text=True,
        )

    def local(self, *words: str) -> str:
        return subprocess.run(
            [BASE / "bin" / "patchwave", *words],
            env=environment(self.instance.home),
            capture_output=True,
            text=True,
            timeout=60,
            check=True,
        ).stdout

    def get(self, path: str, *, within: float) -> int | None:
        """The status; None where we gave up first."""
        handler = urllib.request.HTTPSHandler(context=self.trust)
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), handler)
        try:
            with opener.open(f"{self.address}{path}", timeout=within) as answer:
                return int(answer.status)
        except urllib.error.HTTPError as error:
            return error.code
        except TimeoutError:
            return None

    def ends(self, path: str) -> list[str]:
        """How the requests below a path have ended, as nginx logged it."""
        lines = (self.at / "access.log").read_text().splitlines()
        return [line.split()[0] for line in lines if line.split()[1].startswith(path)]

    def paths(self) -> set[str]:
        return {line.split()[1] for line in (self.at / "access.log").read_text().splitlines()}


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    site = Site(tmp_path_factory.mktemp("nginx"))
    inside = ThreadingHTTPServer(("127.0.0.1", 0), Inside)
    threading.Thread(target=inside.serve_forever, daemon=True).start()
    configuration = site.configuration(inside.server_port)
    with Nginx(site.at, configuration, address=ADDRESS, port=site.port):
        try:
            site.instance.start()
            site.token = json.loads(site.local("token", "robot", "--json"))["token"]
            yield site
        finally:
            site.instance.stop()
            Inside.done.set()
            inside.shutdown()
            inside.server_close()


def test_a_long_job_streams_to_its_end_and_no_request_is_given_up(
    site: Site, tmp_path: Path
) -> None:
    with Fleet(tmp_path / "fleet", 2) as fleet:
        (recipe := tmp_path / "long.yml").write_text(RECIPE)
        inventory = fleet.write_inventory(
            tmp_path / "inventory.yml",
            game="long",
            recipe=str(recipe),
            releases=[("1.0", toy_game.build_release(tmp_path, "1.0"))],
            vars={"root": "$home"},
        )
        site.local("import", str(inventory))
        with site.cli("start", "long", "1.0", "--all", "--json") as started:
            job = json.loads(started.communicate(timeout=60)[0])["id"]
        with (
            site.cli("watch", str(job), "--output", "--json") as watching,
            _page(site, job) as page,
        ):
            beside = threading.Thread(target=site.get, args=("/inside/",), kwargs={"within": 20})
            beside.start()
            assert site.get("/inside/", within=1) is None
            out, _err = watching.communicate(timeout=60)
            assert watching.returncode == 0
            expect(page.locator("#log .lines li", has_text=f"line {LINES} of")).to_be_visible()
            expect(page.locator("#link")).to_contain_text("all told")
            beside.join()

    _expect_whole(out, [host.name for host in fleet.hosts])
    sockets = site.ends(f"/ws/jobs/{job}/")
    # Both were cut in the silence, and came back.
    assert set(sockets) == {"101"}
    assert len(sockets) >= 4
    # This nginx does give up on what it is made to wait for …
    assert sorted(site.ends("/inside/")) == ["499", "504"]
    # … and on nothing of ours.
    ours = {path: site.ends(path) for path in site.paths() if path != "/inside/"}
    assert {path for path, ends in ours.items() if GAVE_UP & set(ends)} == set()
    assert f"/api/v1/jobs/{job}" in ours


def test_a_stranger_gets_past_no_lock_by_what_it_says_of_itself(site: Site) -> None:
    """S18, S10: nginx says who really came, whatever a client claims."""
    answers = [
        _sent(
            site,
            "POST",
            "/login",
            b"username=root&password=no",
            **{"X-Forwarded-For": f"9.9.9.{n}"},
        )
        for n in range(30)
    ]
    # Without the page's token not even a guess is looked at.
    assert {status for status, _headers in answers} == {403}
    tries = [_guess(site, f"user-{n}", f"203.0.113.{n}") for n in range(25)]
    assert tries[-1] == 429


def test_what_is_answered_is_for_this_site_and_for_tls_alone(site: Site) -> None:
    status, headers = _sent(site, "GET", "/login")
    assert status == 200
    assert "max-age=31536000" in headers["Strict-Transport-Security"]
    assert "unsafe" not in headers["Content-Security-Policy"]
    assert all("Secure" in cookie for cookie in headers.get_all("Set-Cookie", []))
    assert "Server" not in headers or "daphne" not in headers["Server"].lower()
    for name, value in (("X-Forwarded-Host", "evil.example"), ("X-Forwarded-Proto", "http")):
        assert _sent(site, "GET", "/", **{name: value})[1]["Location"] == "/login?next=/"
    assert _sent(site, "GET", "/login", Host="evil.example")[0] in (400, 404, 421)


@pytest.mark.parametrize(
    "origin", ["https://evil.example", "http://{here}", "https://{host}:1", "null"]
)
def test_s03_a_socket_of_another_site_is_refused_through_nginx(site: Site, origin: str) -> None:
    here = site.address.removeprefix("https://")
    headers = {
        "Connection": "Upgrade",
        "Upgrade": "websocket",
        "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": "AAAAAAAAAAAAAAAAAAAAAA==",
        "Origin": origin.format(here=here, host=here.split(":")[0]),
        "Cookie": f"patchwave-session-{site.port}=made-up",
    }
    assert _sent(site, "GET", "/ws/jobs/1/", **headers)[0] == 403


def test_static_files_come_from_nginx_after_the_first_time(site: Site) -> None:
    css = re.search(r'href="(/static/[^"]+\.css)"', _text(site, "/"))
    assert css
    assert [site.get(css[1], within=5) for _ in range(2)] == [200, 200]
    assert any((site.at / "cache").iterdir())


def _sent(
    site: Site, method: str, path: str, body: bytes = b"", **headers: str
) -> tuple[int, Message]:
    """Status and headers; no redirect is followed."""
    host, _, port = site.address.removeprefix("https://").partition(":")
    connection = http.client.HTTPSConnection(host, int(port), timeout=30, context=site.trust)
    with contextlib.closing(connection):
        connection.request(method, path, body, headers)
        answer = connection.getresponse()
        return answer.status, answer.headers


def _guess(site: Site, name: str, claimed: str) -> int:
    """As a page would send it, with the token of its form."""
    _status, headers = _sent(site, "GET", "/login")
    (cookie,) = re.findall(r"(patchwave-csrf-\d+)=(\w+)", str(headers))
    body = f"username={name}&password=wrong&csrfmiddlewaretoken={cookie[1]}".encode()
    more = {
        "Content-Type": "application/x-www-form-urlencoded",
        "Cookie": "=".join(cookie),
        "Referer": f"{site.address}/login",
        "X-Forwarded-For": claimed,
    }
    return _sent(site, "POST", "/login", body, **more)[0]


def _expect_whole(out: str, hosts: list[str]) -> None:
    """Every line of every host, once and in order, and no hole in the story."""
    items: list[dict[str, Any]] = [json.loads(line) for line in out.splitlines()]
    assert [item["s"] for item in items] == list(range(1, len(items) + 1))
    assert items[-1] | {"at": ""} == {"s": len(items), "k": "job", "to": "succeeded", "at": ""}
    for name in hosts:
        text = "".join(item["d"] for item in items if item["k"] == "output" and item["h"] == name)
        assert text.splitlines() == [f"line {n} of {name}" for n in range(1, LINES + 1)]


@contextlib.contextmanager
def _page(site: Site, job: int) -> Iterator[Page]:
    """The job's page, with the output of its first host."""
    found = re.search(r"Log in as (\S+) with the password (\S+)", site.instance.said)
    assert found is not None
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        page = browser.new_context(ignore_https_errors=True).new_page()
        page.set_default_timeout(30_000)
        page.goto(f"{site.address}/jobs/{job}/")
        page.get_by_label("User").fill(found[1])
        page.get_by_label("Password").fill(found[2])
        page.get_by_role("button", name="Log in").click()
        page.locator("#table tr[data-host]").first.get_by_role("button").click()
        yield page
        browser.close()


def _text(site: Site, path: str) -> str:
    handler = urllib.request.HTTPSHandler(context=site.trust)
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), handler)
    with opener.open(f"{site.address}{path}", timeout=10) as answer:
        return str(answer.read().decode())


def _certify(at: Path) -> Path:
    """A certificate of this address that vouches for itself; its key beside it."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "patchwave test")])
    address = x509.IPAddress(ipaddress.ip_address(ADDRESS))
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([address]), critical=False)
        .sign(key, SHA256())
    )
    form = (Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    (at / "key.pem").write_bytes(key.private_bytes(*form))
    path = at / "certificate.pem"
    path.write_bytes(certificate.public_bytes(Encoding.PEM))
    return path
