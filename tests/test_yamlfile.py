from pathlib import Path

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from deploy_tasks import yamlfile
from deploy_tasks.errors import InvalidInput, InvalidInputs
from deploy_tasks.yamlfile import Document, field_of


@pytest.fixture(autouse=True, params=["CSafeLoader", "SafeLoader"])
def _parser(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """PyYAML comes with libyaml or without."""
    loader = getattr(yaml, request.param, None)
    if loader is None:
        pytest.skip("PyYAML was built without libyaml")
    monkeypatch.setattr(yamlfile, "_Loader", loader)


def load(text: str) -> Document:
    return yamlfile.load(text, file="f.yml")


def findings(text: str) -> list[InvalidInput]:
    with pytest.raises(InvalidInputs) as refused:
        load(text)
    return refused.value.findings


def finding(text: str) -> InvalidInput:
    (only,) = findings(text)
    return only


def test_plain_data_is_read() -> None:
    text = "a: 1\nb: [x, 2.5, true, off, ~, '1']\nc: {d: }\n"
    assert load(text).data == {"a": 1, "b": ["x", 2.5, True, False, None, "1"], "c": {"d": None}}


def test_every_key_and_value_keeps_its_line() -> None:
    document = load("hosts:\n- name: a\n  address:\n    10.0.0.1\n")
    mark = document.marks["hosts", 0, "address"]
    assert (mark.key_line, mark.line, mark.text) == (3, 4, "10.0.0.1")


def test_a_finding_names_file_line_and_field() -> None:
    document = load("hosts:\n- name: a\n- name: b\n")
    assert str(document.invalid(("hosts", 1, "name"), "no")) == "f.yml:3: hosts[1].name: no"


def test_a_finding_on_what_is_not_there_stands_at_what_is_around_it() -> None:
    document = load("hosts:\n- name: a\n- name: b\n")
    assert document.invalid(("hosts", 1, "vars", "port"), "no").line == 3


def test_data_without_a_file_has_findings_without_a_line() -> None:
    finding = Document({"hosts": []}).invalid(("hosts", 3, "address"), "no")
    assert (finding.file, finding.line, finding.field) == (None, None, "hosts[3].address")


def test_the_whole_document_has_no_field() -> None:
    assert field_of(()) is None


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("a: 1\n\tb: 2\n", 2),
        ("hosts:\n\t- name: x\n", 2),
        ("hosts:\n  - name: x\n\taddress: y\n", 3),
        ("a: {b: 1,\n\tc: 2}\n", 2),
        ("a: |\n  x\n\tb: 1\n", 3),
    ],
)
def test_a_tab_as_indentation_is_refused(text: str, line: int) -> None:
    assert "indented with a tab" in finding(text).message
    assert finding(text).line == line


def test_a_tab_inside_a_script_belongs_to_the_script() -> None:
    assert load("run: |\n  cat <<-END\n  \tx\n  END\n").data == {"run": "cat <<-END\n\tx\nEND\n"}


@pytest.mark.parametrize("text", ["012", "0x10", "1_000", "12:30", "2026-01-01", ".inf", "9" * 20])
def test_what_yaml_would_quietly_change_must_be_quoted(text: str) -> None:
    assert f'write it in quotes: "{text}"' in finding(f"a: {text}\n").message
    assert load(f"a: '{text}'\n").data == {"a": text}


@pytest.mark.parametrize("key", ["yes", "1", "1.10", "~", "<<"])
def test_a_key_is_text(key: str) -> None:
    assert f'"{key}"' in finding(f"{key}: x\n").message


def test_a_key_given_twice_is_refused_with_both_lines() -> None:
    twice = finding("a: 1\nb: 2\na: 3\n")
    assert (twice.line, twice.field) == (3, "a")
    assert "on line 1" in twice.message


def test_an_alias_bomb_is_refused_before_it_goes_off() -> None:
    bomb = "a: &a [x]\n" + "".join(
        f"{this}: &{this} [{', '.join([f'*{before}'] * 9)}]\n"
        for before, this in zip("abcdefgh", "bcdefghi", strict=True)
    )
    messages = {finding.message for finding in findings(bomb)}
    assert any("anchors" in message for message in messages)
    assert any("aliases" in message for message in messages)


@pytest.mark.parametrize("tag", ["!!python/object/apply:os.system", "!!str", "!mine", "!"])
def test_a_tag_is_refused(tag: str) -> None:
    assert "tags" in finding(f"a: {tag} x\n").message


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("", 1, "empty"),
        ("---\na: 1\n---\nb: 2\n", 3, "second document"),
        ("a: 1\nb: c: d\n", 2, "needs quotes"),
        ("a:\n - b\n   c\n- d\n", 4, "indentation"),
        ("a: 'x\nb: 1\n", 3, "in what begins on line 1"),
        ("a: 1\nb: x\x00\n", 2, "control character"),
        ("[" * 100_000, 1, "nested too deeply"),
        ("? [a]\n: 1\n", 1, "a key must be text"),
    ],
)
def test_what_is_no_yaml_is_refused_with_its_line(text: str, line: int, words: str) -> None:
    assert words in finding(text).message
    assert finding(text).line == line


@given(text=st.text(alphabet="ab1.0:-?[]{},&*!|>'\"%@`#~<= \n\t\\\x00\x85\u2028é", max_size=60))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_whatever_a_file_says_is_read_or_refused_with_a_line(text: str) -> None:
    found: list[InvalidInput] = []
    try:
        load(text)
    except InvalidInputs as refused:
        found = refused.findings
    assert all(one.line and one.message for one in found)


def test_everything_wrong_is_told_at_once() -> None:
    assert [found.line for found in findings("a: 012\nb: 1\nb: 2\nc: !x y\n")] == [1, 3, 4]


def test_a_text_over_the_limit_is_refused() -> None:
    with pytest.raises(InvalidInputs, match="larger than 1 KiB"):
        yamlfile.load("a: " + "x" * 1024, file="f.yml", limit=1024)


def test_a_file_over_the_limit_is_not_read(tmp_path: Path) -> None:
    big = tmp_path / "big.yml"
    with big.open("wb") as file:
        file.truncate(10**12)
    with pytest.raises(InvalidInput, match="larger than 32 MiB"):
        yamlfile.read_text(big)


def test_a_file_that_cannot_be_read_says_why(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="there is no file"):
        yamlfile.read_text(tmp_path / "none.yml")
    with pytest.raises(InvalidInput, match=r"cannot read .*Is a directory"):
        yamlfile.read_text(tmp_path)


def test_a_file_in_another_encoding_is_refused_with_its_line(tmp_path: Path) -> None:
    path = tmp_path / "latin.yml"
    path.write_bytes("a: 1\nb: Käse\n".encode("latin-1"))
    with pytest.raises(InvalidInput, match="UTF-8") as refused:
        yamlfile.read_text(path)
    assert refused.value.line == 2


def test_a_byte_order_mark_is_no_part_of_the_text(tmp_path: Path) -> None:
    path = tmp_path / "bom.yml"
    path.write_bytes(b"\xef\xbb\xbfa: 1\n")
    assert yamlfile.read_text(path) == "a: 1\n"
