from typing import Literal

import pytest
from django.utils import translation
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from deploy_tasks import yamlfile
from deploy_tasks.errors import InvalidInput
from deploy_tasks.findings import findings, said
from deploy_tasks.yamlfile import Document


class Leg(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)
    length: int = Field(1, ge=1, le=9)
    shape: Literal["round", "square"] = "round"


class Table(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)
    name: str = Field(alias="table")
    version: str = "1"
    legs: list[Leg] = []
    labels: dict[str, str] = {}
    polished: bool = False


def found(text: str) -> list[InvalidInput]:
    document = yamlfile.load(text, file="f.yml")
    with pytest.raises(ValidationError) as refused:
        Table.model_validate(document.data)
    return findings(refused.value, document, model=Table)


LEGS = "table: a\nlegs:\n"


@pytest.mark.parametrize(
    ("text", "finding"),
    [
        ("version: '1'\n", "f.yml:1: table: is required"),
        ("table: [a]\n", "f.yml:1: table: must be text"),
        ("table:\n", "f.yml:1: table: has no value; write one, or leave the key out"),
        (
            f"{LEGS}- length: 1\n- length: '2'\n",
            "f.yml:4: legs[1].length: must be a whole number, without quotes",
        ),
        (f"{LEGS}- length: 10\n", "f.yml:3: legs[0].length: must be at most 9"),
        (f"{LEGS}- shape: flat\n", "f.yml:3: legs[0].shape: must be 'round' or 'square'"),
        ("table: a\nlegs: x\n", "f.yml:2: legs: must be a list"),
        (f"{LEGS}- x\n", "f.yml:3: legs[0]: must be a mapping of keys to values"),
        ("table: a\npolished: 'yes'\n", "f.yml:2: polished: must be true or false"),
    ],
)
def test_a_finding_is_a_sentence_with_its_place(text: str, finding: str) -> None:
    assert [str(one) for one in found(text)] == [finding]


@pytest.mark.parametrize(
    ("text", "field", "written"),
    [
        ("table: a\nversion: 1.10\n", "version", "1.10"),
        ("table: a\nversion: yes\n", "version", "yes"),
        ("table: a\nlabels: {shard: 7}\n", "labels.shard", "7"),
    ],
)
def test_a_number_for_text_is_to_be_quoted_as_it_was_written(
    text: str, field: str, written: str
) -> None:
    (only,) = found(text)
    assert (only.line, only.field) == (2, field)
    assert f'write it in quotes: "{written}"' in only.message


def test_an_unknown_key_is_told_what_it_may_have_meant() -> None:
    (slip,) = found(f"{LEGS}- lenght:\n    1\n")
    assert str(slip) == "f.yml:3: legs[0].lenght: unknown key; did you mean “length”?"


def test_an_unknown_key_is_told_those_that_are_known() -> None:
    (other,) = found("table: a\nname: b\n")
    assert other.message == "unknown key; known are: table, version, legs, labels, polished"


def test_all_findings_are_told() -> None:
    text = "table: 1\nlegs: [{length: 0}]\ncolour: red\n"
    assert sorted(one.line or 0 for one in found(text)) == [1, 2, 3]


def test_a_part_of_a_document_is_named_from_its_top() -> None:
    with pytest.raises(ValidationError) as refused:
        Leg.model_validate({"length": 0})
    (one,) = findings(refused.value, Document({}), model=Leg, at=("tables", 2))
    assert str(one) == "tables[2].length: must be at least 1"


def test_what_pydantic_says_is_said_in_the_readers_language() -> None:
    class Wish(BaseModel):
        n: int = Field(ge=1)

    with pytest.raises(ValidationError) as caught:
        Wish.model_validate({"n": 0})
    (detail,) = caught.value.errors()
    assert said(detail) == "must be at least 1"
    with translation.override("zh-hans"):
        assert said(detail) == "不得小于 1"
    assert said({"type": "value_error", "msg": "Value error, too odd"}) == "too odd"
    assert said({"type": "of tomorrow", "msg": "not yet"}) == "not yet"
