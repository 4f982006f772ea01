"""What a host printed, as text that no terminal, page or column breaks at."""

import logging

import pytest

from deploy_tasks.masking import Mask
from deploy_tasks.visible import visible, words
from webapp.logs import Spelled


@pytest.mark.parametrize(
    ("raw", "shown"),
    [
        (b"plain\tline\n", "plain\tline\n"),
        (b"\x1b]8;;javascript:alert(1)\x07x", r"\x1b]8;;javascript:alert(1)\x07x"),
        (b"\x1b[31mred\x1b[0m", r"\x1b[31mred\x1b[0m"),
        ("\u202eevil \u2066\ufeff".encode(), r"\u202eevil \u2066\ufeff"),
        ("\x9b31m\x7f".encode(), r"\x9b31m\x7f"),
        (b"50%\r100%\r\n", "50%\\x0d100%\r\n"),
        ("größer 👩‍🚀".encode(), "größer 👩‍🚀"),
        (b"\xff\x00", "\ufffd\\x00"),
    ],
)
def test_the_safe_rendering_shows_what_a_terminal_would_obey(raw: bytes, shown: str) -> None:
    assert "".join(visible([raw])) == shown


def test_the_safe_rendering_joins_characters_that_two_pieces_share() -> None:
    assert "".join(visible([b"gr\xc3", b"\xb6\xc3"])) == "grö\ufffd"


def test_a_hosts_own_words_are_masked_and_take_one_column() -> None:
    said = words(b" \x1b[1mhunter\x1b[0m22 is \xff\x00 wrong\r\n", Mask(["hunter22"]))
    assert said == r"\x1b[1m[MASKED] is �\x00 wrong".replace(r"\ufffd", "\ufffd")


def test_nobody_writes_lines_or_colours_into_our_log() -> None:
    forged = "gone\n2026-01-01 INFO root: all is well \x1b]0;owned\x07\u202e"
    record = logging.LogRecord("a", logging.INFO, "", 1, "host says %s", (forged,), None)
    line = Spelled("{levelname} {message}", style="{").format(record)
    assert line == (
        r"INFO host says gone\n2026-01-01 INFO root: all is well \x1b]0;owned\x07\u202e"
    )


def test_a_traceback_in_our_log_keeps_its_lines_and_no_colours() -> None:
    try:
        raise ValueError("from a host: \x1b[2J")
    except ValueError as error:
        found = (ValueError, error, error.__traceback__)
    record = logging.LogRecord("a", logging.ERROR, "", 1, "broke", (), found)
    text = Spelled("{message}", style="{").format(record)
    assert text.startswith("broke\nTraceback")
    assert text.endswith(r"from a host: \x1b[2J")
