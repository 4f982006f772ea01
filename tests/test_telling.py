from typing import Any

import pytest

from webapp.cli.tables import plan_lines, table
from webapp.cli.telling import Teller

AT = "2026-01-31T23:59:59.123Z"


def told(*items: dict[str, Any]) -> list[str]:
    """Lines without the time of day, which is the reader's own."""
    teller = Teller()
    lines = [line for item in items for line in teller.lines({"s": 1, "at": AT} | item)]
    return [line.split("  ", 1)[-1] for line in [*lines, *teller.rest()]]


@pytest.mark.parametrize(
    ("item", "line"),
    [
        (
            {"k": "step", "h": "eu-1", "step": "unpack", "n": 1, "to": "succeeded", "seconds": 2.1},
            "eu-1  unpack succeeded in 2.1 s",
        ),
        (
            {"k": "step", "h": "eu-1", "step": "unpack", "n": 2, "to": "running", "kind": "do"},
            "eu-1  unpack (attempt 2) running",
        ),
        (
            {"k": "step", "h": "eu-1", "step": "stop", "n": 1, "to": "failed", "kind": "undo"},
            "eu-1  undo of stop failed",
        ),
        (
            {"k": "host", "h": "eu-1", "to": "failed", "error": "no route", "reason": "no route"},
            "eu-1  failed: no route",
        ),
        ({"k": "job", "to": "halted", "reason": "a canary host failed"}, None),
        ({"k": "batch", "n": 2, "to": "running"}, "job  batch 2 running"),
        ({"k": "link", "h": "eu-1", "to": "unreachable"}, "eu-1  link unreachable"),
        ({"k": "order", "who": "mira", "what": "start", "note": "new"}, "job  start (mira): new"),
        ({"k": "note", "text": "hello"}, "job  hello"),
    ],
)
def test_each_change_is_a_line(item: dict[str, Any], line: str | None) -> None:
    assert told(item) == [line or "job  halted: a canary host failed"]


@pytest.mark.parametrize("item", [{"k": "host", "h": "eu-1", "version": "1.0"}, {"k": "new kind"}])
def test_what_is_no_change_of_state_or_not_known_is_passed_over(item: dict[str, Any]) -> None:
    assert told(item) == []


def output(host: str, text: str) -> dict[str, Any]:
    return {"k": "output", "h": host, "step": "unpack", "n": 1, "o": 0, "d": text}


def test_output_stands_behind_its_host_in_whole_lines() -> None:
    assert told(output("eu-1", "a\r\nb"), output("eu-2", "x\n"), output("eu-1", "c\n")) == [
        "eu-1 | a",
        "eu-2 | x",
        "eu-1 | bc",
    ]


def test_a_line_without_an_end_comes_before_the_news_that_follows_it() -> None:
    step = {"k": "step", "h": "eu-1", "step": "unpack", "n": 1, "to": "succeeded"}
    assert told(output("eu-1", "ready"), step) == ["eu-1 | ready", "eu-1  unpack succeeded"]
    assert told(output("eu-1", "ready")) == ["eu-1 | ready"]


def test_output_moves_no_terminal() -> None:
    lines = told(output("eu-1", "\x1b]0;gotcha\x07 \x9b2J \u202e ä\tb\n"))
    assert lines == ["eu-1 | \\x1b]0;gotcha\\x07 \\x9b2J \\u202e ä\tb"]


def test_a_table_is_as_wide_as_its_cells() -> None:
    assert table(["HOST", "B"], [["eu-1", "x"], ["a", ""]]) == ["HOST  B", "eu-1  x", "a"]


def test_a_plan_is_told_in_a_screen() -> None:
    plan = {
        "game": "squid",
        "version": "2.0",
        "recipe": "steps r1",
        "batches": [{"n": 1, "size": 14, "hosts": [f"h{n}" for n in range(14)]}],
        "steps": [{"name": "stage", "disruptive": False}, {"name": "stop", "disruptive": True}],
        "skipped": [{"host": "h20", "reason": "already at it"}],
        "excluded": [],
        "refusals": [{"reason": "no worker"}],
        "drifted": [],
        "down": [{"host": "h3", "reason": "is down, and others wait for its place"}],
    }
    assert list(plan_lines(plan)) == [
        "squid 2.0 by recipe steps r1",
        "Batch 1, 14: " + ", ".join(f"h{n}" for n in range(12)) + " and 2 more",
        "Steps: stage, stop (players feel it)",
        "Skipped: h20: already at it",
        "Refused: no worker",
        "Down: h3: is down, and others wait for its place",
    ]
