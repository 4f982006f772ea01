"""However many threads carry hosts, few connections to the database answer for them."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import connection

from deploy_tasks import desk
from deploy_tasks.models import Game


@desk.asked
def whose_connection() -> str:
    connection.ensure_connection()
    return threading.current_thread().name


def carry() -> tuple[str, bool]:
    desk.use()
    return whose_connection(), connection.connection is None


@pytest.mark.django_db(transaction=True)
def test_threads_that_carry_hosts_have_no_connection_of_their_own() -> None:
    with ThreadPoolExecutor(30, thread_name_prefix="host") as hosts:
        answers = [one.result() for one in [hosts.submit(carry) for _ in range(30)]]
    assert all(has_none for _, has_none in answers)
    clerks = {name for name, _ in answers}
    assert len(clerks) <= desk.CLERKS
    assert all(name.startswith("clerk") for name in clerks)


@pytest.mark.django_db(transaction=True)
def test_what_goes_wrong_at_the_desk_is_told_to_who_asked() -> None:
    @desk.asked
    def ask() -> Game:
        return Game.objects.get(name="there is none")

    def carry() -> Game:
        desk.use()
        return ask()

    with ThreadPoolExecutor(1) as hosts, pytest.raises(Game.DoesNotExist):
        hosts.submit(carry).result()


def test_anybody_else_asks_by_itself() -> None:
    @desk.asked
    def ask() -> str:
        return threading.current_thread().name

    assert ask() == threading.current_thread().name
