"""Takes secrets out of output before it is stored. A safety net, not a wall.

Works on a stream in pieces: what may be the beginning of a secret is held back, and the only
state is the offset up to which bytes were given out, so a crash cannot break it.

Looked through is what a reader sees: ends of lines and terminal codes are left out first, so a
secret is found also where something folds it (base64 does) or colours a part of it. And once more
with the codes: what looks like the end of one may be the beginning of a secret.
"""

import re
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from itertools import accumulate

from deploy_tasks.spellings import SHORTEST, spellings

MASK = b"[MASKED]"
#: No more than this is held back beyond four times the longest spelling (bytes): a secret with
#: pages of nothing in it is not seen as one.
HELD = 4096

#: What separates the parts of a secret and is no part of it: ends of lines, codes of terminals.
_CODE = rb"\x1b(?:\[[0-?]{0,32}[ -/]{0,4}[@-~]|[()*+][0-9A-Za-z])"
_LINE_ENDS = rb"[\r\n]+"
_CODES, _LINES = re.compile(_CODE), re.compile(_LINE_ENDS)
_FOLDS = re.compile(_LINE_ENDS + rb"|" + _CODE)
#: Where such a code may go on in what comes next.
_CUT_CODE = re.compile(rb"\x1b(?:\[[0-?]{0,32}[ -/]{0,4}|[()*+])?\Z")
#: So many bytes of a spelling are looked for by one search; none is shorter.
_HEAD = 4


@dataclass(frozen=True)
class Piece:
    """``output`` stands for ``raw_length`` bytes of what came."""

    output: bytes
    raw_length: int


class Mask:
    def __init__(self, secrets: Iterable[str]) -> None:
        self._known = _known(frozenset(secrets))

    def pieces(self, data: bytes, *, last: bool) -> Iterator[Piece]:
        """What can be given out of ``data``; the rest, if any, comes again with what follows.

        With ``last`` nothing follows and nothing is held back.
        """
        known = self._known
        if known is None:
            yield Piece(data, len(data))
            return
        at, end = 0, len(data)
        if not last and (cut := _CUT_CODE.search(data, max(0, end - 40))):
            end = cut.start()
        text = data[:end]
        codes = [code.span() for code in _CODES.finditer(text)]
        views = [_Unfolded(text, without=_LINES)]
        if codes:
            views.append(_Unfolded(text, without=_FOLDS))
        matches = _joined(
            (view.begin(a), view.end(b)) for view in views for a, b in known.matches(view.plain)
        )
        if not last:
            end = min(known.safe_end(view, end) for view in views)
            # What has begun before the end belongs together; a code would be none without its head.
            while cut_apart := [a for a, b in (*matches, *codes) if a < end < b]:
                end = min(cut_apart)
        for start, stop in matches:
            if start >= end:
                break
            if start > at:
                yield Piece(data[at:start], start - at)
            yield Piece(MASK, stop - start)
            at = stop
        if at < end:
            yield Piece(data[at:end], end - at)


class _Unfolded:
    """Bytes as a reader sees them, and where each of them stood."""

    def __init__(self, data: bytes, *, without: re.Pattern[bytes]) -> None:
        self._data, self._without = data, without
        self.plain = without.sub(b"", data)
        self._spans: tuple[list[int], list[int]] | None = None

    def begin(self, index: int) -> int:
        """Where the byte with this index stood."""
        if len(self.plain) == len(self._data):
            return index
        if self._spans is None:
            self._spans = self._folds()
        places, left_out = self._spans
        return index + left_out[bisect_right(places, index)]

    def end(self, index: int) -> int:
        """Where the byte before this index ended."""
        return self.begin(index - 1) + 1

    def _folds(self) -> tuple[list[int], list[int]]:
        """Before which of the bytes something was left out, and how much in all."""
        spans = [fold.span() for fold in self._without.finditer(self._data)]
        left_out = [0, *accumulate(stop - start for start, stop in spans)]
        starts = (start for start, _ in spans)
        return [start - gone for start, gone in zip(starts, left_out, strict=False)], left_out


def _joined(spans: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    """In their order; those that overlap as one."""
    joined: list[tuple[int, int]] = []
    for start, stop in sorted(spans):
        if joined and start < joined[-1][1]:
            start, last = joined.pop()
            stop = max(stop, last)
        joined.append((start, stop))
    return joined


class _Known:
    """All spellings of all secrets. The first bytes of each are looked for by one search."""

    def __init__(self, needles: Iterable[bytes]) -> None:
        longest_first = sorted(needles, key=len, reverse=True)
        self._longest = len(longest_first[0])
        #: Of less than a head.
        self._starts = {needle[:n] for needle in longest_first for n in range(1, _HEAD)}
        self._by_head: dict[bytes, list[bytes]] = defaultdict(list)
        for needle in longest_first:
            self._by_head[needle[:_HEAD]].append(needle)
        self._head = re.compile(_any_of(self._by_head), re.DOTALL)

    def matches(self, plain: bytes) -> Iterator[tuple[int, int]]:
        """Those that overlap no earlier one; of several at one place the longest."""
        at = 0
        while head := self._head.search(plain, at):
            start = head.start()
            fits = (one for one in self._by_head[head[0]] if plain.startswith(one, start))
            if needle := next(fits, None):
                at = start + len(needle)
                yield start, at
            else:
                at = start + 1

    def safe_end(self, text: _Unfolded, end: int) -> int:
        """Up to here nothing can turn out to be part of a secret."""
        begun = self._begun(text.plain)
        if not begun:
            return end
        start = text.begin(len(text.plain) - begun)
        return start if end - start <= HELD + 4 * self._longest else end

    def _begun(self, plain: bytes) -> int:
        """How many bytes of the end may be the beginning of a secret."""
        at = max(0, len(plain) - self._longest + 1)
        while head := self._head.search(plain, at):
            rest = plain[head.start() :]
            if any(one.startswith(rest) and one != rest for one in self._by_head[head[0]]):
                return len(rest)
            at = head.start() + 1
        return next((n for n in range(_HEAD - 1, 0, -1) if plain[-n:] in self._starts), 0)


@lru_cache(maxsize=64)
def _known(secrets: frozenset[str]) -> _Known | None:
    """Many host runs have the same."""
    found = {_FOLDS.sub(b"", one) for secret in secrets for one in spellings(secret)}
    needles = [one for one in found if len(one) >= SHORTEST]
    return _Known(needles) if needles else None


def _any_of(words: Iterable[bytes]) -> bytes:
    """A pattern that tries few letters at each place, however many words there are."""
    rest: dict[int, list[bytes]] = defaultdict(list)
    for word in words:
        if word:
            rest[word[0]].append(word[1:])
    branches = [re.escape(bytes([letter])) + _any_of(words) for letter, words in rest.items()]
    return b"(?:" + b"|".join(branches) + b")" if branches else b""
