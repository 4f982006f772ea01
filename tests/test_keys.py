"""The keys of an instance."""

from pathlib import Path

from webapp import keys


def test_a_key_is_made_once_and_stays(tmp_path: Path) -> None:
    first = keys.django_secret(tmp_path / "home")
    assert len(first) >= 50
    assert keys.django_secret(tmp_path / "home") == first


def test_two_instances_share_no_key(tmp_path: Path) -> None:
    assert keys.django_secret(tmp_path / "a") != keys.django_secret(tmp_path / "b")


def test_nobody_else_can_look_into_a_home_that_a_key_began(tmp_path: Path) -> None:
    keys.django_secret(tmp_path / "deep" / "home")
    for path in (tmp_path / "deep" / "home", *(tmp_path / "deep" / "home").rglob("*")):
        assert path.stat().st_mode & 0o077 == 0, path
