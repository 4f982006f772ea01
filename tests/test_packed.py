"""How large answers are on their way."""

import gzip

import pytest
from django.test import Client

from tests import factories, scenes

pytestmark = pytest.mark.django_db

WANTED = {"Accept-Encoding": "gzip"}


@pytest.fixture
def boss() -> Client:
    client = Client()
    client.force_login(factories.user("boss", is_superuser=True))
    return client


def test_pages_and_lists_go_out_packed_to_whoever_can_unpack_them(boss: Client) -> None:
    job = scenes.midway(scenes.game("paper", hosts=30))
    path = f"/api/v1/jobs/{job.pk}/hosts"
    plain, packed = boss.get(path), boss.get(path, headers=WANTED)
    assert gzip.decompress(packed.content) == plain.content
    assert 5 * len(packed.content) < len(plain.content)
    assert boss.get("/", headers=WANTED)["Content-Encoding"] == "gzip"


def test_a_page_that_was_packed_is_known_again(boss: Client) -> None:
    asking = WANTED | {"Patchwave-Live": "1"}
    etag = boss.get("/", headers=asking)["ETag"]
    assert boss.get("/", headers=asking | {"If-None-Match": etag}).status_code == 304


def test_a_log_goes_out_as_it_comes(boss: Client) -> None:
    job = scenes.midway(scenes.game("paper", hosts=30))
    name = job.host_runs.exclude(started_at=None).values_list("name", flat=True)[0]
    log = boss.get(f"/api/v1/jobs/{job.pk}/hosts/{name}/log", headers=WANTED)
    assert log.streaming
    assert "Content-Encoding" not in log
