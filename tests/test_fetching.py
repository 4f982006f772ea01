"""A worker elsewhere fetches an artifact from the web process."""

import hashlib
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from pytest_django import Settings

from deploy_tasks import artifact_links, artifacts, fetching
from deploy_tasks.errors import HostFailed

BUILD = bytes(range(256)) * 8192
SHA256 = hashlib.sha256(BUILD).hexdigest()


class WebProcess(ThreadingHTTPServer):
    """Gives BUILD; remembers from which byte on it was asked for."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Answer)
        self.gives = BUILD
        #: Bytes after which each connection breaks, for so many connections.
        self.breaks_after, self.breaks = len(BUILD) // 3, 0
        self.status = 0
        self.asked: list[int] = []


class Answer(BaseHTTPRequestHandler):
    server: WebProcess

    def do_GET(self) -> None:
        web = self.server
        begin = int(self.headers["Range"].removeprefix("bytes=").removesuffix("-"))
        web.asked.append(begin)
        left = web.gives[begin:]
        self.send_response(web.status or (206 if left else 416))
        self.send_header("Content-Length", str(len(left)))
        self.end_headers()
        if web.breaks:
            web.breaks -= 1
            left = left[: web.breaks_after]
        self.wfile.write(left)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def web(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[WebProcess]:
    settings.ARTIFACTS = tmp_path / "artifacts"
    monkeypatch.setattr(fetching, "PAUSE", 0.01)
    monkeypatch.setattr(artifact_links, "link", lambda sha256: f"/artifacts/{sha256}")
    with WebProcess() as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        settings.ARTIFACTS_FROM = f"http://127.0.0.1:{server.server_port}"
        yield server
        server.shutdown()


def fetch(limit: float = 30) -> None:
    assert fetching.fetch(SHA256, limit=limit, goes_on=lambda: True)


def stored() -> bytes:
    return artifacts.path_of(SHA256).read_bytes()


def test_what_the_store_has_not_is_fetched_once(web: WebProcess) -> None:
    fetch()
    fetch()
    assert stored() == BUILD
    assert web.asked == [0]


def test_a_transfer_that_breaks_goes_on_where_it_broke(web: WebProcess) -> None:
    web.breaks = 2
    fetch()
    assert stored() == BUILD
    third = len(BUILD) // 3
    assert web.asked == [0, third, 2 * third]


def test_of_many_that_need_it_one_fetches_it(web: WebProcess) -> None:
    with ThreadPoolExecutor(8) as threads:
        for done in [threads.submit(fetch) for _ in range(8)]:
            done.result()
    assert web.asked == [0]
    assert [path.name for path in artifacts.path_of(SHA256).parent.iterdir()] == [SHA256]


def test_what_is_not_the_artifact_never_comes_into_the_store(web: WebProcess) -> None:
    web.gives = BUILD[:-1] + b"x"
    with pytest.raises(HostFailed, match="sent another artifact"):
        fetch()
    assert not artifacts.path_of(SHA256).exists()
    web.gives = BUILD
    fetch()
    assert stored() == BUILD


def test_a_refusal_is_said_with_its_number(web: WebProcess) -> None:
    web.status = 403
    with pytest.raises(HostFailed, match="does not give the artifact: HTTP 403"):
        fetch()


def test_a_web_process_that_is_away_is_tried_until_the_time_is_over(
    web: WebProcess, settings: Settings
) -> None:
    web.status = 503
    with pytest.raises(HostFailed, match="did not come from the web process in time"):
        fetch(limit=0.2)
    assert len(web.asked) > 1


def test_a_cancel_ends_it_and_keeps_what_came(web: WebProcess) -> None:
    wishes = iter([True, False, False])
    assert not fetching.fetch(SHA256, limit=30, goes_on=lambda: next(wishes))
    fetch()
    assert stored() == BUILD
    assert web.asked[-1] > 0


def test_with_a_shared_folder_nobody_is_asked(web: WebProcess, settings: Settings) -> None:
    settings.ARTIFACTS_FROM = ""
    fetch()
    assert web.asked == []
