"""The colours: words can be read and marks told apart, in both themes."""

import re
from pathlib import Path

import pytest

from webapp.env import BASE

CSS = (Path(BASE) / "webapp/static/css/tokens.css").read_text()
BOTH = r"--([\w-]+): light-dark\((#[0-9a-f]{6}), (#[0-9a-f]{6})\)"
PAIRS = {name: (light, dark) for name, light, dark in re.findall(BOTH, CSS)}
PAIRS["running-on"] = ("#ffffff", "#ffffff")
WORDS = [
    name
    for name in PAIRS
    if name.endswith("-ink") or name.startswith(("ansi", "text")) or name == "accent"
]
MARKED = ("draining", "failed", "unknown", "unreachable", "succeeded")
CASES = [
    *((word, ground, 4.5) for word in WORDS for ground in ("bg", "surface", "sunken")),
    *((word, "failed-tint", 4.5) for word in WORDS if word.startswith(("failed", "text"))),
    *((word, "accent-tint", 4.5) for word in ("accent", "text", "text-2", "text-3")),
    *((f"{state}-on", f"{state}-fill", 4.5) for state in MARKED),
    ("on-accent", "accent-fill", 4.5),
    ("mark-on", "mark", 4.5),
    ("line-strong", "surface", 3.0),
    ("line-strong", "sunken", 3.0),
    ("running-fill", "surface", 3.0),
    ("failed-fill", "surface", 3.0),
    ("waiting-edge", "surface", 3.0),
    ("skipped-on", "surface", 3.0),
    ("succeeded-fill", "surface", 3.0),
]


@pytest.mark.parametrize("theme", [0, 1], ids=["light", "dark"])
def test_what_stands_on_a_colour_can_be_told_from_it(theme: int) -> None:
    found = {
        f"{front} on {ground}": contrast(PAIRS[front][theme], PAIRS[ground][theme])
        for front, ground, least in CASES
        if contrast(PAIRS[front][theme], PAIRS[ground][theme]) < least
    }
    assert found == {}


def contrast(one: str, other: str) -> float:
    """The ratio of WCAG 2: 1 to 21."""
    darker, lighter = sorted((luminance(one), luminance(other)))
    return (lighter + 0.05) / (darker + 0.05)


def luminance(colour: str) -> float:
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [p / 12.92 if p <= 0.03928 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
