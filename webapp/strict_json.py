"""JSON as it is meant: what two readers may understand differently, or no database can hold, is
refused."""

import json
from collections.abc import Iterator
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.forms.fields import InvalidJSONInput


def loads(text: str | bytes) -> Any:
    """Raises ValueError: for a key that comes twice, NaN, NUL or half a character, and for what is
    nested or long beyond reason."""
    try:
        data = json.loads(text, object_pairs_hook=_once, parse_constant=_no_number)
        for one in _texts(data):
            # JSON can write both, PostgreSQL can store neither.
            if "\x00" in one or any("\ud800" <= char <= "\udfff" for char in one):
                raise ValueError("NUL or half a character")
    except RecursionError:
        raise ValueError("nested too deep") from None
    return data


class Field(forms.JSONField):
    """Of a form; what it cannot read it gives back as it was typed."""

    def to_python(self, value: Any) -> Any:
        if isinstance(value, str) and not _is_read(value):
            raise ValidationError(self.error_messages["invalid"], code="invalid")
        return super().to_python(value)

    def bound_data(self, data: Any, initial: Any) -> Any:
        if isinstance(data, str) and not _is_read(data):
            return InvalidJSONInput(data)
        return super().bound_data(data, initial)


def _is_read(text: str) -> bool:
    try:
        loads(text or "null")
    except ValueError:
        return False
    return True


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
