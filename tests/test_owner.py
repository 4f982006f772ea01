"""Names of processes, and whether they live."""

import subprocess
import sys

from deploy_tasks import owner
from tests.host_shell import pid_namespace
from webapp.env import BASE

NAME = "from deploy_tasks import owner; print(owner.me())"


def test_a_process_is_known_to_live_and_then_to_be_dead() -> None:
    ended = subprocess.run(
        [sys.executable, "-c", NAME], cwd=BASE, capture_output=True, text=True, check=True
    ).stdout.strip()
    assert owner.lives(owner.me())
    assert not owner.is_dead(owner.me())
    assert owner.is_dead(ended)
    assert not owner.lives(ended)


def test_of_a_process_in_another_container_nothing_is_known() -> None:
    """They share the boot id: each worker would take what the others carry, again and again."""
    with pid_namespace() as inside:
        told = subprocess.run(
            [*inside, sys.executable, "-c", f"{NAME}; print(owner.is_dead({owner.me()!r}))"],
            cwd=BASE,
            capture_output=True,
            text=True,
            check=True,
        )
        theirs, is_dead_there = told.stdout.split()
        assert is_dead_there == "False"
        assert not owner.is_dead(theirs)
        assert not owner.lives(theirs)
