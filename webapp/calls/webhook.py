"""A webhook's body and its signature, as https://www.standardwebhooks.com has them: a receiver
can check them with a library, or in three lines."""

import base64
import hashlib
import hmac
from collections.abc import Mapping
from datetime import datetime

#: A secret that begins so is base64 of the key, any other is the key.
ENCODED = "whsec_"


def headers(body: str, *, call: int, at: datetime, secret: str) -> Mapping[str, str]:
    """``call`` is the same when a call is repeated, so that it can be told from a new one."""
    stamp = str(int(at.timestamp()))
    return {
        "Content-Type": "application/json; charset=utf-8",
        "User-Agent": "Patchwave",
        "webhook-id": str(call),
        "webhook-timestamp": stamp,
        "webhook-signature": f"v1,{signature(body, call=call, stamp=stamp, secret=secret)}",
    }


def signature(body: str, *, call: int, stamp: str, secret: str) -> str:
    """Base64 of the HMAC-SHA256 over ``<call>.<stamp>.<body>``."""
    signed = f"{call}.{stamp}.{body}".encode()
    return base64.b64encode(hmac.new(_key(secret), signed, hashlib.sha256).digest()).decode()


def _key(secret: str) -> bytes:
    if secret.startswith(ENCODED):
        try:
            return base64.b64decode(secret.removeprefix(ENCODED), validate=True)
        except ValueError:
            pass  # it only looks so
    return secret.encode()
