"""The tests' settings with second factors and a provider: what tests/login runs with."""

import os

os.environ |= {
    "PATCHWAVE_SECOND_FACTOR": "offered",
    "PATCHWAVE_OIDC_ISSUER": "http://127.0.0.1:9",  # each test has its own
    "PATCHWAVE_OIDC_CLIENT_ID": "patchwave",
    "PATCHWAVE_OIDC_CLIENT_SECRET": "known to both",
    "PATCHWAVE_OIDC_GROUPS": "fleet-admins=administrators,sre=operators",
}

from tests.settings import *  # noqa: F403
