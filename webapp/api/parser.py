"""JSON as it is meant: what two readers may understand differently is refused."""

import json
from collections.abc import Iterator
from typing import Any

from django.http import HttpRequest
from ninja.parser import Parser


class StrictParser(Parser):
    """Refuses a key that comes twice, NaN, and text that a database cannot hold."""

    def parse_body(self, request: HttpRequest) -> Any:
        data = json.loads(request.body, object_pairs_hook=_once, parse_constant=_no_number)
        for text in _texts(data):
            # JSON can write both, PostgreSQL can store neither.
            if "\x00" in text or any("\ud800" <= char <= "\udfff" for char in text):
                raise ValueError("NUL or half a character")
        return data


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a key comes twice")
    return found


def _no_number(constant: str) -> None:
    raise ValueError(f"{constant} is no number")


def _texts(data: Any) -> Iterator[str]:
    if isinstance(data, str):
        yield data
    elif isinstance(data, list):
        for item in data:
            yield from _texts(item)
    elif isinstance(data, dict):
        for key, item in data.items():
            yield key
            yield from _texts(item)
