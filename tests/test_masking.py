"""Secrets are masked whatever the pieces they come in."""

import base64
import itertools
import json
import shlex
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deploy_tasks.masking import Mask

SECRET = "pa$$'w rd/1"


def through(mask: Mask, chunks: list[bytes]) -> tuple[bytes, int]:
    """The stream as it is stored, and how many raw bytes that stands for."""
    held, output, raw = b"", b"", 0
    for number, chunk in enumerate(chunks, 1):
        held += chunk
        for piece in mask.pieces(held, last=number == len(chunks)):
            output += piece.output
            raw += piece.raw_length
            held = held[piece.raw_length :]
    return output, raw


@pytest.mark.parametrize(
    "form",
    [
        SECRET,
        quote(SECRET, safe=""),
        shlex.quote(SECRET),
        SECRET.replace("$", "$$"),
        quote(SECRET).lower(),
        json.dumps(SECRET),
        json.dumps(SECRET).replace("/", r"\/"),
        r"pa\$\$\'w\ rd/1",
        r"pa\$\$'w rd/1",
        r"$'pa$$\'w rd/1'",
        SECRET.encode().hex(),
        SECRET.encode().hex().upper(),
        base64.urlsafe_b64encode(b"\xff\xfe" + SECRET.encode()).decode(),
        base64.b64encode(SECRET.encode()).decode(),
        base64.b64encode(f"x{SECRET}".encode()).decode(),
        base64.b64encode(f"xy{SECRET}z".encode()).decode(),
    ],
)
def test_usual_forms_are_masked(form: str) -> None:
    output, _ = through(Mask([SECRET]), [f"before {form} after".encode()])
    assert b"[MASKED]" in output
    assert output.startswith(b"before ")
    assert SECRET[:6].encode() not in output


def test_each_line_of_a_secret_is_masked() -> None:
    output, _ = through(Mask(["line one\nline two"]), [b"says line two."])
    assert output == b"says [MASKED]."


def test_without_secrets_everything_passes_at_once() -> None:
    assert [piece.output for piece in Mask([]).pieces(b"abc", last=False)] == [b"abc"]


@given(st.lists(st.sampled_from([b"abcdefgh", b"abcdef", b"abc", b"x", b"\0\xff"])), st.data())
def test_cutting_the_stream_changes_nothing(parts: list[bytes], data: st.DataObject) -> None:
    mask = Mask(["abcdefgh", "fghabc"])
    whole = b"".join(parts)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(whole)))))
    edges = [0, *cuts, len(whole)]
    chunks = [whole[a:b] for a, b in itertools.pairwise(edges)]
    output, raw = through(mask, chunks)
    assert raw == len(whole)
    assert b"abcdefgh" not in output
    assert output == through(mask, [whole])[0]
