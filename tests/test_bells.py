"""Bells to Celery: lost ones are let go at once, and said."""

import socket
from pathlib import Path

import pytest
from celery import Celery
from django.conf import settings
from redis.connection import UnixDomainSocketConnection

from deploy_tasks import bells


def test_a_broker_that_is_away_is_not_waited_for(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    tries: list[object] = []
    real = UnixDomainSocketConnection._connect

    def counted(self: UnixDomainSocketConnection) -> object:
        tries.append(self)
        return real(self)

    monkeypatch.setattr(UnixDomainSocketConnection, "_connect", counted)
    app = Celery("nobody", broker=f"redis+socket://{tmp_path}/nobody.sock", set_as_current=False)
    app.conf.broker_transport_options = settings.CELERY_BROKER_TRANSPORT_OPTIONS
    monkeypatch.setattr(bells, "app", app)
    bells.ring_host_runs(range(1000))
    assert "broker away, run_hosts is left to the reconciler" in caplog.text
    # Another try would come after seconds of somebody's page.
    assert len(tries) <= 2


def test_a_broker_that_hangs_is_left_alone_for_a_while(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(bells, "PATIENCE", 0.1)
    monkeypatch.setattr(bells, "_asked_again_at", 0.0)
    place = str(tmp_path / "hangs.sock")
    with socket.socket(socket.AF_UNIX) as deaf:
        deaf.bind(place)
        deaf.listen()
        app = Celery("deaf", broker=f"redis+socket://{place}", set_as_current=False)
        app.conf.broker_transport_options = {"max_retries": 1, "socket_timeout": 0.2}
        monkeypatch.setattr(bells, "app", app)
        for _ in range(3):
            bells.ring_job(1)
        assert caplog.text.count("broker away") == 1
        monkeypatch.setattr(bells, "_asked_again_at", 0.0)
        bells.ring_job(1)
        assert caplog.text.count("broker away") == 2
