"""What becomes of a setting before Django sees it."""

import os
import subprocess
import sys

import pytest

from webapp.env import BASE
from webapp.settings import PATIENCE, postgresql


@pytest.mark.parametrize(
    ("url", "given"),
    [
        (
            "postgresql://pw:s%40cret@db.example:5433/patchwave",
            {
                "USER": "pw",
                "PASSWORD": "s@cret",
                "HOST": "db.example",
                "PORT": "5433",
                "NAME": "patchwave",
            },
        ),
        (
            "postgresql://pw@/patchwave?host=/run/postgresql",
            {"HOST": "/run/postgresql", "PORT": "", "PASSWORD": ""},
        ),
        (
            "postgresql://db/pw?sslmode=verify-full&sslrootcert=/etc/ca.pem",
            {
                "OPTIONS": {
                    **PATIENCE,
                    "sslmode": "verify-full",
                    "sslrootcert": "/etc/ca.pem",
                }
            },
        ),
    ],
)
def test_every_part_of_the_databases_url_is_used(url: str, given: dict[str, object]) -> None:
    found = postgresql(url)
    assert {name: found[name] for name in given} == given


@pytest.mark.parametrize(
    "asked", ["PATCHWAVE_SECOND_FACTOR=offered", "PATCHWAVE_OIDC_ISSUER=https://x"]
)
def test_what_is_not_installed_by_itself_is_asked_for_in_one_sentence(asked: str) -> None:
    """And never left out: whoever turned it on relies on it."""
    name, _, value = asked.partition("=")
    told = subprocess.run(
        [sys.executable, "-c", "import sys; sys.modules['allauth'] = None; import webapp.settings"],
        cwd=BASE,
        env=os.environ | {name: value},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert told.returncode == 1
    assert told.stderr.strip().endswith("bin/in-venv pip install -r requirements-login.txt")
    assert "\n" not in told.stderr.strip()
