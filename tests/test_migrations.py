"""What migrations do to the rows of an instance that is older than they are."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.db.migrations.executor import MigrationExecutor
from django.db.migrations.state import StateApps

from deploy_tasks.audit import book
from deploy_tasks.models import AuditEntry, Credential, HostRun, Job
from tests import factories
from webapp.env import BASE

pytestmark = pytest.mark.django_db(transaction=True)

#: The oldest from which people may come.
FIRST = [("deploy_tasks", "0005_calls"), ("webapp", None)]

Make = Callable[..., Any]


@pytest.fixture
def past() -> Iterator[StateApps]:
    """The tables as they were at first, with no rows."""
    yield _go_to(FIRST)
    arrive()


def arrive() -> None:
    """Here, with whatever has been written."""
    _go_to(list(MigrationExecutor(connection).loader.graph.leaf_nodes()))


def _go_to(targets: list[Any]) -> StateApps:
    executor = MigrationExecutor(connection)
    executor.migrate(targets)
    executor.loader.build_graph()
    there = [target for target in targets if target[1]]
    return executor.loader.project_state(there).apps


class Past:
    """An instance of then."""

    def __init__(self, apps: StateApps) -> None:
        self._apps = apps
        self.mira = factories.user()

    def make(self, model: str, **values: Any) -> Any:
        return self._apps.get_model("deploy_tasks", model).objects.create(**values)

    def credential(self, name: str, kind: str = "ssh_key") -> Any:
        return self.make("Credential", name=name, kind=kind, sealed=b"x", key_id="20260101aa")

    def game(self, name: str, **values: Any) -> Any:
        recipe = self.make("Recipe", name=f"{name}-recipe")
        self.make("RecipeRevision", recipe=recipe, number=1, text="recipe: x", sha256=name)
        return self.make("Game", name=name, recipe=recipe, **values)

    def host(self, name: str, game: Any, credential: Any, **values: Any) -> Any:
        given = {"address": "10.0.0.1", "user": "game", "credential": credential, **values}
        return self.make("Host", name=name, game=game, **given)

    def job(self, game: Any, state: str, batches: list[int], **rollout: Any) -> Any:
        release = self.make("Release", game=game, version=f"{game.releases.count()}.0")
        revision = game.recipe.revisions.get()
        given = {"game": game, "release": release, "revision": revision, "by_name": "mira"}
        job = self.make("Job", state=state, rollout=rollout, **given)
        for position, batch in enumerate(batches):
            name = f"{job.pk}-{position}"
            self.make("HostRun", job=job, name=name, batch=batch, position=position)
        return job


def test_an_old_instance_is_brought_to_today(past: StateApps) -> None:
    then = Past(past)
    ended, open_job = _fill(then)
    arrive()
    _assert_lent()
    _assert_batches(ended.pk, open_job.pk)
    _assert_chained(then.mira)


def _fill(then: Past) -> tuple[Any, Any]:
    fleet, gate = then.credential("fleet"), then.credential("gate")
    rcon, motd = then.credential("rcon", "secret"), then.credential("motd", "secret")
    then.credential("unused", "secret")
    squid = then.game("squid", vars={"rcon": rcon.name, "port": 25565, "list": ["motd"]})
    paper = then.game("paper")
    bastion = then.host("bastion", squid, gate)
    then.host("squid-1", squid, fleet)
    then.host("squid-2", squid, fleet, vars={"also": motd.name})
    # Through a host of another game: its credential is named by both.
    then.host("paper-1", paper, fleet, via=bastion, vars={"key": fleet.name})
    ended = then.job(squid, "succeeded", [1, 2, 2, 3], canary=1)
    open_job = then.job(paper, "paused", [1, 1, 2])
    for number in range(3):
        then.make(
            "AuditEntry",
            actor_id=then.mira.pk,
            actor_name="mira",
            action="start_job",
            object=f"#{number} naïve",
            details={"share": 0.25, "hosts": ["a", "b"], "none": None},
        )
    return ended, open_job


def _assert_lent() -> None:
    """What was named somewhere is for the games that named it, and for no other."""
    lent = {
        one.name: sorted(one.games.values_list("name", flat=True))
        for one in Credential.objects.all()
    }
    assert lent == {
        "fleet": ["paper", "squid"],
        "gate": ["paper", "squid"],
        "rcon": ["squid"],
        "motd": ["squid"],
        "unused": [],
    }


def _assert_batches(ended: int, open_job: int) -> None:
    rows = Job.objects.get(pk=ended).batches.order_by("n")
    assert list(rows.values_list("n", "canary", "gate")) == [
        (1, True, "open"),
        (2, False, "open"),
        (3, False, "open"),
    ]
    rows = Job.objects.get(pk=open_job).batches.order_by("n")
    assert list(rows.values_list("n", "canary", "gate")) == [
        (1, False, "closed"),
        (2, False, "closed"),
    ]
    assert HostRun.objects.count() == 7


def _assert_chained(mira: User) -> None:
    found = book.verify()
    assert (found.entries, found.last.number) == (3, 3)
    assert list(AuditEntry.objects.order_by("number").values_list("actor", "object")) == [
        (mira.pk, f"#{number} naïve") for number in range(3)
    ]


def test_every_migration_that_moves_rows_is_among_them() -> None:
    """A new one gets its rows in `_fill`, and what has to come of them below it."""
    found = {
        f"{app}/{path.name}"
        for app in ("deploy_tasks", "webapp")
        for path in (BASE / app / "migrations").glob("0*.py")
        if "RunPython" in path.read_text() or "RunSQL" in path.read_text()
    }
    assert found == {
        "deploy_tasks/0006_audit_chain.py",
        "deploy_tasks/0009_batches_of_old_jobs.py",
        "deploy_tasks/0010_credential_games.py",
        # Drops indexes, and moves none.
        "deploy_tasks/0028_no_index_twice.py",
    }
