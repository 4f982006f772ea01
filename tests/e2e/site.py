"""The product behind the real nginx, with the configuration that we ship."""

import contextlib
import http.client
import ipaddress
import json
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

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from tests.e2e.nginx import Nginx
from tests.instances import Instance, environment, free_port
from webapp.env import BASE

#: To programs an address of another machine: no short cut by loopback's name.
ADDRESS = "127.0.0.2"
#: Seconds of silence after which this nginx gives up.
READ_TIMEOUT = 5
NOT_OURS = "location /inside/ {{ proxy_pass http://127.0.0.1:{}; }}"


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

    def sent(
        self, method: str, path: str, body: bytes = b"", **headers: str
    ) -> tuple[int, Message]:
        """Status and headers; no redirect is followed."""
        host, _, port = self.address.removeprefix("https://").partition(":")
        connection = http.client.HTTPSConnection(host, int(port), timeout=30, context=self.trust)
        with contextlib.closing(connection):
            connection.request(method, path, body, headers)
            answer = connection.getresponse()
            return answer.status, answer.headers

    def ends(self, path: str) -> list[str]:
        """How the requests below a path have ended, as nginx logged it."""
        lines = (self.at / "access.log").read_text().splitlines()
        return [line.split()[0] for line in lines if line.split()[1].startswith(path)]

    def forget(self) -> None:
        """What nginx has logged so far."""
        (self.at / "access.log").write_text("")

    def seen(self, path: str) -> int:
        """How many requests for it nginx has seen."""
        lines = (self.at / "access.log").read_text().splitlines()
        return sum(line.split()[1] == path for line in lines)

    def paths(self) -> set[str]:
        return {line.split()[1] for line in (self.at / "access.log").read_text().splitlines()}


@contextlib.contextmanager
def standing(at: Path) -> Iterator[Site]:
    """Started, and ended with the block. ``token``: of an administrator."""
    site = Site(at)
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
