"""The product's settings, with what a test run wants otherwise: a state directory of its own, no
broker, no static manifest, fast passwords."""

import atexit
import os
import shutil
import tempfile

# A developer's own .env must not decide what the tests see.
os.environ.setdefault("PATCHWAVE_ENV_FILE", os.devnull)
if "PATCHWAVE_HOME" not in os.environ:
    os.environ["PATCHWAVE_HOME"] = tempfile.mkdtemp(prefix="patchwave-test-")
    atexit.register(shutil.rmtree, os.environ["PATCHWAVE_HOME"], ignore_errors=True)

from webapp.settings import *  # noqa: F403
from webapp.settings import DATABASES, STORAGES

CHANNEL_LAYERS = {"default": {"BACKEND": "channels.layers.InMemoryChannelLayer"}}
CELERY_BROKER_URL = "memory://"
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
STORAGES = {
    **STORAGES,
    "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
}
WHITENOISE_AUTOREFRESH = True

# Rows that nothing has put into an order come in another one than they were written in, as they may
# on PostgreSQL any day.
if "init_command" in DATABASES["default"]["OPTIONS"]:
    DATABASES["default"]["OPTIONS"]["init_command"] += "PRAGMA reverse_unordered_selects=ON;"
