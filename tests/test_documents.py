"""What the documents point at is there."""

import re
from pathlib import Path

import pytest

from webapp.env import BASE

DOCUMENTS = [*BASE.glob("*.md"), *(BASE / "docs").rglob("*.md")]


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_every_link_leads_somewhere(document: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", document.read_text()):
        assert "://" in target or (document.parent / target).exists(), target


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_every_command_that_is_named_is_there(document: Path) -> None:
    for command in set(re.findall(r"(?<!/usr/)\bbin/([a-z-]+)\b", document.read_text())):
        assert (BASE / "bin" / command).exists() or command in ("sh", "bash", "env"), command


def test_every_fault_of_the_catalogue_has_its_test() -> None:
    catalogue = (BASE / "tests" / "faults" / "README.md").read_text()
    named = re.findall(r"`([\w/]+\.py)::(\w+)`", catalogue)
    assert len(named) > 30
    for file, name in named:
        assert f"def {name}(" in (BASE / "tests" / file).read_text(), f"{file} has no {name}"
