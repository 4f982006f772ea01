"""Settings that Patchwave does not start with."""

from typing import Any

import pytest
from django.core.management import CommandError, call_command
from pytest_django import Settings

from webapp.dangers import dangers, refuse_dangers
from webapp.proxies import networks


def test_what_we_ship_is_not_dangerous() -> None:
    assert list(dangers()) == []


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"DEBUG": True, "BIND": "0.0.0.0"}, "PATCHWAVE_DEBUG"),
        ({"DEBUG": True, "SITE_ORIGIN": "https://patchwave.example"}, "PATCHWAVE_DEBUG"),
        ({"ALLOWED_HOSTS": ["localhost", "*"]}, "PATCHWAVE_ALLOWED_HOSTS=*"),
        ({"SECRET_KEY": "short"}, "keys/django"),
        ({"SECRET_KEY": "django-insecure-" + "x" * 60}, "keys/django"),
        ({"TRUSTED_PROXIES": networks("0.0.0.0/0")}, "believes everybody"),
        ({"REDIS_URL": "redis://redis.example:6379"}, "no password"),
        ({"CELERY_BROKER_URL": "amqp://rabbit.example/"}, "PATCHWAVE_BROKER_URL names another"),
        ({"OIDC_ISSUER": "https://login.example"}, "PATCHWAVE_OIDC_CLIENT_ID"),
        ({"PASSWORDS_FOR": ["glass"]}, "PATCHWAVE_PASSWORDS_FOR"),
        ({"CELERY_ACCEPT_CONTENT": ["json", "pickle"]}, "JSON alone"),
        ({"CELERY_TASK_SERIALIZER": "yaml"}, "JSON alone"),
    ],
)
def test_each_danger_is_said_and_stops_the_start(
    settings: Settings, given: dict[str, Any], said: str
) -> None:
    for name, value in given.items():
        setattr(settings, name, value)
    assert any(said in sentence for sentence in dangers())
    assert [error.id for error in refuse_dangers(None)] == ["patchwave.E001"]
    with pytest.raises(CommandError, match=said.replace("*", r"\*")):
        call_command("prepare")


@pytest.mark.parametrize(
    "given",
    [
        {"DEBUG": True},
        {"REDIS_URL": "redis://127.0.0.1:6379"},
        {"REDIS_URL": "redis://:pass@redis.example:6379"},
        {"REDIS_URL": "unix:///run/valkey.sock"},
        {"CELERY_BROKER_URL": "amqp://127.0.0.1:5672/"},
        {"CELERY_BROKER_URL": "amqps://me:pass@rabbit.example/"},
    ],
)
def test_what_stays_on_the_machine_is_no_danger(settings: Settings, given: dict[str, Any]) -> None:
    for name, value in given.items():
        setattr(settings, name, value)
    assert list(dangers()) == []
