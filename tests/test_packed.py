"""How large answers are on their way."""

import gzip

import pytest
from django.test import Client

from tests import scenes

pytestmark = pytest.mark.django_db

WANTED = {"Accept-Encoding": "gzip"}


def test_pages_and_lists_go_out_packed_to_whoever_can_unpack_them(admin_client: Client) -> None:
    job = scenes.midway(scenes.game("paper", hosts=30))
    path = f"/api/v1/jobs/{job.pk}/hosts"
    plain, packed = admin_client.get(path), admin_client.get(path, headers=WANTED)
    assert gzip.decompress(packed.content) == plain.content
    assert 5 * len(packed.content) < len(plain.content)
    assert admin_client.get("/", headers=WANTED)["Content-Encoding"] == "gzip"


def test_a_page_that_was_packed_is_known_again(admin_client: Client) -> None:
    asking = WANTED | {"Patchwave-Live": "1"}
    etag = admin_client.get("/", headers=asking)["ETag"]
    assert admin_client.get("/", headers=asking | {"If-None-Match": etag}).status_code == 304


def test_a_log_goes_out_as_it_comes(admin_client: Client) -> None:
    job = scenes.midway(scenes.game("paper", hosts=30))
    name = job.host_runs.exclude(started_at=None).values_list("name", flat=True)[0]
    log = admin_client.get(f"/api/v1/jobs/{job.pk}/hosts/{name}/log", headers=WANTED)
    assert log.streaming
    assert "Content-Encoding" not in log
