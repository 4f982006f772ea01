"""How a secret may be written in output: as it is, and as the usual programs encode and quote."""

import base64
import html
import json
import re
import shlex
from collections.abc import Iterator
from urllib.parse import quote, quote_plus

#: Shorter secrets would mask half of every log (bytes).
SHORTEST = 6


def spellings(secret: str) -> Iterator[bytes]:
    """The secret as it is, line by line, and in the usual encodings; some come twice."""
    for text in {secret, *secret.splitlines()}:
        text = text.strip()
        raw = text.encode()
        if len(raw) < SHORTEST:
            continue
        yield raw
        yield from (form.encode() for form in _quoted(text))
        yield from _hex(raw)
        yield from _base64(raw)


def _quoted(text: str) -> Iterator[str]:
    """As URLs, JSON, HTML and shells write it, and what they print of themselves (``set -x``)."""
    urls = [quote(text, safe=""), quote(text), quote_plus(text), quote(quote(text, safe=""))]
    for url in (*urls, "".join(f"%{byte:02X}" for byte in text.encode())):
        yield url
        yield re.sub(r"%[0-9A-F]{2}", lambda code: code[0].lower(), url)
    for string in _json(text):
        yield string
        yield json.dumps(string)[1:-1]  # JSON within JSON
    yield html.escape(text)
    yield html.escape(text).replace("&quot;", "&#34;").replace("&#x27;", "&#39;")
    yield shlex.quote(text).strip("'")
    yield text.replace("'", r"'\''")
    yield text.replace("'", "''")
    yield text.replace("\\", r"\\").replace("'", r"\'")
    yield re.sub(r'(["$`\\])', r"\\\1", text)
    yield re.sub(r'(["$`\\!])', r"\\\1", text)
    yield re.sub(r"([^\w@%+=:,./-])", r"\\\1", text)
    yield text.replace("$", "$$")


def _json(text: str) -> Iterator[str]:
    for plain in (True, False):
        string = json.dumps(text, ensure_ascii=plain)[1:-1]
        yield string
        yield string.replace("/", r"\/")
        # As those write it whose JSON may stand within HTML.
        yield re.sub(r"[<>&'+]", lambda char: f"\\u{ord(char[0]):04x}", string)
        yield re.sub(r"[<>&'+]", lambda char: f"\\u{ord(char[0]):04X}", string)


def _hex(raw: bytes) -> Iterator[bytes]:
    """As ``xxd -p``, ``od -An -tx1``, ``xxd`` and debuggers write it."""
    for text in (raw.hex(), raw.hex(" "), raw.hex(":"), raw.hex(" ", -2)):
        yield text.encode()
        yield text.upper().encode()
    yield "".join(rf"\x{byte:02x}" for byte in raw).encode()


def _base64(raw: bytes) -> Iterator[bytes]:
    """The part of its base64 that does not depend on what stands before and after it."""
    for shift in range(3):
        encoded = base64.b64encode(bytes(shift) + raw)
        begin = (shift * 8 + 5) // 6
        end = ((shift + len(raw)) * 8) // 6
        yield encoded[begin:end]
        yield encoded[begin:end].translate(bytes.maketrans(b"+/", b"-_"))
