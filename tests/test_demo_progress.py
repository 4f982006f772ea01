"""A demo's job in the terminal, and in a log file."""

import io

import pytest

from demo import progress
from demo.progress import CLEAR, Progress
from webapp.cli.story import Item

AT = "2026-11-21T10:00:00.000Z"


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def host(name: str, to: str, **more: str) -> Item:
    return {"s": 1, "k": "host", "h": name, "to": to, "at": AT, **more}


def step(name: str, step: str) -> Item:
    return {"s": 1, "k": "step", "h": name, "step": step, "n": 1, "to": "running", "at": AT}


def test_the_summary_counts_hosts_and_names_the_steps_they_are_at() -> None:
    told = Progress(4, "1.1", io.StringIO())
    for item in (
        *(host("a", "running"), host("b", "running"), host("c", "running"), host("d", "queued")),
        *(step("a", "stop"), step("b", "health"), step("c", "health")),
    ):
        told.take(item)
    assert told.summary().endswith("0 of 4 at 1.1, 4 at work (health 2, stop 1)")
    told.take(host("a", "succeeded"))
    told.take(host("b", "failed"))
    assert (
        told.summary() == "[######..................] 1 of 4 at 1.1, 2 at work (health 1), 1 failed"
    )


def test_of_the_hosts_only_those_that_failed_get_a_line_and_it_says_why() -> None:
    out = io.StringIO()
    told = Progress(2, "1.1", out)
    told.take(host("a", "running"))
    told.take(host("b", "succeeded"))
    told.take(host("a", "failed", error="disk full"))
    assert "a  failed: disk full" in out.getvalue()
    assert "b  succeeded" not in out.getvalue()


def test_a_retry_goes_on_with_the_same_counts() -> None:
    told = Progress(2, "1.1", io.StringIO())
    for item in (host("a", "succeeded"), host("b", "failed"), host("b", "queued")):
        told.take(item)
    assert told.summary().endswith("1 of 2 at 1.1, 1 at work")


def test_in_a_terminal_the_summary_is_drawn_over_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "REDRAW", 0.0)
    monkeypatch.setenv("COLUMNS", "40")
    out = Terminal()
    told = Progress(2, "1.1", out)
    told.take(host("a", "running"))
    told.take(host("a", "succeeded"))
    told.rest()
    *drawn, rest = out.getvalue().split("\n")[0].split(CLEAR)[1:], out.getvalue()[-1]
    assert [len(line) for line in drawn[0]] == [39, 39]
    assert rest == "\n"


def test_a_log_file_gets_whole_lines_and_no_control_characters() -> None:
    out = io.StringIO()
    told = Progress(2, "1.1", out)
    told.take(host("a", "running"))
    told.take(host("a", "succeeded"))
    told.rest()
    assert [line.rpartition("] ")[2] for line in out.getvalue().splitlines()] == [
        "0 of 2 at 1.1, 1 at work",
        "1 of 2 at 1.1",
    ]
