"""Sentences that were stored, told again in the reader's language.

What a worker writes into a row is read by everybody, so it is written in English. The catalogue
has the pattern of each such sentence: its text, with places for what differs. A stored text that
fits a pattern is told by the translation of that pattern; any other is told as it is.
"""

import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from django.conf import settings
from django.utils.translation import get_language, to_locale

PLACE = re.compile(r"%\((?P<name>\w+)\)[sdg]|%(?P<kind>[sdg])|%%")
#: A pattern with places needs so many letters of its own; with fewer it would fit nearly any text.
LETTERS = 4


@dataclass(frozen=True)
class Pattern:
    """``regex`` has one group for each name; nameless places are called 0, 1, …"""

    regex: str
    names: tuple[str, ...]
    told: str
    letters: int

    def tell(self, text: str) -> str | None:
        found = re.fullmatch(self.regex, text, re.DOTALL)
        if found is None:
            return None
        values = dict(zip(self.names, map(retold, found.groups()), strict=True))
        return fill(self.told, values)


def retold(text: str) -> str:
    """In the language that is active now."""
    language = get_language() or settings.LANGUAGE_CODE
    return _retold(text, language) if text else ""


def patterns(language: str) -> list[Pattern]:
    """Those with the most letters of their own come first: they say most about a text."""
    return _patterns(to_locale(language))


def fill(told: str, values: dict[str, str]) -> str:
    numbers = iter(range(len(values)))

    def value(place: re.Match[str]) -> str:
        if place[0] == "%%":
            return "%"
        return values[place["name"] or str(next(numbers))]

    return PLACE.sub(value, told)


@lru_cache(maxsize=4096)
def _retold(text: str, language: str) -> str:
    for pattern in patterns(language):
        if (told := pattern.tell(text)) is not None:
            return told
    head, colon, rest = text.partition(": ")
    return f"{head}{colon}{_retold(rest, language)}" if rest else text


@lru_cache
def _patterns(locale: str) -> list[Pattern]:
    found = [
        _pattern(text, told)
        for folder in settings.LOCALE_PATHS
        for texts, told in _messages(Path(folder) / locale / "LC_MESSAGES" / "django.mo")
        for text in texts
    ]
    enough = [one for one in found if one.letters >= LETTERS or not one.names]
    return sorted(enough, key=lambda pattern: -pattern.letters)


def _pattern(text: str, told: str) -> Pattern:
    regex, letters, end = "", 0, 0
    names: list[str] = []
    for place in PLACE.finditer(text):
        own = text[end : place.start()]
        letters += len(re.findall(r"\w", own))
        regex += re.escape(own)
        end = place.end()
        if place[0] == "%%":
            regex += "%"
            continue
        # What stands in quotes has none: “a” and “b” are two places, not one.
        regex += "([^”]+?)" if text.startswith("”", end) else "(.+?)"
        names.append(place["name"] or str(len(names)))
    own = text[end:]
    letters += len(re.findall(r"\w", own))
    return Pattern(regex + re.escape(own), tuple(names), told, letters)


def _messages(path: Path) -> Iterator[tuple[list[str], str]]:
    """The messages of a compiled catalogue: one and many of the original, and the translation.

    The gettext module forgets the plural of the original, so the file is read here as it is.
    """
    if not path.exists():
        return
    data = path.read_bytes()
    _magic, _version, count, originals, translations = struct.unpack("<5I", data[:20])
    for n in range(count):
        original, translation = (
            data[start : start + length].decode()
            for length, start in (
                struct.unpack("<2I", data[table + 8 * n : table + 8 * n + 8])
                for table in (originals, translations)
            )
        )
        if original:
            context_free = original.rpartition("\4")[2]
            # Of the forms of a translation, the one for many.
            yield context_free.split("\0"), translation.split("\0")[-1]
