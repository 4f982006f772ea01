"""Whether the hosts of an order are fit for it: what rows know at once, the rest when it comes."""

from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from deploy_tasks import bells, preflight
from deploy_tasks.models import Game, Host, HostCheck, Job
from deploy_tasks.orders import JobOrder
from tests import factories
from tests.api import caller
from tests.stories import person
from webapp.models import Role

pytestmark = pytest.mark.django_db

ORDER = JobOrder(game="squid", version="2.0", all=True)
OK = {"part": "shell", "result": "ok", "says": "sh"}
FULL = {"part": "disk", "result": "problem", "says": "1 MB free"}
SILENT = {"part": "game", "result": "warning", "says": "the game does not answer"}


@pytest.fixture(autouse=True)
def rung(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    found: list[int] = []
    monkeypatch.setattr(bells, "ring_looks", found.extend)
    return found


@pytest.fixture
def squid() -> Game:
    game = factories.game("squid")
    factories.release(game, "2.0")
    return game


def looked(host: Host, *items: dict[str, str], ago: int = 1) -> None:
    at = timezone.now() - timedelta(minutes=ago)
    HostCheck.objects.update_or_create(
        host=host, defaults={"asked_at": at, "ended_at": at, "items": list(items)}
    )


def found(**more: Any) -> dict[str, preflight.Finding]:
    return {one.host: one for one in preflight.check(ORDER, **more)}


def test_hosts_of_which_nothing_is_known_are_looked_at(
    squid: Game, rung: list[int], django_capture_on_commit_callbacks: Any
) -> None:
    host = factories.host(squid)
    with django_capture_on_commit_callbacks(execute=True):
        assert found()[host.name].state == "pending"
    assert rung == [host.pk]
    rung.clear()
    with django_capture_on_commit_callbacks(execute=True):
        assert found(again=True)[host.name].state == "pending"
    assert not rung, "one look is under way"


def test_a_young_look_is_believed_and_an_old_one_is_not(squid: Game) -> None:
    young, old = factories.host(squid), factories.host(squid)
    looked(young, OK)
    looked(old, OK, ago=11)
    assert {name: one.state for name, one in found().items()} == {
        young.name: "fit",
        old.name: "pending",
    }
    assert found(again=True)[young.name].state == "pending"


def test_problems_make_a_host_unfit_and_warnings_do_not(squid: Game) -> None:
    bad, warned = factories.host(squid), factories.host(squid)
    looked(bad, OK, FULL)
    looked(warned, OK, SILENT)
    there = found()
    assert (there[bad.name].state, there[bad.name].problems) == (
        "unfit",
        [{"part": "disk", "says": "1 MB free"}],
    )
    assert there[warned.name].state == "fit"
    assert there[warned.name].warnings[0]["says"] == "the game does not answer"


def test_what_the_rows_know_is_told_with_it(squid: Game) -> None:
    job: Job = factories.job(squid, hosts=1)
    busy = job.host_runs.get().host
    strange = factories.host(squid, pinned=False, vars={"nonsense": 1})
    assert busy
    for host in (busy, strange):
        looked(host, OK)
    there = found()
    assert there[busy.name].problems == [
        {"part": "job", "says": f"busy with job #{job.pk} of mira"}
    ]
    assert "no host key" in there[strange.name].problems[0]["says"]
    assert {one.state for one in there.values()} == {"unfit"}


def test_a_host_that_no_worker_has_looked_at_in_time_is_not_fit(squid: Game) -> None:
    host = factories.host(squid)
    long_ago = timezone.now() - timedelta(minutes=4)
    check = HostCheck.objects.create(host=host, asked_at=long_ago)
    told = preflight._finding(host, [], check)
    assert (told.state, told.problems[0]["says"]) == ("unfit", "no worker has looked at it")


def test_the_api_counts_and_tells_each(squid: Game) -> None:
    looked(factories.host(squid, "eu-1"), OK)
    looked(factories.host(squid, "eu-2"), FULL)
    answer = caller("mira", Role.OPERATOR).post(
        "/jobs/preflight", {"game": "squid", "version": "2.0", "all": True}
    )
    told = answer.json()
    assert (told["pending"], told["fit"], told["unfit"]) == (0, 1, 1)
    assert [(one["host"], one["state"]) for one in told["hosts"]] == [
        ("eu-1", "fit"),
        ("eu-2", "unfit"),
    ]
    assert not Job.objects.exists()


def test_the_start_page_asks_the_same(squid: Game) -> None:
    looked(factories.host(squid, "eu-1"), FULL)
    olga = Client()
    olga.force_login(person("olga", game=squid, role=Role.OPERATOR))
    form = {"key": "k", "game": "squid", "version": "2.0", "which": "all", "rollout": "standard"}
    assert olga.post("/jobs/new/check", form).json()["unfit"] == 1
    assert olga.post("/jobs/new/check", form | {"again": "yes"}).json()["pending"] == 1
    assert olga.post("/jobs/new/check", form | {"version": ""}).status_code == 422
    vera = Client()
    vera.force_login(person("vera", game=squid, role=Role.VIEWER))
    assert vera.post("/jobs/new/check", form).status_code == 403
