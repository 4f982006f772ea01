"""What becomes of a setting before Django sees it."""

import pytest

from webapp.settings import postgresql


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
                    "connect_timeout": 5,
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
