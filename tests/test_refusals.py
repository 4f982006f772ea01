"""What cannot be written down is not done, and pages and admin say so as the API does."""

from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import Group, User
from django.test import Client

from deploy_tasks.models import AuditEntry, Host, Machine
from tests import audits, factories
from tests.stories import person
from webapp.models import ApiToken, Grant, Role

pytestmark = pytest.mark.django_db

SENTENCE = "nothing was done, for the audit cannot be written"


@pytest.fixture
def client() -> Client:
    client = Client()
    client.force_login(person("anna", role=Role.ADMINISTRATOR))
    return client


def everything() -> dict[str, list[Any]]:
    models = (User, Group, Grant, ApiToken, Machine, Host, AuditEntry)
    return {
        model.__name__: list(model._default_manager.order_by("pk").values()) for model in models
    }


def add_a_machine(client: Client) -> Any:
    return client.post("/admin/deploy_tasks/machine/add/", {"name": "box-9"})


def change_a_group(client: Client) -> Any:
    form = {"name": "night", "grants-TOTAL_FORMS": 0, "grants-INITIAL_FORMS": 0}
    group = Group.objects.get()
    return client.post(f"/admin/auth/group/{group.pk}/change/", form)


def remove_a_machine(client: Client) -> Any:
    machine = Machine.objects.order_by("pk")[0]
    return client.post(f"/admin/deploy_tasks/machine/{machine.pk}/delete/", {"post": "yes"})


def remove_many(client: Client) -> Any:
    chosen = list(Machine.objects.values_list("pk", flat=True))
    form = {"action": "delete_selected", "_selected_action": chosen, "post": "yes"}
    return client.post("/admin/deploy_tasks/machine/", form)


def remove_hosts(client: Client) -> Any:
    chosen = list(Host.objects.values_list("pk", flat=True))
    form = {"action": "delete_selected", "_selected_action": chosen, "post": "yes"}
    return client.post("/admin/deploy_tasks/host/", form)


def label_hosts(client: Client) -> Any:
    chosen = list(Host.objects.values_list("pk", flat=True))
    form = {"action": "edit_labels", "_selected_action": chosen, "confirmed": "1"}
    return client.post("/admin/deploy_tasks/host/", form | {"put": "region=eu", "drop": ""})


def set_a_password(client: Client) -> Any:
    vera = User.objects.get(username="vera")
    given = {"usable_password": "true", "password1": "another horse", "password2": "another horse"}
    return client.post(f"/admin/auth/user/{vera.pk}/password/", given)


def unlock(client: Client) -> Any:
    chosen = list(User.objects.values_list("pk", flat=True))
    return client.post("/admin/auth/user/", {"action": "unlock", "_selected_action": chosen})


def change_ones_own_password(client: Client) -> Any:
    given = {"new_password1": "another horse", "new_password2": "another horse"}
    return client.post("/account/password", {"old_password": "correct horse", **given})


def make_a_token(client: Client) -> Any:
    return client.post("/account/", {"name": "ci", "scope": "read", "days": "30"})


@pytest.mark.parametrize(
    "act",
    [
        *(add_a_machine, change_a_group, remove_a_machine, remove_many, remove_hosts),
        *(label_hosts, set_a_password, unlock, change_ones_own_password, make_a_token),
    ],
)
def test_nothing_changes_and_the_sentence_is_the_apis(
    client: Client, act: Callable[[Client], Any]
) -> None:
    person("vera", role=Role.VIEWER)
    Group.objects.create(name="day")
    for name in ("box-1", "box-2"):
        Machine.objects.create(name=name)
    factories.host(factories.game("squid"), "eu-1")
    before = everything()
    with audits.unwritable():
        answer = act(client)
    assert answer.status_code == 409
    assert SENTENCE in answer.content.decode()
    assert everything() == before
    assert act(client).status_code in (200, 302)
    assert everything() != before
