import hashlib
from pathlib import Path

import pytest
from pytest_django.fixtures import Settings

from deploy_tasks import artifacts

CONTENT = b"x" * 3_000_000
SHA256 = hashlib.sha256(CONTENT).hexdigest()


@pytest.fixture
def store(settings: Settings, tmp_path: Path) -> Path:
    settings.ARTIFACTS = tmp_path / "artifacts"
    return tmp_path / "artifacts"


@pytest.fixture
def build(tmp_path: Path) -> Path:
    path = tmp_path / "build.tar.gz"
    path.write_bytes(CONTENT)
    return path


def test_a_file_is_kept_under_its_sha256(store: Path, build: Path) -> None:
    assert artifacts.add(build) == (SHA256, len(CONTENT))
    assert artifacts.path_of(SHA256) == store / SHA256
    assert (store / SHA256).read_bytes() == CONTENT


def test_a_file_can_be_measured_without_being_kept(store: Path, build: Path) -> None:
    assert artifacts.measure(build) == (SHA256, len(CONTENT))
    assert not store.exists()


def test_adding_it_again_leaves_one_file(store: Path, build: Path) -> None:
    artifacts.add(build)
    artifacts.add(build)
    assert [path.name for path in store.iterdir()] == [SHA256]


def test_an_interrupted_copy_leaves_nothing(store: Path, tmp_path: Path) -> None:
    with pytest.raises(OSError):
        artifacts.add(tmp_path)
    assert list(store.iterdir()) == []


@pytest.mark.parametrize("sha256", ["", "../" + SHA256[3:], SHA256.upper(), SHA256 + "0"])
def test_only_a_sha256_has_a_place_in_the_store(sha256: str) -> None:
    with pytest.raises(ValueError):
        artifacts.path_of(sha256)
