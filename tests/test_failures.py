"""Hosts that failed, by what made them fail."""

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from deploy_tasks.models import Attempt, Game, HostRun, Job
from deploy_tasks.states import AttemptKind, AttemptState, HostRunState
from tests import factories, scenes
from tests.api import caller
from webapp.failures import failures, whys
from webapp.models import Role

pytestmark = pytest.mark.django_db


@pytest.fixture
def squid() -> Game:
    return factories.game("squid", text=scenes.RECIPE)


@pytest.fixture
def job(squid: Game) -> Job:
    return factories.job(squid)


def fail(job: Job, name: str, output: bytes = b"", **more: object) -> Attempt:
    """A host whose step "unpack" failed."""
    given = {"error": "step “unpack” ended with exit status 2", "exit_status": 2, **more}
    status = given.pop("exit_status")
    run = HostRun.objects.create(
        job=job, name=name, state=HostRunState.FAILED, holds_host=False, step=2, **given
    )
    return unpacked(run, AttemptState.FAILED, status, output)


def unpacked(run: HostRun, state: AttemptState, status: object, output: bytes) -> Attempt:
    attempt = Attempt.objects.create(
        host_run=run,
        uid=f"{run.pk}.1",
        step=2,
        name="unpack",
        number=1,
        script_sha256="0" * 64,
        state=state,
        exit_status=status,
    )
    pieces = (output[at : at + 8192] for at in range(0, len(output), 8192))
    scenes.add_output(run.job, attempt, *pieces)
    return attempt


def test_the_same_trouble_in_the_same_step_is_one_cause(job: Job) -> None:
    fail(job, "eu-1", b"bind: port 25565 is taken\n", down=True)
    fail(job, "eu-2", b"tar: a.jar: No space left on device\n")
    fail(job, "eu-3", b"tar: b.jar: No space left on device\ntar: giving up\n")
    told = failures(job)["causes"]
    assert [(one["step"], one["cause"], len(one["hosts"])) for one in told] == [
        ("unpack", "No space left on device", 2),
        ("unpack", "bind: port … is taken", 1),
    ]
    assert told[0]["sample"] == "tar: a.jar: No space left on device"
    assert (told[0]["found_in"], told[0]["sign"], told[0]["above"]) == ("unpack", "", "")
    assert told[0]["hosts"][1] == {
        "name": "eu-3",
        "line": "tar: b.jar: No space left on device",
        "down": False,
        "left_at": None,
        "again": "unpack",
        "back_to": None,
        "undo": None,
        "excluded": False,
    }
    assert told[1]["hosts"][0]["down"] is True


def stands(job: Job, **more: object) -> tuple[bool, str | None, str | None]:
    """What is told of a host that failed so: whether it is down, at what, and from where again."""
    HostRun.objects.filter(job=job).delete()
    fail(job, "eu-1")
    HostRun.objects.filter(job=job).update(**{"previous": "1.0"} | more)
    (host,) = failures(job)["causes"][0]["hosts"]
    return host["down"], host["left_at"], host["again"]


def test_a_host_that_failed_tells_at_what_it_was_left_and_from_where_it_goes_on(job: Job) -> None:
    assert stands(job) == (False, "1.0", "unpack")
    assert stands(job, previous="") == (False, None, "unpack")
    assert stands(job, step=5, down=True) == (True, None, "health")
    assert stands(job, step=6, down=True) == (True, None, None)
    assert stands(job, step=3, state=HostRunState.ROLLED_BACK) == (False, "1.0", "stop")
    given_up = {"error": "given up by mira", "step": 3}
    assert stands(job, **given_up) == (False, "1.0", "stop")
    run = HostRun.objects.get(job=job)
    lost = {"number": 1, "script_sha256": "0" * 64, "state": AttemptState.LOST}
    Attempt.objects.create(host_run=run, uid=f"{run.pk}.2", step=3, name="stop", **lost)
    (doubted,) = failures(job)["causes"][0]["hosts"]
    assert doubted["left_at"] is None
    job.rolls_back_id = 1  # it goes back to what was there before, and had not begun to
    assert stands(job) == (False, None, "unpack")


