import os
import subprocess
import sys
from pathlib import Path

import pytest

from webapp.env import BASE

#: All that a worker has loaded before the first bell.
LOADED = """
import sys
import webapp.worker
import channels_redis.pubsub, kombu.transport.redis
import celery.apps.worker, celery.worker.components, celery.worker.consumer.consumer
webapp.worker.app.loader.import_default_modules()
print(*sys.modules)
"""


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> set[str]:
    home: Path = tmp_path_factory.mktemp("worker")
    told = subprocess.run(
        [sys.executable, "-c", LOADED],
        env={
            "PATH": os.environ["PATH"],
            "PYTHONPATH": str(BASE),
            "PATCHWAVE_HOME": str(home),
            "PATCHWAVE_ENV_FILE": os.devnull,
            "DJANGO_SETTINGS_MODULE": "webapp.worker_settings",
        },
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    return set(told.stdout.split())


def test_a_worker_loads_the_tasks(loaded: set[str]) -> None:
    assert {"deploy_tasks.tasks", "webapp.tasks", "deploy_tasks.runner"} <= loaded


@pytest.mark.parametrize(
    ("for_what", "module"),
    [
        ("the command line of Celery", "prompt_toolkit"),
        ("the command line of Celery", "celery.bin.celery"),
        ("pages", "django.contrib.admin"),
        ("the API", "ninja"),
        ("the web server", "twisted"),
        ("artifacts from another machine", "httpx"),
        ("what httpx prints with", "rich"),
        ("games that are asked", "mcstatus"),
        ("names of games that are asked", "dns"),
        ("games that are asked", "a2s"),
        ("pagers", "apprise"),
        ("another database", "psycopg"),
    ],
)
def test_a_worker_does_not_load_what_few_need(loaded: set[str], for_what: str, module: str) -> None:
    assert module not in loaded, for_what
