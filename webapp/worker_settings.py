"""Django's settings of the processes that have no pages: workers, and beat.

They have the tables and nothing else of the site: with it a worker took a third more memory.
"""

from webapp.settings import *  # noqa: F403

INSTALLED_APPS = [
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "deploy_tasks",
    "webapp",
]
MIDDLEWARE = []
TEMPLATES = []
ROOT_URLCONF = ""