def test_a_host_whose_recipe_names_no_step_that_players_feel_may_be_at_anything() -> None:
    calm = factories.game("calm", text=scenes.RECIPE.replace(", disruptive: true", ""))
    assert stands(factories.job(calm)) == (False, None, "unpack")


def test_a_host_that_a_later_job_brought_up_is_not_down(squid: Game, job: Job) -> None:
    host = factories.host(squid)
    fail(job, "eu-1", down=True, host=host)
    HostRun.objects.create(
        job=factories.job(squid), host=host, state=HostRunState.SUCCEEDED, holds_host=False
    )
    (told,) = failures(job)["causes"][0]["hosts"]
    assert (told["down"], told["left_at"]) == (False, None)


def test_who_printed_nothing_failed_of_what_is_said_of_it(job: Job) -> None:
    fail(job, "eu-1")
    HostRun.objects.create(
        job=job,
        name="eu-2",
        state=HostRunState.FAILED,
        holds_host=False,
        error="eu-2 does not answer",
    )
    told = failures(job)["causes"]
    assert [(one["step"], one["cause"]) for one in told] == [
        ("unpack", "step “unpack” ended with exit status 2"),
        (None, "… does not answer"),
    ]


def test_a_step_that_we_ended_failed_of_that(job: Job) -> None:
    late = "step “unpack” ran for longer than 600 s"
    fail(job, "eu-1", b"still failing to wait\n", exit_status=None, error=late)
    assert failures(job)["causes"][0]["sample"] == late


def test_an_undo_that_failed_belongs_to_the_failure_before_it(job: Job) -> None:
    first = "step “unpack” ended with exit status 2"
    error = f"{first}; undoing: no; left to undo by hand: stage, stop"
    attempt = fail(job, "eu-1", b"No space left on device\n", error=error)
    Attempt.objects.filter(pk=attempt.pk).update(reason=first)
    HostRun.objects.filter(pk=attempt.host_run_id).update(step=1)
    undo = Attempt.objects.create(
        host_run=attempt.host_run,
        uid="undo.1",
        step=1,
        name="stage",
        kind=AttemptKind.UNDO,
        number=1,
        script_sha256="0" * 64,
        state=AttemptState.FAILED,
        exit_status=3,
    )
    scenes.add_output(job, undo, b"psql: ERROR: a view depends on it\nHINT: drop it\n")
    (told,) = failures(job)["causes"]
    assert (told["step"], told["cause"]) == ("unpack", "No space left on device")
    assert told["hosts"][0]["undo"] == {
        "step": "stage",
        "line": "psql: ERROR: a view depends on it",
        "by_hand": ["stage", "stop"],
    }
    # Then it was tried again, and failed anew: that has not been taken back.
    again = {"step": 2, "name": "unpack", "number": 2, "script_sha256": "0" * 64, "exit_status": 2}
    again |= {"reason": first, "state": AttemptState.FAILED}
    Attempt.objects.create(host_run=attempt.host_run, uid="again.1", **again)
    assert failures(job)["causes"][0]["hosts"][0]["undo"] is None


def test_what_a_retry_has_mended_is_no_cause(job: Job) -> None:
    attempt = fail(job, "eu-1", b"No space left on device\n")
    HostRun.objects.filter(pk=attempt.host_run_id).update(state=HostRunState.SUCCEEDED, step=6)
    assert failures(job)["causes"] == []


def test_a_failure_of_a_former_step_is_not_the_cause(job: Job) -> None:
    attempt = fail(job, "eu-1", b"No space left on device\n")
    HostRun.objects.filter(pk=attempt.host_run_id).update(step=4, error="the host is out of reach")
    assert [one["cause"] for one in failures(job)["causes"]] == ["the host is out of reach"]


def test_what_was_undone_since_is_the_cause_still(job: Job) -> None:
    error = "step “unpack” ended with exit status 2"
    attempt = fail(job, "eu-1", b"No space left on device\n", error=f"{error}; undoing: no")
    Attempt.objects.filter(pk=attempt.pk).update(reason=error)
    undone = HostRun.objects.filter(pk=attempt.host_run_id)
    undone.update(state=HostRunState.ROLLED_BACK, step=1)
    (told,) = failures(job)["causes"]
    assert (told["step"], told["cause"]) == ("unpack", "No space left on device")
    undone.update(error="the host is out of reach")
    assert [one["step"] for one in failures(job)["causes"]] == [None]


