"""``watch``: a job's story as it is told, to its end; on a terminal with a live table of hosts."""

import argparse
import json
import sys
from collections.abc import Iterable, Iterator
from contextlib import suppress

from webapp.cli import screen
from webapp.cli.board import Board, told
from webapp.cli.client import Client
from webapp.cli.plain import plain
from webapp.cli.screen import Screen
from webapp.cli.statuses import Refused, Status
from webapp.cli.story import Item, Output, Story
from webapp.cli.telling import Teller
from webapp.words import _

#: Above the table: what is of the job as a whole, and the hosts that ask for a person.
CHAPTERS = {"job", "batch", "order", "note"}
TROUBLE = {"failed", "unknown"}


def follow(
    client: Client, job_id: int, given: argparse.Namespace, *, after: int | None = None
) -> int:
    output: Output = given.output_of or ("all" if given.output or given.json else "none")
    drawn = screen.is_one(sys.stdout) and not given.json
    board = None
    if drawn or given.output_of:
        board = Board(client.get(f"/jobs/{job_id}/hosts").json())
        _refuse_strangers(given.output_of or [], board)
    if after is None:
        # The table tells how it came to this; output is told from its beginning.
        after = board.seq if board and drawn and output == "none" else 0
    story = Story(client, job_id, after=after, output=output)
    try:
        if given.json:
            _as_json(story)
        elif board and drawn:
            _as_table(story, board)
        else:
            _as_lines(story)
    except KeyboardInterrupt:
        print(_("Not followed any more; job #%s goes on.") % story.job["id"], file=sys.stderr)
        return Status.INTERRUPTED
    return Status.WELL if story.job["state"] == "succeeded" else Status.NOT_WELL


def _as_json(story: Story) -> None:
    for item in story.items():
        print(json.dumps(item, ensure_ascii=False), flush=True)


def _as_lines(story: Story) -> None:
    teller = Teller()
    for items in story.turns():
        _print(line for item in items for line in teller.lines(item))
    _print([*teller.rest(), plain(story.job["verdict"])])


def _as_table(story: Story, board: Board) -> None:
    teller = Teller()

    def draw(width: int, height: int) -> list[str]:
        of = _("job #%(id)s, %(game)s %(version)s: %(link)s") % {
            **story.job,
            "link": told(story.link, seq=story.seq, gaps=story.gaps),
        }
        return board.lines(of, width=width, height=height)

    table = Screen(sys.stdout, draw)
    table.paint()
    try:
        for items in story.turns():
            for item in items:
                board.take(item)
                table.pass_by(*_worth_a_line(item, teller))
            table.paint()
    finally:
        table.pass_by(*teller.rest())
        with suppress(OSError):
            table.paint(now=True)
    _print([plain(story.job["verdict"])])


def _worth_a_line(item: Item, teller: Teller) -> Iterator[str]:
    """What the table does not show, or not for long."""
    if item["k"] == "output" or item["k"] in CHAPTERS or item.get("to") in TROUBLE:
        yield from teller.lines(item)


def _refuse_strangers(hosts: Iterable[str], board: Board) -> None:
    for name in hosts:
        if name not in board.names:
            raise Refused(_("There is no host “%s” in this job.") % name)


def _print(lines: Iterable[str]) -> None:
    for line in lines:
        print(line)
    sys.stdout.flush()
