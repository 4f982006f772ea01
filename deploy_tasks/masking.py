"""Takes secrets out of output before it is stored. A safety net, not a wall.

Works on a stream in pieces: what may be the beginning of a secret is held back, and the only
state is the offset up to which bytes were given out, so a crash cannot break it.
"""

import base64
import json
import re
import shlex
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from urllib.parse import quote, quote_plus

MASK = b"[MASKED]"
#: Shorter ones would mask half of every log.
SHORTEST = 6


@dataclass(frozen=True)
class Piece:
    """``output`` stands for ``raw_length`` bytes of what came."""

    output: bytes
    raw_length: int


class Mask:
    def __init__(self, secrets: Iterable[str]) -> None:
        needles = {needle for secret in secrets for needle in _needles(secret)}
        longest_first = sorted(needles, key=len, reverse=True)
        self._needles = longest_first
        self._pattern = re.compile(b"|".join(re.escape(n) for n in longest_first), re.DOTALL)

    def pieces(self, data: bytes, *, last: bool) -> Iterator[Piece]:
        """What can be given out of ``data``; the rest, if any, comes again with what follows.

        With ``last`` nothing follows and nothing is held back.
        """
        if not self._needles:
            yield Piece(data, len(data))
            return
        at, end = 0, len(data) if last else self._safe_end(data)
        for match in self._pattern.finditer(data):
            if match.start() >= end:
                break
            if match.start() > at:
                yield Piece(data[at : match.start()], match.start() - at)
            yield Piece(MASK, match.end() - match.start())
            at = match.end()
        if at < end:
            yield Piece(data[at:end], end - at)

    def _safe_end(self, data: bytes) -> int:
        """Up to here nothing can turn out to be part of a secret."""
        held = 0
        for needle in self._needles:
            for length in range(min(len(needle) - 1, len(data)), held, -1):
                if data.endswith(needle[:length]):
                    held = length
                    break
        end = len(data) - held
        # A match that has begun before the end belongs together.
        for match in self._pattern.finditer(data):
            if match.start() < end < match.end():
                end = match.start()
        return end


def _needles(secret: str) -> Iterator[bytes]:
    """The secret as it is, line by line, and in the usual encodings."""
    for text in {secret, *secret.splitlines()}:
        raw = text.strip().encode()
        if len(raw) < SHORTEST:
            continue
        yield raw
        yield from (form.encode() for form in _quoted(text))
        yield raw.hex().encode()
        yield raw.hex().upper().encode()
        yield from _base64(raw)


def _quoted(text: str) -> Iterator[str]:
    """As URLs, JSON and shells write it, and what they print of themselves (``set -x``)."""
    for url in (quote(text, safe=""), quote(text), quote_plus(text)):
        yield url
        yield re.sub(r"%[0-9A-F]{2}", lambda code: code[0].lower(), url)
    for plain in (True, False):
        string = json.dumps(text, ensure_ascii=plain)[1:-1]
        yield string
        yield string.replace("/", r"\/")
    yield shlex.quote(text).strip("'")
    yield text.replace("'", r"'\''")
    yield text.replace("\\", r"\\").replace("'", r"\'")
    yield re.sub(r'(["$`\\])', r"\\\1", text)
    yield re.sub(r"([^\w@%+=:,./-])", r"\\\1", text)
    yield text.replace("$", "$$")


def _base64(raw: bytes) -> Iterator[bytes]:
    """The part of its base64 that does not depend on what stands before and after it."""
    for shift in range(3):
        encoded = base64.b64encode(bytes(shift) + raw)
        begin = (shift * 8 + 5) // 6
        end = ((shift + len(raw)) * 8) // 6
        yield encoded[begin:end]
        yield encoded[begin:end].translate(bytes.maketrans(b"+/", b"-_"))