def test_only_the_end_of_a_long_output_is_looked_at(job: Job) -> None:
    line = b"error: said long ago\n" + b"x\n" * 20_000
    fail(job, "eu-1", line + b"the map is odd\n")
    assert failures(job)["causes"][0]["sample"] == "the map is odd"


def test_what_all_have_printed_alike_is_told_as_it_is(job: Job) -> None:
    fail(job, "eu-1", b"14:47:15 INFO  it says 7.1, want 7.2\n")
    fail(job, "eu-2", b"14:47:16 INFO  it says 7.1, want 7.2\n")
    fail(job, "eu-3", b"port 1 is taken\n")
    fail(job, "eu-4", b"port 2 is taken\n")
    assert [(one["cause"], one["told"]) for one in failures(job)["causes"]] == [
        ("it says …, want …", "it says 7.1, want 7.2"),
        ("port … is taken", "port … is taken"),
    ]


def test_what_hosts_print_that_are_well_is_not_why_one_failed(job: Job) -> None:
    usual = b"WARN %d chunks had a bad checksum, fetched anew\n"
    for n in range(3):
        well = HostRun(job=job, name=f"us-{n}", state=HostRunState.SUCCEEDED, holds_host=False)
        well.save()
        unpacked(well, AttemptState.SUCCEEDED, 0, usual % n)
    fail(job, "eu-1", b"cannot see the map\n" + usual % 5)
    limit = "step “unpack” ran into its time limit"
    fail(job, "eu-2", usual % 6 + b"chunk 9 of 400\n", exit_status=143, error=limit)
    told = {one["hosts"][0]["name"]: one["sample"] for one in failures(job)["causes"]}
    assert told == {
        "eu-1": "cannot see the map",
        "eu-2": limit,
    }


def test_many_failures_cost_few_queries(job: Job) -> None:
    for n in range(30):
        fail(job, f"eu-{n}", b"No space left on device\n")
    with CaptureQueriesContext(connection) as queries:
        failures(job)
    assert len(queries) == 6


def test_the_api_tells_causes_to_those_who_may_see_the_job(squid: Game, job: Job) -> None:
    fail(job, "eu-1", b"No space left on device\n")
    seen = caller("mira", Role.VIEWER, squid).get(f"/jobs/{job.pk}/failures")
    assert seen.json()["causes"][0]["cause"] == "No space left on device"
    other = factories.game("ark")
    hidden = caller("jonas", Role.VIEWER, other).get(f"/jobs/{job.pk}/failures")
    assert hidden.status_code == 404


def test_pages_of_hosts_tell_the_same_cause_and_ask_for_it_once(job: Job) -> None:
    at = timezone.now()
    fail(job, "eu-1", b"tar: a.jar: No space left on device\n", ended_at=at)
    fail(job, "eu-2", b"bind: port 25565 is taken\n", ended_at=at)
    HostRun.objects.create(job=job, name="eu-3", state=HostRunState.SUCCEEDED, holds_host=False)
    runs = list(job.host_runs.order_by("name"))
    with CaptureQueriesContext(connection) as queries:
        known = whys(runs)
    said = [known[run.pk] for run in runs[:2]]
    assert [(one.words, one.step) for one in said] == [
        ("No space left on device", "unpack"),
        ("bind: port 25565 is taken", "unpack"),
    ]
    assert (len(queries), len(known)) == (6, 2)
    with CaptureQueriesContext(connection) as queries:
        assert whys(runs) == known
    assert len(queries) == 0


def test_the_dashboard_and_the_page_of_a_host_tell_what_made_it_fail_and_from_where_it_goes_on(
    squid: Game, client: Client
) -> None:
    host = factories.host(squid, "eu-1")
    job = factories.job(squid)
    HostRun.objects.filter(job=job).delete()
    fail(job, "eu-1", b"tar: a.jar: No space left on device\n", host=host)
    client.force_login(factories.user("mira", is_superuser=True))
    for page in ("/", "/hosts/eu-1/"):
        told = client.get(page).content.decode()
        assert "<samp>No space left on device</samp> in “unpack”" in told
        assert "from “unpack”" in told.partition("/retry")[2].partition("</button>")[0]
        assert "exit status 2" not in told
