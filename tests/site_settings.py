"""The settings of a web process that serves the database of a test to a real browser."""

import os

from tests.settings import *  # noqa: F403
from tests.settings import DATABASES
from webapp import recent

DATABASES["default"]["NAME"] = os.environ["TEST_DATABASE"]
CHANNEL_LAYERS = {
    "default": {
        "BACKEND": "channels_redis.pubsub.RedisPubSubChannelLayer",
        "CONFIG": {"hosts": [os.environ["TEST_LAYER"]]},
    }
}
# The browser is given a session that the test has begun.
SESSION_COOKIE_NAME = os.environ["TEST_SESSION_COOKIE"]
WHITENOISE_USE_FINDERS = True
# Tests follow each other on one site: an answer that is good for a moment would be of the last one.
recent.FRESH = recent.WORTH = 0
