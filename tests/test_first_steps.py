"""What an instance still needs before its first update."""

import pytest
from django.contrib.auth.models import User

from tests import factories
from webapp.first_steps import first_steps

pytestmark = pytest.mark.django_db


@pytest.fixture
def boss() -> User:
    return factories.user("boss", is_superuser=True)


def following(user: User) -> str:
    (one,) = (one for one in first_steps(user) if one.next)
    return one.step


def test_an_empty_instance_needs_an_inventory_first(boss: User) -> None:
    assert following(boss) == "inventory"


def test_then_the_keys_of_its_hosts(boss: User) -> None:
    factories.host(factories.game(), pinned=False)
    assert following(boss) == "keys"
    assert [one.count for one in first_steps(boss)] == [0, 1, 0, 0]


def test_then_a_release(boss: User) -> None:
    factories.host(factories.game())
    assert following(boss) == "release"


def test_then_it_can_begin(boss: User) -> None:
    factories.release(game := factories.game())
    factories.host(game)
    assert following(boss) == "update"


def test_from_the_first_job_on_nothing_is_left_to_say(boss: User) -> None:
    factories.job(factories.game())
    assert first_steps(boss) == []
