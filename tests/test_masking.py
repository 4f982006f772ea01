"""Secrets are masked whatever the pieces they come in."""

import base64
import html
import itertools
import json
import shlex
import shutil
import subprocess
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
        SECRET.encode().hex(" "),
        SECRET.encode().hex(":").upper(),
        SECRET.encode().hex(" ", -2),
        "".join(rf"\x{byte:02x}" for byte in SECRET.encode()),
        "".join(f"%{byte:02x}" for byte in SECRET.encode()),
        quote(quote(SECRET, safe="")),
        html.escape(SECRET),
        html.escape(SECRET).replace("&#x27;", "&#39;"),
        json.dumps(json.dumps(SECRET)),
        json.dumps(SECRET).replace("'", r"\u0027"),
        SECRET.replace("'", "''"),
    ],
)
def test_usual_forms_are_masked(form: str) -> None:
    output, _ = through(Mask([SECRET]), [f"before {form} after".encode()])
    assert b"[MASKED]" in output
    assert output.startswith(b"before ")
    assert SECRET[:6].encode() not in output


LONG = "a secret that is longer than one line of base64, as many tokens are: " + "xyz/+=" * 20


@pytest.mark.parametrize(
    "program",
    [
        "base64",
        "printf x; base64 -w 64",
        "openssl base64",
        "od -An -tx1 -v",
        "xxd -p",
        "xxd -p -u",
        "fold -w 20",
        "sed 's/./&\\r/15'",
        "sed 's/secret/\033[1;31m&\033[0m/; s/line/\033[K&\033(B/'",
    ],
)
def test_what_programs_fold_and_colour_is_masked_too(program: str) -> None:
    command = ["sh", "-c", program]
    if not shutil.which(program.split()[0]):
        pytest.skip(f"{program.split()[0]} is not installed")
    folded = subprocess.run(command, input=LONG.encode(), capture_output=True, check=True).stdout
    for secret in (LONG, f"{LONG[:40]}\n{LONG[40:]}"):
        output, raw = through(Mask([secret]), [b"before ", folded, b" after"])
        assert raw == len(folded) + 13
        assert len(output) < 40, output


def test_a_secret_that_is_folded_anywhere_is_masked_whole() -> None:
    for cut in range(1, len(SECRET)):
        for fold in ("\n", "\r\n", "\x1b[0m", "\x1b[38;5;196m", "\x1b(B\x1b[m"):
            text = f"x{SECRET[:cut]}{fold}{SECRET[cut:]}{fold}y".encode()
            assert through(Mask([SECRET]), [text])[0] == f"x[MASKED]{fold}y".encode()
            by_byte = [bytes([byte]) for byte in text]
            assert through(Mask([SECRET]), by_byte)[0] == f"x[MASKED]{fold}y".encode()


def test_what_is_held_back_has_an_end() -> None:
    mask = Mask([SECRET])
    nothing_in_it = SECRET[:4].encode() + b"\n" * 20_000
    assert sum(piece.raw_length for piece in mask.pieces(nothing_in_it, last=False)) == 20_004


def test_what_looks_like_the_beginning_at_every_byte_takes_no_longer() -> None:
    """A search for each byte, not one for each pair of bytes: else this takes minutes."""
    secret = "a" * 50 + "b"
    data = b"a" * 400_000
    output, raw = through(Mask([secret]), [data, data])
    assert (output, raw) == (data + data, 800_000)


def test_a_secret_of_many_lines_is_masked_by_line_and_whole() -> None:
    pem = "-----BEGIN A KEY-----\n" + "\n".join(f"{n:064d}" for n in range(40))
    output, _ = through(Mask([pem]), [f"{pem}\n".encode(), base64.b64encode(pem.encode())])
    assert output == b"[MASKED]\n[MASKED]" + base64.b64encode(pem.encode())[-2:]


def test_each_line_of_a_secret_is_masked() -> None:
    output, _ = through(Mask(["line one\nline two"]), [b"says line two."])
    assert output == b"says [MASKED]."


@pytest.mark.parametrize("secrets", [[], ["short"], ["a\n\n\n\n\nb"]])
def test_without_secrets_everything_passes_at_once(secrets: list[str]) -> None:
    assert [piece.output for piece in Mask(secrets).pieces(b"sho", last=False)] == [b"sho"]


def test_what_looks_like_the_end_of_a_code_may_begin_a_secret() -> None:
    """No terminal would show it, but whoever reads the bytes."""
    output, _ = through(Mask(["hunter2-hunter2"]), [b"\x1b[hunter2-hunter2\x1b[0m"])
    assert output == b"\x1b[[MASKED]\x1b[0m"


PARTS = [b"abcdefgh", b"abcdef", b"abc", b"x", b"\0\xff", b"\n", b"\x1b[1m", b"\x1b", b"[", b"fgh"]


@given(st.lists(st.sampled_from(PARTS)), st.data())
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
