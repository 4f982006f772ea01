"""Hosts whose failure tells but a sign: what they said before of what they died of."""

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from deploy_tasks import causes
from deploy_tasks.models import Attempt, Game, HostRun, Job
from deploy_tasks.states import AttemptState, HostRunState
from tests import factories, scenes
from tests.views.pages import browser
from webapp import earlier, lately
from webapp.failures import failures

pytestmark = pytest.mark.django_db


@pytest.fixture
def squid() -> Game:
    return factories.game("squid", text=scenes.RECIPE)


@pytest.fixture
def job(squid: Game) -> Job:
    return factories.job(squid)


REFUSED = b"probe 127.0.0.1: Connection refused\n"
NO_LIBRARY = (
    b"run: error while loading shared libraries: libssl.so.1.1: cannot open x: No\nstarted\n"
)


def printed(job: Job, run: HostRun, *outputs: tuple[int, bytes]) -> None:
    """Steps of a host that ended well, with what they printed."""
    for step, output in outputs:
        attempt = Attempt.objects.create(
            host_run=run,
            uid=f"{run.pk}.{step}.{run.attempts.count()}",
            step=step,
            name=scenes.STEPS[step],
            number=1 + run.attempts.filter(step=step).count(),
            script_sha256="0" * 64,
            state=AttemptState.SUCCEEDED,
            exit_status=0,
        )
        scenes.add_output(job, attempt, output)


def refused(job: Job, name: str, *outputs: tuple[int, bytes], output: bytes = REFUSED) -> HostRun:
    """A host whose last step asked its game in vain."""
    run = HostRun(job=job, name=name, state=HostRunState.FAILED, holds_host=False, step=5)
    run.save()
    printed(job, run, *outputs)
    attempt = Attempt.objects.create(
        host_run=run,
        uid=f"{run.pk}.5",
        step=5,
        name="health",
        number=1,
        script_sha256="0" * 64,
        state=AttemptState.FAILED,
        exit_status=1,
    )
    scenes.add_output(job, attempt, output)
    return run


def test_who_does_not_answer_has_said_why_in_a_step_that_ended_well(job: Job) -> None:
    refused(job, "eu-1", (3, b"error: long ago\n"), (4, NO_LIBRARY))
    refused(job, "eu-2", (2, b"error: of old\n"), (4, NO_LIBRARY), output=b"No route to host\n")
    refused(job, "eu-3", (3, b"stopped\n"), (4, b"ready\n"))
    refused(job, "eu-4", (4, b"error: a\n"), output=b"FATAL: b\n" + REFUSED)
    told = failures(job)["causes"]
    loader = "error while loading shared libraries: libssl.so.1.1: cannot open x"
    assert [
        (one["step"], one["found_in"], one["cause"], one["sign"], len(one["hosts"])) for one in told
    ] == [
        ("health", "switch", loader, "Connection refused", 2),
        ("health", "health", "Connection refused", "", 1),
        ("health", "health", "b", "", 1),
    ]
    assert told[0]["hosts"][0]["line"] == NO_LIBRARY.decode().partition("\n")[0]


def test_what_a_host_prints_that_is_well_is_no_cause(job: Job) -> None:
    usual = b"[net ERROR]: no gateway at 192.0.2.%d (ignored)\n"
    well = HostRun(job=job, name="eu-9", state=HostRunState.SUCCEEDED, holds_host=False, step=6)
    well.save()
    printed(job, well, (4, usual % 9))
    refused(job, "eu-1", (3, b"error: the world is locked\n"), (4, usual % 1))
    (told,) = failures(job)["causes"]
    assert (told["found_in"], told["cause"]) == ("stop", "error: the world is locked")


def test_half_a_line_at_the_beginning_of_an_end_is_no_cause(job: Job) -> None:
    well = HostRun(job=job, name="eu-9", state=HostRunState.SUCCEEDED, holds_host=False, step=6)
    well.save()
    line = b"[net ERROR]: link %d is down, error: no gateway (ignored)\n"
    noise = b"".join(line % n for n in range(200))
    printed(job, well, (4, noise))
    for n in range(20):
        refused(job, f"eu-{n}", (4, noise + b"x" * n + b"\n"))
    assert [one["cause"] for one in failures(job)["causes"]] == ["Connection refused"]


