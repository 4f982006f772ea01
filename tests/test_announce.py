"""Bells: rung behind the back of whoever committed, the newest for each job."""

import logging
import threading
from typing import Any

import pytest

from deploy_tasks.journal import announce
from tests import waiting


class Layer:
    """A channel layer that remembers what was rung, and can be slow or broken."""

    def __init__(self) -> None:
        self.rung: list[tuple[str, int]] = []
        self.open = threading.Event()
        self.open.set()
        self.entered = threading.Event()
        self.error: Exception | None = None

    async def group_send(self, group: str, message: dict[str, Any]) -> None:
        self.entered.set()
        self.open.wait(10)
        if self.error:
            raise self.error
        if group.startswith("job-9000"):  # a bell of a test before this one may be late
            self.rung.append((group, message["to"]))


@pytest.fixture
def layer(monkeypatch: pytest.MonkeyPatch) -> Layer:
    layer = Layer()
    monkeypatch.setattr(announce, "get_channel_layer", lambda: layer)
    return layer


def test_a_bell_is_rung_for_the_group_of_the_job(layer: Layer) -> None:
    announce.announce(90007, 12)
    waiting.until(lambda: layer.rung == [("job-90007", 12)], "the bell is rung")


def test_nobody_waits_for_a_slow_layer_and_bells_that_wait_become_one(layer: Layer) -> None:
    layer.open.clear()
    announce.announce(90001, 1)
    assert layer.entered.wait(10)
    for to in (2, 4, 3):
        announce.announce(90001, to)
    announce.announce(90002, 9)
    assert layer.rung == []
    layer.open.set()
    waiting.until(lambda: len(layer.rung) == 3, "all are rung")
    assert layer.rung == [("job-90001", 1), ("job-90001", 4), ("job-90002", 9)]


def test_a_layer_that_breaks_stops_neither_the_job_nor_the_next_bell(
    layer: Layer, caplog: pytest.LogCaptureFixture
) -> None:
    layer.error = ConnectionRefusedError("away")
    with caplog.at_level(logging.WARNING, announce.__name__):
        announce.announce(90003, 1)
        waiting.until(lambda: "was not rung: away" in caplog.text, "it is told of")
    layer.error = None
    announce.announce(90003, 2)
    waiting.until(lambda: layer.rung == [("job-90003", 2)], "the next bell is rung")
