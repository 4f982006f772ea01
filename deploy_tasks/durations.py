"""Durations as people write them: 500ms, 10s, 2m, 1h, 1.5h."""

import re
from typing import Annotated

from django.utils.translation import gettext as _
from pydantic import BeforeValidator, WithJsonSchema

PATTERN = r"[0-9]+(\.[0-9]+)?(ms|s|m|h)"
UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}

#: Nothing we wait for takes longer; a slip such as 100h for 100s is found at once.
LONGEST = 72 * 3600.0


def seconds(given: object) -> float:
    """The seconds of a text such as ``1.5h``. Raises ValueError that says how to write it."""
    if isinstance(given, (int, float)) and not isinstance(given, bool):
        raise ValueError(
            _("needs a unit: %(number)ss for seconds, or ms, m, h") % {"number": given}
        )
    found = re.fullmatch(PATTERN, given) if isinstance(given, str) else None
    if found is None:
        raise ValueError(_("is no duration; write one as 500ms, 10s, 2m or 1.5h"))
    number, unit = found[0].removesuffix(found[2]), found[2]
    length = round(float(number) * UNITS[unit], 6)
    if length > LONGEST:
        raise ValueError(_("is longer than 72h"))
    return length


def seconds_or_number(given: object) -> float:
    """As ``seconds``, but a plain number is seconds already: so a program may send one."""
    if isinstance(given, int) and not isinstance(given, bool):
        return seconds(f"{given}s")  # as large as it may be: no float holds every one
    if isinstance(given, float):
        return seconds(f"{given:f}s")
    return seconds(given)


def positive(given: object) -> float:
    length = seconds(given)
    if not length:
        raise ValueError(_("must be longer than nothing"))
    return length


_TEXT = WithJsonSchema({"type": "string", "pattern": f"^{PATTERN}$", "examples": ["10s", "2m"]})
_TEXT_OR_NUMBER = WithJsonSchema(
    {"anyOf": [{"type": "string", "pattern": f"^{PATTERN}$"}, {"type": "number", "minimum": 0}]}
)

#: Fields of pydantic models; the value is seconds.
Duration = Annotated[float, BeforeValidator(seconds), _TEXT]
PositiveDuration = Annotated[float, BeforeValidator(positive), _TEXT]
DurationOrSeconds = Annotated[float, BeforeValidator(seconds_or_number), _TEXT_OR_NUMBER]
