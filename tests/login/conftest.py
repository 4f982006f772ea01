"""With second factors and a provider; only where tests.login_settings are the settings: bin/test
runs them so."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings as chosen
from django.contrib.auth.models import User
from django.test import Client
from pytest_django import Settings

from deploy_tasks import vault
from tests.stories import person
from webapp.models import Role

collect_ignore_glob = [] if chosen.IDENTITY else ["test_*.py"]

PASSWORD = "correct horse"
#: At which the clock stands: no test may end in another one than it began in.
PERIOD = 60_000_000


def code_of(secret: str, *, later: int = 0) -> str:
    """What the app shows, so many periods from now."""
    from allauth.mfa.totp.internal.auth import format_hotp_value, hotp_value

    return str(format_hotp_value(hotp_value(secret, PERIOD + later)))


@dataclass
class Visitor:
    """Somebody at the pages."""

    client: Client = field(default_factory=Client)

    def password(self, name: str = "vera", password: str = PASSWORD, to: str = "") -> Any:
        form = {"username": name, "password": password, "next": to}
        return self.client.post("/login", form, REMOTE_ADDR="203.0.113.9")

    def code(self, code: str) -> Any:
        return self.client.post("/login/code", {"code": code}, REMOTE_ADDR="203.0.113.9")

    @property
    def is_in(self) -> bool:
        return "_auth_user_id" in self.client.session

    def add_factor(self, later: int = -1) -> str:
        """On one's own page; gives the secret."""
        secret: str = self.client.get("/account/factor").context["secret"]
        form = {"password": PASSWORD, "code": code_of(secret, later=later)}
        answer = self.client.post("/account/factor", form)
        assert answer.status_code == 302, answer.content.decode()
        return secret


@pytest.fixture(autouse=True)
def home(settings: Settings, tmp_path: Path) -> None:
    settings.HOME = tmp_path
    settings.PRIVATE_KEYS = tmp_path / "keys" / "seal"
    vault.ensure_keys()


@pytest.fixture(autouse=True)
def one_period(monkeypatch: pytest.MonkeyPatch) -> None:
    from webapp.identity import factors

    monkeypatch.setattr(factors, "this_period", lambda: PERIOD)


@pytest.fixture
def vera() -> User:
    return person("vera", role=Role.VIEWER)


@pytest.fixture
def visitor() -> Visitor:
    return Visitor()


@pytest.fixture
def secret(vera: User) -> str:
    """Of vera's second factor, added elsewhere."""
    elsewhere = Visitor()
    elsewhere.password()
    return elsewhere.add_factor()
