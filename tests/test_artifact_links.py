"""Links to one artifact, for a while, and what they give."""

import time
from pathlib import Path
from typing import Any

import pytest
from asgiref.sync import async_to_sync, sync_to_async
from django.test import AsyncClient, Client
from pytest_django import Settings

from deploy_tasks import artifact_links, artifacts
from deploy_tasks.models import Instance

pytestmark = pytest.mark.django_db

BUILD = b"0123456789" * 100_000


@pytest.fixture
def stored(settings: Settings, tmp_path: Path) -> str:
    """The SHA-256 of an artifact in the store."""
    settings.ARTIFACTS = tmp_path / "artifacts"
    (build := tmp_path / "build").write_bytes(BUILD)
    return artifacts.add(build)[0]


def body(answer: Any) -> bytes:
    return b"".join(pieces(answer))


@async_to_sync
async def pieces(answer: Any) -> list[bytes]:
    return [piece async for piece in answer.streaming_content]


def test_a_link_gives_its_artifact_to_whoever_holds_it(stored: str) -> None:
    answer = Client().get(artifact_links.link(stored))
    assert (answer.status_code, answer["Content-Length"]) == (200, str(len(BUILD)))
    assert body(answer) == BUILD


def test_what_is_there_already_is_not_sent_again(stored: str) -> None:
    answer = Client().get(artifact_links.link(stored), headers={"Range": "bytes=999990-"})
    assert (answer.status_code, answer["Content-Range"]) == (206, "bytes 999990-999999/1000000")
    assert body(answer) == b"0123456789"


def test_nothing_comes_after_the_end(stored: str) -> None:
    answer = Client().get(artifact_links.link(stored), headers={"Range": "bytes=1000000-"})
    assert (answer.status_code, answer["Content-Range"]) == (416, "bytes */1000000")


def test_another_artifact_is_not_given(stored: str) -> None:
    other = artifact_links.link("0" * 64).replace("0" * 64, stored)
    assert Client().get(other).status_code == 403


def test_nobody_gets_in_without_a_signature(stored: str) -> None:
    for query in ("", "?until=9999999999", "?until=9999999999&sign=00", "?until=x&sign=%C3%A4"):
        assert Client().get(f"/artifacts/{stored}{query}").status_code == 403


def test_a_link_is_good_for_five_minutes(stored: str, monkeypatch: pytest.MonkeyPatch) -> None:
    link = artifact_links.link(stored)
    now = time.time()
    monkeypatch.setattr("time.time", lambda: now + 299)
    assert artifact_links.is_good(stored, *parts(link))
    monkeypatch.setattr("time.time", lambda: now + 302)
    assert not artifact_links.is_good(stored, *parts(link))


def test_its_time_cannot_be_made_longer(stored: str) -> None:
    until, sign = parts(artifact_links.link(stored))
    assert not artifact_links.is_good(stored, str(int(until) + 1), sign)


def test_the_link_of_another_instance_is_not_good_here(stored: str) -> None:
    link = artifact_links.link(stored)
    Instance.objects.update(links_key="another")
    assert not artifact_links.is_good(stored, *parts(link))


def test_an_artifact_that_is_not_there_is_not_found(stored: str) -> None:
    assert Client().get(artifact_links.link("0" * 64)).status_code == 404


@pytest.mark.django_db(transaction=True)
async def test_it_comes_piece_by_piece_under_asgi(stored: str) -> None:
    link = await sync_to_async(artifact_links.link)(stored)
    answer = await AsyncClient().get(link)
    told = [piece async for piece in answer.streaming_content]
    assert len(told) == 4
    assert b"".join(told) == BUILD


def parts(link: str) -> tuple[str, str]:
    until, sign = link.split("?until=")[1].split("&sign=")
    return until, sign
