"""A small OpenID Connect provider on loopback, with a person at it who says yes."""

import base64
import hashlib
import json
import threading
import time
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self
from urllib.parse import parse_qs, parse_qsl, urlsplit

import jwt
from cryptography.hazmat.primitives.asymmetric import rsa


class Provider:
    """``claims`` go into the next ID token over what belongs there (None takes one away); it is
    signed with ``key``, by ``algorithm``, as ``key_id``."""

    def __init__(self, *, client_id: str, secret: str) -> None:
        self.client_id, self.secret = client_id, secret
        self.published = self.key = usual_key()
        self.algorithm, self.key_id = "RS256", "one"
        self.claims: dict[str, Any] = {}
        self.discovered: dict[str, Any] = {}
        self._asked: dict[str, dict[str, str]] = {}
        provider = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.answer(provider.get(self.path))

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"])).decode()
                self.answer(provider.token(dict(parse_qsl(body))))

            def answer(self, content: dict[str, Any] | None) -> None:
                self.send_response(200 if content else 400)
                self.send_header("Content-Type", "application/json")
                self.end_headers()
                self.wfile.write(json.dumps(content or {"error": "invalid_grant"}).encode())

            def log_message(self, *_: Any) -> None: ...

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.issuer = f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def says_yes(self, url: str) -> str:
        """To what a browser was sent here with; gives where it is sent back to."""
        asked = {name: values[0] for name, values in parse_qs(urlsplit(url).query).items()}
        assert asked["client_id"] == self.client_id
        assert asked["code_challenge_method"] == "S256"
        code = f"code-{len(self._asked)}"
        self._asked[code] = asked
        return f"{asked['redirect_uri']}?code={code}&state={asked['state']}"

    def get(self, path: str) -> dict[str, Any] | None:
        if path == "/keys":
            public = jwt.algorithms.RSAAlgorithm.to_jwk(self.published.public_key(), as_dict=True)
            return {"keys": [{**public, "kid": "one", "use": "sig", "alg": "RS256"}]}
        ways = {"authorization": "authorize", "token": "token", "userinfo": "userinfo"}
        told = {f"{name}_endpoint": f"{self.issuer}/{way}" for name, way in ways.items()}
        return {"issuer": self.issuer, "jwks_uri": f"{self.issuer}/keys", **told, **self.discovered}

    def token(self, given: dict[str, str]) -> dict[str, Any] | None:
        asked = self._asked.pop(given["code"], None)
        verifier = hashlib.sha256(given.get("code_verifier", "").encode()).digest()
        challenge = base64.urlsafe_b64encode(verifier).decode().rstrip("=")
        if asked is None or given["client_secret"] != self.secret:
            return None
        if challenge != asked["code_challenge"]:
            return None
        return {"access_token": "unused", "token_type": "Bearer", "id_token": self._signed(asked)}

    def _signed(self, asked: dict[str, str]) -> str:
        now = int(time.time())
        claims: dict[str, Any] = {
            "iss": self.issuer,
            "aud": self.client_id,
            "sub": "4711",
            "iat": now,
            "exp": now + 300,
            "nonce": asked["nonce"],
            "preferred_username": "petra",
            **self.claims,
        }
        kept = {name: value for name, value in claims.items() if value is not None}
        return jwt.encode(kept, self.key, self.algorithm, headers={"kid": self.key_id})


def new_key() -> Any:
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


@cache
def usual_key() -> Any:
    return new_key()
