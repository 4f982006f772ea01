"""What load balancers and bin/serve are told."""

import shutil
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import redis
from django.db import connection
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.recorder import MigrationRecorder
from django.test import Client
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries, Settings

from deploy_tasks import owner
from deploy_tasks.models import Worker
from tests.waiting import until
from webapp import asgi, broker, health
from webapp.broker import Watch

pytestmark = pytest.mark.django_db


@pytest.fixture
def _broker(valkey: str, settings: Settings) -> None:
    settings.REDIS_URL = valkey


@pytest.fixture
def worker() -> Worker:
    """Stands in this very process, so it lives."""
    return Worker.objects.create(owner=owner.me(), seen_at=timezone.now())


def test_a_living_process_says_so_without_asking_the_database(
    client: Client, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    with django_assert_num_queries(0):
        assert client.get("/healthz").content == b"ok\n"


@pytest.mark.usefixtures("_broker", "worker")
def test_an_instance_whose_parts_all_answer_is_ready(client: Client) -> None:
    answer = client.get("/readyz")
    assert answer.status_code == 200
    assert set(answer.json().values()) == {"ok"}
    assert set(answer.json()) == set(health.PARTS)


def test_an_instance_without_its_broker_is_not_ready(
    client: Client, settings: Settings, tmp_path: Path
) -> None:
    settings.REDIS_URL = f"unix://{tmp_path}/nobody.sock"
    answer = client.get("/readyz")
    assert answer.status_code == 503
    assert answer.json()["broker"] == "away"


@pytest.mark.usefixtures("worker")
def test_a_broker_that_takes_no_message_any_more_is_full(
    client: Client, valkey: str, settings: Settings
) -> None:
    """R10: it answers a ping all the same."""
    settings.REDIS_URL = valkey
    watch = Watch()
    with redis.Redis.from_url(valkey) as server:
        assert server.config_get("maxmemory-policy") == {"maxmemory-policy": "noeviction"}
        server.config_set("maxmemory", "1")
        try:
            with pytest.raises(redis.exceptions.OutOfMemoryError):
                server.lpush("celery", "a bell")
            answer = client.get("/readyz")
            assert (answer.status_code, answer.json()["broker"]) == (503, "full")
            watch.look()
            watch.look()
        finally:
            server.config_set("maxmemory", "0")
    assert watch.trouble
    assert watch.trouble.word == "full"
    assert client.get("/readyz").json()["broker"] == "ok"
    watch.look()
    assert watch.trouble is None


def test_a_broker_is_away_since_it_was_first_missed(monkeypatch: pytest.MonkeyPatch) -> None:
    """One answer may come late: nobody is told of that."""
    watch, found = Watch(), iter(["away", "ok", "away", "away", "away"])
    monkeypatch.setattr(broker, "word", lambda: next(found))
    told = []
    for _ in range(5):
        watch.look()
        told.append(watch.trouble)
    assert told[:3] == [None, None, None]
    assert told[3]
    assert told[3] == told[4]


def test_a_web_process_looks_at_its_broker_for_as_long_as_it_runs(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(broker, "EVERY", 0.01)
    settings.REDIS_URL = f"unix://{tmp_path}/nobody.sock"
    watch = Watch()
    watch.begin()
    try:
        until(lambda: watch.trouble, "it is missed")
    finally:
        watch.end()
    assert asgi.application.begin == broker.watch.begin  # type: ignore[attr-defined]


@pytest.mark.usefixtures("_broker")
def test_an_instance_with_a_migration_to_do_is_not_ready(client: Client) -> None:
    (newest,) = MigrationLoader(connection).graph.leaf_nodes("webapp")
    MigrationRecorder(connection).record_unapplied(*newest)
    answer = client.get("/readyz")
    assert answer.status_code == 503
    assert answer.json()["migrations"] == "missing"


@pytest.mark.usefixtures("_broker")
def test_an_instance_without_a_worker_is_not_ready(client: Client) -> None:
    answer = client.get("/readyz")
    assert answer.status_code == 503
    assert answer.json()["worker"] == "away"


@pytest.mark.usefixtures("_broker")
@pytest.mark.parametrize(
    "changes",
    [
        {"seen_at": timezone.now() - timedelta(minutes=1)},
        {"owner": owner.me() + "0"},  # the same process id, but started at another time
    ],
    ids=["not seen lately", "dead"],
)
def test_a_worker_that_is_gone_counts_for_nothing(
    client: Client, worker: Worker, changes: dict[str, Any]
) -> None:
    Worker.objects.filter(pk=worker.pk).update(**changes)
    assert client.get("/readyz").json()["worker"] == "away"


@pytest.mark.usefixtures("_broker", "worker")
@pytest.mark.parametrize(
    ("total", "free", "word", "status"),
    [
        (100 << 30, 6 << 30, "ok", 200),
        (100 << 30, 4 << 30, "low", 200),
        (10 << 30, 1 << 30, "ok", 200),
        (10 << 30, 400 << 20, "low", 200),
        (100 << 30, 100 << 20, "full", 503),
    ],
)
def test_a_disk_is_low_while_there_is_time_and_full_when_there_is_none(
    client: Client,
    monkeypatch: pytest.MonkeyPatch,
    total: int,
    free: int,
    word: str,
    status: int,
) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _path: (total, total - free, free))
    answer = client.get("/readyz")
    assert answer.json()["disk"] == word
    assert answer.status_code == status


def test_the_answer_is_never_kept_by_a_cache(client: Client) -> None:
    assert "no-store" in client.get("/healthz")["Cache-Control"]
