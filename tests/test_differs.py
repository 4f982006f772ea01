"""How hosts that failed are unlike hosts of the same job that are well."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from deploy_tasks.models import Attempt, Event, HostRun, Job
from deploy_tasks.states import AttemptState, HostRunState
from tests import factories, scenes
from webapp import differs
from webapp.failures import failures, ways_back

pytestmark = pytest.mark.django_db

LINKED = b"'/srv/game/current' -> 'releases/7'\n"
INSIDE = b"'/srv/game/current/7' -> 'releases/7'\n"
OLD = b"the game answers as release 6\n"


@pytest.fixture
def job() -> Job:
    return factories.job(factories.game("squid", text=scenes.RECIPE))


def attempt(run: HostRun, step: int, output: bytes = b"", **more: Any) -> Attempt:
    made = Attempt.objects.create(
        host_run=run,
        uid=f"{run.pk}.{Attempt.objects.count()}",
        step=step,
        name=scenes.STEPS[step],
        number=run.attempts.filter(step=step).count() + 1,
        script_sha256="0" * 64,
        **{"state": AttemptState.SUCCEEDED} | more,
    )
    if output:
        scenes.add_output(run.job, made, output)
    return made


def host(job: Job, name: str, switch: bytes, *, failed: bool = False, last: bytes = OLD) -> HostRun:
    """One that has switched, and is well, or has failed in its health check."""
    state = HostRunState.FAILED if failed else HostRunState.SUCCEEDED
    run = HostRun(job=job, name=name, state=state, holds_host=False, step=5 if failed else 6)
    run.error = "step “health” ended with exit status 1" if failed else ""
    run.save()
    attempt(run, 4, switch)
    if failed:
        attempt(run, 5, last, state=AttemptState.FAILED, exit_status=1)
    else:
        attempt(run, 5, b"asking\nthe game answers\n")
    return run


def told(job: Job) -> list[tuple[str, Sequence[str], Sequence[str]]]:
    """Of the first cause: by step what was printed alone, and what was not printed."""
    cause = failures(job)["causes"][0]
    return [(one["step"], one["printed"], one["lacks"]) for one in cause["differs"]]


def line(output: bytes) -> str:
    return output.decode().strip()


def test_a_directory_in_the_place_of_a_link_is_told_though_no_line_speaks_of_trouble(
    job: Job,
) -> None:
    for n in range(3):
        host(job, f"us-{n}", b"switching\n" + LINKED)
        host(job, f"eu-{n}", b"switching\n" + INSIDE, failed=True)
    (cause,) = failures(job)["causes"]
    assert cause["unlike_since"] == "switch"
    assert cause["differs"] == [
        {
            "step": "switch",
            "host": "eu-0",
            "n": 1,
            "line": 2,
            "printed": [line(INSIDE)],
            "lacks": [line(LINKED)],
            "skipped": False,
            "seconds": None,
            "usual": None,
            "hosts": 3,
            "of": 3,
        }
    ]


@pytest.mark.parametrize(("repeat", "since"), [("safe", "switch"), ("never", None)])
def test_a_retry_may_go_back_to_the_first_step_in_which_they_differ(
    repeat: str, since: str | None
) -> None:
    text = scenes.RECIPE.replace("{name: switch,", f"{{name: switch, repeat: {repeat},")
    strict = factories.job(factories.game("strict", text=text))
    for n in range(2):
        host(strict, f"us-{n}", LINKED)
        host(strict, f"eu-{n}", INSIDE, failed=True)
    (cause,) = failures(strict)["causes"]
    assert cause["unlike_since"] == since
    assert [host["back_to"] for host in cause["hosts"]] == [since, since]
    assert ways_back(strict, ["eu-1"]) == ({"eu-1": since} if since else {})


def test_a_host_that_is_silent_where_others_speak_is_told(job: Job) -> None:
    host(job, "us-1", LINKED)
    host(job, "us-2", LINKED)
    host(job, "eu-1", b"", failed=True)
    assert told(job) == [("switch", [], [line(LINKED)])]


def test_those_that_fail_alike_of_different_things_are_told_apart(job: Job) -> None:
    for n in range(2):
        host(job, f"us-{n}", b"switching\n" + LINKED)
    for name, switch in (
        ("eu-1", b"switching\n" + LINKED),
        ("eu-2", b"an old server holds the port\n" + LINKED),
        ("eu-3", b"switching\n" + INSIDE),
        ("eu-4", b"switching\n" + INSIDE),
    ):
        host(job, name, switch, failed=True)
    found = failures(job)["causes"][0]["differs"]
    assert [(one["host"], one["hosts"], one["of"], one["printed"]) for one in found] == [
        ("eu-3", 2, 4, [line(INSIDE)]),
        ("eu-2", 1, 4, ["an old server holds the port"]),
    ]


def test_nothing_is_told_beside_a_cause_that_is_clear(job: Job) -> None:
    for n in range(2):
        host(job, f"us-{n}", LINKED)
    run = host(job, "eu-1", INSIDE, failed=True, last=b"tar: No space left on device\n")
    assert told(job) == []
    run.delete()
    host(job, "eu-1", INSIDE, failed=True, last=b"cat: version: Permission denied\n")
    assert told(job) == []


def test_a_step_that_ran_into_its_limit_is_unlike_others_in_what_it_printed(job: Job) -> None:
    for n in range(2):
        host(job, f"us-{n}", LINKED)
    run = host(job, "eu-1", LINKED, failed=True, last=b"asking\nby proxy 10.31.0.4\nasking\n")
    run.attempts.filter(name="health").update(exit_status=143)
    assert told(job) == [("health", ["by proxy 10.31.0.4"], [])]


def test_an_answer_that_did_not_come_is_no_clear_cause(job: Job) -> None:
    for n in range(2):
        host(job, f"us-{n}", LINKED)
    host(job, "eu-1", INSIDE, failed=True, last=b"curl: Connection refused\n")
    assert told(job) == [("switch", [line(INSIDE)], [line(LINKED)])]


def test_of_the_step_that_failed_what_came_before_the_failure_is_told(job: Job) -> None:
    for n in range(2):
        host(job, f"us-{n}", LINKED)
    said = b"asking\neula=false\nthe server went away\nnow what\n"
    host(job, "eu-1", LINKED, failed=True, last=said)
    assert told(job) == [("health", ["eula=false", "the server went away"], [])]
    silent = Attempt.objects.filter(step=5, state=AttemptState.SUCCEEDED)
    Event.objects.filter(attempt__in=silent).delete()
    silent.update(log_offset=0)
    assert told(job) == []


def test_a_step_that_was_done_already_or_took_a_moment_is_told(job: Job) -> None:
    now = timezone.now()

    def staged(run: HostRun, seconds: float, state: AttemptState) -> None:
        attempt(run, 1, started_at=now, ended_at=now + timedelta(seconds=seconds))
        attempt(run, 2, state=state)

    for n in range(3):
        staged(host(job, f"us-{n}", LINKED), 40 + n, AttemptState.SUCCEEDED)
    staged(host(job, "eu-1", LINKED, failed=True), 0.5, AttemptState.SKIPPED)
    stage, unpack = failures(job)["causes"][0]["differs"]
    assert (stage["step"], stage["seconds"], stage["usual"]) == ("stage", 0.5, 41)
    assert (unpack["step"], unpack["skipped"]) == ("unpack", True)


def test_too_few_hosts_that_are_well_say_nothing(job: Job) -> None:
    host(job, "us-1", LINKED)
    host(job, "eu-1", INSIDE, failed=True)
    assert told(job) == []


def test_of_many_causes_those_of_most_hosts_are_looked_into(
    job: Job, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(differs, "CAUSES", 1)
    for n in range(2):
        host(job, f"us-{n}", LINKED)
    host(job, "eu-1", INSIDE, failed=True, last=b"it is odd\n")
    for n in (2, 3):
        host(job, f"eu-{n}", INSIDE, failed=True)
    told = [(len(one["hosts"]), len(one["differs"])) for one in failures(job)["causes"]]
    assert told == [(2, 1), (1, 0)]


def test_of_many_steps_the_nearest_are_compared_and_few_told(
    job: Job, monkeypatch: pytest.MonkeyPatch
) -> None:
    for n in range(2):
        run = host(job, f"us-{n}", LINKED)
        for step in range(4):
            attempt(run, step, b"well\n")
    run = host(job, "eu-1", INSIDE, failed=True)
    for step in range(4):
        attempt(run, step, b"odd\n")
    assert [step for step, _printed, _lacks in told(job)] == ["space", "stage", "unpack"]
    differs._compared.cache_clear()
    monkeypatch.setattr(differs, "STEPS", 2)
    assert [step for step, _printed, _lacks in told(job)] == ["stop", "switch"]


def test_an_output_that_is_too_long_is_not_compared(
    job: Job, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(differs, "WHOLE", len(INSIDE) - 1)
    for n in range(2):
        host(job, f"us-{n}", b"linked\n")
    host(job, "eu-1", INSIDE, failed=True)
    assert told(job) == []


def test_however_many_failed_few_hosts_are_read(job: Job) -> None:
    for n in range(6):
        host(job, f"us-{n}", LINKED)
    counts = []
    for first, last in ((0, 5), (5, 30)):
        for n in range(first, last):
            host(job, f"eu-{n}", INSIDE, failed=True)
        with CaptureQueriesContext(connection) as queries:
            assert told(job) != []
        counts.append(len(queries))
    # The same few: what they printed is not read again.
    assert counts == [12, 10]
