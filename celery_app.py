"""The Celery application. A message is a bell that carries an id; no result is stored or read."""

import os

from celery import Celery

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "webapp.settings")

app = Celery("patchwave")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks(["deploy_tasks", "webapp"])
