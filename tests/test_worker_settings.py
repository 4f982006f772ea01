"""What a worker process loads: no more of the site than its tables."""

import subprocess
import sys
from pathlib import Path

from tests.instances import environment
from webapp.env import BASE

#: As Celery does it: settings, applications, checks, the modules of the tasks.
LOAD = """
import sys
from celery_app import app
import django
django.setup()
from django.core.checks import run_checks
assert not run_checks()
app.loader.import_default_modules()
from django.apps import apps
for model in apps.get_models():
    model._meta.related_objects
print("deploy_tasks.tasks.run_hosts" in app.tasks, "webapp.tasks.tell" in app.tasks)
print(*sorted(sys.modules))
"""
OF_THE_SITE = (
    *("django.contrib.admin", "django.contrib.staticfiles", "ninja", "daphne", "twisted"),
    *("autobahn", "axes", "whitenoise", "webapp.urls", "webapp.api", "webapp.views"),
    *("webapp.consumers", "webapp.admin", "apprise", "websockets"),
)


def test_a_worker_loads_nothing_of_the_site(tmp_path: Path) -> None:
    """A third of its memory it was, and half of the time that it takes to start."""
    told = subprocess.run(
        [sys.executable, "-c", LOAD],
        cwd=BASE,
        env=environment(tmp_path, DJANGO_SETTINGS_MODULE="webapp.worker_settings"),
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    tasks, modules = told.stdout.splitlines()
    assert tasks == "True True"
    assert {name for name in modules.split() if name in OF_THE_SITE} == set()


def test_the_programs_without_pages_have_these_settings() -> None:
    conf = (BASE / "deploy/supervisord.conf").read_text()
    for program in ("worker", "beat"):
        section = conf.partition(f"[program:{program}]")[2].partition("[program:")[0]
        assert 'DJANGO_SETTINGS_MODULE="webapp.worker_settings"' in section
