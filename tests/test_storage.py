"""How static files are stored for browsers to keep."""

import os
import re
import time
from itertools import pairwise
from pathlib import Path

import pytest
from pytest_django import Settings

from webapp import settings as product
from webapp import storage


@pytest.fixture
def root(settings: Settings, tmp_path: Path) -> Path:
    """Where they are collected, from our own alone."""
    settings.STATIC_ROOT = tmp_path / "static"
    settings.STATICFILES_FINDERS = ["django.contrib.staticfiles.finders.FileSystemFinder"]
    return tmp_path / "static"


@pytest.fixture
def source(settings: Settings, root: Path, tmp_path: Path) -> Path:
    """The one file that there is to collect."""
    (tmp_path / "ours").mkdir()
    settings.STATICFILES_DIRS = [tmp_path / "ours"]
    source = tmp_path / "ours" / "page.css"
    write(source, "a {}")
    return source


def write(source: Path, text: str) -> None:
    """Newer than whatever was collected, as Django counts: in whole seconds."""
    source.write_text(text)
    later = time.time() + 60
    os.utime(source, (later, later))


def test_modules_import_each_other_under_names_that_change_with_their_content(
    settings: Settings, root: Path
) -> None:
    settings.STORAGES = product.STORAGES
    storage.collect()
    [page] = (root / "js").glob("run.*.js")
    imported = re.findall(r'from "\./([^"]+)"', page.read_text())
    assert "stream.js" not in imported
    assert all(re.fullmatch(r"\w+\.[0-9a-f]{12}\.js", name) for name in imported)
    assert all((root / "js" / name).is_file() for name in imported)


def test_modules_are_collected_in_whatever_order_a_directory_lists_them(tmp_path: Path) -> None:
    names = [f"{letter}.js" for letter in "abcdefghijkl"]
    for name, imported in pairwise(names):
        (tmp_path / name).write_text(f'import {{ x }} from "./{imported}";\n')
    (tmp_path / names[-1]).write_text("export const x = 1;\n")
    there = storage.StaticFiles(location=tmp_path)
    made = {
        name: (hashed, outcome)
        for name, hashed, outcome in there.post_process({name: (there, name) for name in names})
    }
    assert all(outcome is True for _hashed, outcome in made.values()), made
    for name, imported in pairwise(names):
        assert f'"./{made[imported][0]}"' in (tmp_path / made[name][0]).read_text()


def test_what_has_not_changed_is_not_collected_again(root: Path, source: Path) -> None:
    storage.collect()
    (root / source.name).write_text("as it was left")
    storage.collect()
    assert (root / source.name).read_text() == "as it was left"


def test_what_has_changed_is_collected(root: Path, source: Path) -> None:
    storage.collect()
    write(source, "b {}")
    storage.collect()
    assert (root / source.name).read_text() == "b {}"


def test_what_somebody_has_removed_is_collected_again(root: Path, source: Path) -> None:
    storage.collect()
    (root / source.name).unlink()
    root.rmdir()
    storage.collect()
    assert (root / source.name).exists()


def test_what_broke_half_way_is_collected_again(
    root: Path, source: Path, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError("no space left")

    storage.collect()
    with monkeypatch.context() as broken:
        broken.setattr(storage, "call_command", full)
        write(source, "b {}")
        with pytest.raises(OSError, match="no space"):
            storage.collect()
    write(source, "a {}")
    (root / source.name).write_text("half of it")
    storage.collect()
    assert (root / source.name).read_text() == "a {}"