def test_what_was_printed_before_it_was_done_again_is_no_cause(job: Job) -> None:
    refused(job, "eu-1", (4, NO_LIBRARY), (4, b"ready\n"))
    assert [one["found_in"] for one in failures(job)["causes"]] == ["health"]


def test_who_is_not_at_the_version_after_all_has_said_why_before(job: Job) -> None:
    said = "all steps ended well, but the host still says 1.0"
    run = HostRun(job=job, name="eu-1", state=HostRunState.FAILED, holds_host=False, step=6)
    run.error = said
    run.save()
    printed(job, run, (4, b"ln: error: current is a directory\n"), (5, b"ok\n"))
    (told,) = failures(job)["causes"]
    assert (told["step"], told["found_in"]) == (None, "switch")
    assert told["cause"] == "ln: error: current is a directory"
    assert told["sign"] == causes.cause(said)
    assert [host["back_to"] for host in told["hosts"]] == ["switch"]


def test_a_retry_goes_back_to_the_cause_where_nothing_forbids_it(squid: Game, job: Job) -> None:
    refused(job, "eu-1", (4, NO_LIBRARY))
    (host,) = failures(job)["causes"][0]["hosts"]
    assert (host["again"], host["back_to"]) == ("health", "switch")
    never = scenes.RECIPE.replace("{name: switch,", "{name: switch, repeat: never,")
    strict = factories.job(factories.game("strict", text=never))
    refused(strict, "us-1", (4, NO_LIBRARY))
    (host,) = failures(strict)["causes"][0]["hosts"]
    assert (host["again"], host["back_to"]) == ("health", None)


def test_a_wait_that_ended_in_vain_tells_but_a_sign() -> None:
    text = scenes.RECIPE.replace("run: 'sh \"$root/ctl\" status'", "wait: {run: ctl}")
    waits = factories.job(factories.game("waits", text=text))
    refused(waits, "eu-1", (4, NO_LIBRARY), output=b"no answer yet\n")
    assert [one["found_in"] for one in failures(waits)["causes"]] == ["switch"]


def test_signs_of_many_hosts_are_looked_into_with_few_queries(job: Job) -> None:
    for n in range(30):
        refused(job, f"eu-{n}", (3, b"ok\n"), (4, NO_LIBRARY if n % 2 else b"ok\n"))
    with CaptureQueriesContext(connection) as queries:
        told = failures(job)["causes"]
    assert [len(one["hosts"]) for one in told] == [15, 15]
    assert len(queries) == 11


def test_only_so_many_hosts_are_looked_into(job: Job, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(earlier, "HOSTS", 2)
    for n in range(3):
        refused(job, f"eu-{n}", (4, NO_LIBRARY))
    told = failures(job)["causes"]
    assert [(one["found_in"], len(one["hosts"])) for one in told] == [("switch", 2), ("health", 1)]


def test_the_dashboard_retries_from_the_step_in_which_the_cause_stands(job: Job) -> None:
    refused(job, "eu-1", (4, NO_LIBRARY))
    job.host_runs.update(ended_at=timezone.now())
    (told,) = lately.failed(Job.objects.all())
    assert (told.step, told.again) == ("switch", "switch")
    refused(job, "eu-2")
    assert {(one.step, one.again) for one in lately.failed(Job.objects.all())} == {
        ("switch", "switch"),
        ("health", "health"),
    }


def test_every_retry_that_is_offered_first_goes_back_to_the_cause(squid: Game, job: Job) -> None:
    boss = factories.user("boss", is_superuser=True)
    for name in ("eu-1", "eu-2"):
        run = refused(job, name, *([(4, NO_LIBRARY)] if name == "eu-1" else []))
        run.host, run.ended_at = factories.host(squid, name), timezone.now()
        run.save()
    for page, retries in (("/", 2), ("/hosts/eu-1/", 1)):
        told = browser(boss).get(page).content.decode()
        assert told.count("from “switch”") == retries, page
        begins = ("&quot;back&quot;: true", "&quot;from_step&quot;: &quot;switch&quot;")
        assert sum(map(told.count, begins)) >= retries, page
    answer = browser(boss).post(
        f"/api/v1/jobs/{job.pk}/retry", {"back": True}, content_type="application/json"
    )
    assert answer.status_code == 200
    assert dict(job.host_runs.values_list("name", "step")) == {"eu-1": 4, "eu-2": 5}
