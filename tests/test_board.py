"""The table that `bin/patchwave watch` draws."""

import os
import pty
import select
from typing import Any

import pytest

from webapp.cli import board, screen
from webapp.cli.board import Board, cut, told
from webapp.cli.story import Link

AT = "2026-01-31T12:00:00.000Z"


def row(name: str, state: str = "waiting", **more: Any) -> dict[str, Any]:
    plain = {"step": None, "attempt": None, "error": "", "reason": "", "link": None}
    return {"name": name, "state": state, "started_at": None, **plain, **more}


def drawn(rows: list[dict[str, Any]], *items: dict[str, Any], **size: int) -> list[list[str]]:
    """The words of each line below the head."""
    made = Board({"as_of_seq": 0, "hosts": rows})
    for seq, item in enumerate(items, 1):
        made.take({"s": seq, "at": AT} | item)
    lines = made.lines("head", **({"width": 80, "height": 24} | size))
    assert lines[0] == "head"
    return [line.split() for line in lines[1:]]


def test_every_host_has_a_row_with_its_state_and_step() -> None:
    counts, head, *rows = drawn([row("eu-1"), row("eu-2", "failed", step="health", error="down")])
    assert counts == ["1", "failed,", "1", "waiting"]
    assert head == ["HOST", "STATE", "STEP", "TIME", "WHY"]
    assert rows == [["eu-2", "failed", "health", "down"], ["eu-1", "waiting"]]


def test_items_move_the_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    noon = 1769860800.0
    monkeypatch.setattr(board.time, "time", lambda: noon + 75)
    moves = [
        {"k": "host", "h": "eu-1", "to": "running"},
        {"k": "step", "h": "eu-1", "step": "unpack", "n": 2, "to": "running"},
    ]
    assert drawn([row("eu-1")], *moves)[2:] == [["eu-1", "running", "unpack", "(2)", "1:15"]]
    away = {"k": "link", "h": "eu-1", "to": "unreachable", "reason": "no route"}
    assert drawn([row("eu-1")], *moves, away)[2][1] == "unreachable"
    ended = {"k": "host", "h": "eu-1", "to": "failed", "error": "no room"}
    assert drawn([row("eu-1")], *moves, away, ended)[2:] == [
        ["eu-1", "failed", "unpack", "(2)", "no", "room"]
    ]


def test_what_the_list_told_already_moves_nothing() -> None:
    made = Board({"as_of_seq": 5, "hosts": [row("eu-1", "succeeded")]})
    made.take({"s": 5, "k": "host", "h": "eu-1", "to": "running", "at": AT})
    assert "succeeded" in made.lines("", width=80, height=24)[-1]


def test_what_does_not_fit_is_counted_and_trouble_comes_first() -> None:
    rows = [row(f"eu-{n}") for n in range(30)] + [row("eu-30", "failed"), row("eu-31", "running")]
    lines = drawn(rows, height=10)
    assert len(lines) < 10
    assert [line[0] for line in lines[2:4]] == ["eu-30", "eu-31"]
    assert lines[-1] == ["and", "27", "more"]


def test_no_line_is_wider_than_the_terminal() -> None:
    made = Board({"as_of_seq": 0, "hosts": [row("eu-1", "failed", error="停服维护 " * 20)]})
    lines = made.lines("x" * 100, width=40, height=24)
    assert max(map(len, lines)) == 40
    assert cut("停服", 3) == "停"


def test_a_host_cannot_write_on_the_terminal() -> None:
    made = Board({"as_of_seq": 0, "hosts": [row("eu-1", "failed", error="\x1b[2J")]})
    assert "\x1b" not in "".join(made.lines("", width=80, height=24))


@pytest.mark.parametrize(
    ("link", "gaps", "words"),
    [
        (Link.LIVE, 0, "live"),
        (Link.LIVE, 1, "live, 1 gap"),
        (Link.RECONNECTING, 0, "reconnecting, nothing lost, resuming at #48112"),
    ],
)
def test_the_link_is_told_apart_from_the_job(link: Link, gaps: int, words: str) -> None:
    assert told(link, seq=48112, gaps=gaps) == words


def test_the_table_is_drawn_anew_in_place_and_lines_pass_above_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # However long this machine takes, all of it is one moment.
    monkeypatch.setattr(screen.time, "monotonic", lambda: 0.0)
    ours, theirs = pty.openpty()
    with os.fdopen(theirs, "w") as stream:
        table = screen.Screen(stream, lambda width, height: ["one", "two"])
        table.paint()
        table.pass_by("news")
        table.paint()  # only a moment later
        table.paint(now=True)
        written, expected = "", "one\ntwo\n\x1b[2F\x1b[Jnews\none\ntwo\n"
        # A terminal hands over what it has by then.
        while len(written) < len(expected) and select.select([ours], [], [], 10)[0]:
            written += os.read(ours, 1000).decode().replace("\r", "")
    os.close(ours)
    assert written == expected
