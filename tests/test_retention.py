"""Old output is let go of, little by little; the story of a job stays."""

from datetime import timedelta
from typing import Any

import pytest
from pytest_django import Settings

from deploy_tasks import clock, events, journal, retention
from deploy_tasks.journal import News
from deploy_tasks.models import Attempt, Event, Job
from deploy_tasks.states import JobState
from tests import factories

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _kept(settings: Settings) -> None:
    settings.KEEP_OUTPUT_DAYS = 30


def ended(days: float, *, name: str = "squid", state: JobState = JobState.SUCCEEDED) -> Job:
    """A job that ended so long ago, with 5 pieces of output between two steps."""
    at = clock.now() - timedelta(days=days)
    job = factories.job(factories.game(name), 1, state=state, ended_at=at)
    run = job.host_runs.get()
    attempt = Attempt.objects.create(
        host_run=run, uid=f"{name}.1", step=0, name="stop", number=1, script_sha256="0" * 64
    )
    output = [
        News(Event.Kind.OUTPUT, host_run=run.pk, attempt=attempt.pk, output=b"0123456789", **where)
        for where in ({"offset": n * 10, "raw_length": 10} for n in range(5))
    ]
    steps = [News(Event.Kind.STEP, {"step": "stop", "to": to}) for to in ("running", "succeeded")]
    journal.append(job.pk, [steps[0], *output, steps[1]])
    job.refresh_from_db()
    return job


def kinds(job: Job) -> list[str]:
    return list(Event.objects.filter(job=job).order_by("seq").values_list("kind", flat=True))


def test_old_output_goes_and_the_story_says_so() -> None:
    job = ended(31)
    assert retention.drop_old_output() == 1
    assert kinds(job) == ["step", "step", "note"]
    note = Event.objects.filter(job=job).latest("seq").data
    assert note is not None
    assert note["text"] == "the output was dropped: it was older than 30 days"


def test_newer_output_stays() -> None:
    job = ended(29)
    assert retention.drop_old_output() == 0
    assert kinds(job).count("output") == 5


def test_a_job_that_is_not_over_keeps_all_however_old() -> None:
    job = ended(31, state=JobState.HALTED)
    assert retention.drop_old_output() == 0
    assert kinds(job).count("output") == 5


def test_with_no_limit_nothing_is_dropped(settings: Settings) -> None:
    settings.KEEP_OUTPUT_DAYS = 0
    ended(9999)
    assert retention.drop_old_output() == 0


def test_it_is_said_once() -> None:
    job = ended(31)
    retention.drop_old_output()
    assert retention.drop_old_output() == 0
    assert kinds(job).count("note") == 1


def test_what_a_retry_printed_later_goes_in_its_turn() -> None:
    job = ended(31)
    retention.drop_old_output()
    attempt = Attempt.objects.get()
    journal.append(
        job.pk,
        [News(Event.Kind.OUTPUT, attempt=attempt.pk, offset=90, raw_length=1, output=b"x")],
    )
    assert retention.drop_old_output() == 1
    assert "output" not in kinds(job)


def test_much_of_it_goes_in_several_transactions(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retention, "ROWS", 2)
    left, drop_some = [], retention._drop_some

    def watched(*given: Any) -> bool:
        left.append(Event.objects.filter(kind="output").count())
        return drop_some(*given)

    monkeypatch.setattr(retention, "_drop_some", watched)
    ended(31)
    assert retention.drop_old_output() == 1
    assert left == [5, 3, 1]


def test_when_its_time_is_up_the_rest_is_for_the_next_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(retention, "ROWS", 2)
    monkeypatch.setattr(retention, "LIMIT", 0.0)
    job = ended(31)
    assert retention.drop_old_output() == 0
    assert kinds(job).count("output") == 3


def test_a_reader_finds_no_hole_where_it_was() -> None:
    job = ended(31)
    retention.drop_old_output()
    page = events.read(job.pk, after=0)
    assert [item["s"] for item in page.items] == [1, 7, 8]
    assert page.to == page.last_seq == 8
    assert b"".join(events.log_bytes(job, job.host_runs.get().name)) == b""
