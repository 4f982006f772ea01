from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

import pytest

from deploy_tasks.models import Job
from webapp.verdict import BatchCounts, Findings, duration, verdict

NOW = datetime(2026, 11, 21, 3, 0, tzinfo=UTC)


def say(job: Job, *batches: Mapping[str, int], found: Findings | None = None) -> str:
    numbered = [BatchCounts(n, counts) for n, counts in enumerate(batches, start=1)]
    return verdict(job, numbered, found or Findings(), now=NOW)


def job(state: str, **more: object) -> Job:
    given = {"created_at": NOW, "started_at": NOW, "ended_at": None}
    return Job(state=state, **(given | more))


def test_a_running_job_tells_its_batch_and_its_numbers() -> None:
    done, now, next_ = (
        {"succeeded": 5},
        {"succeeded": 7, "failed": 1, "running": 4},
        {"waiting": 33},
    )
    assert say(job("running"), done, now, next_) == "Batch 2 of 3: 12 of 50 updated, 1 failed."


def test_one_batch_is_not_counted() -> None:
    assert say(job("running"), {"succeeded": 1, "running": 1}) == "1 of 2 updated."


def test_between_two_batches_the_last_one_is_told() -> None:
    assert say(job("running"), {"succeeded": 1}, {"waiting": 2}).startswith("Batch 1 of 2: 1 of 3")


def test_every_way_to_end_is_told() -> None:
    counts = {
        "succeeded": 1,
        "skipped": 2,
        "failed": 3,
        "rolled_back": 4,
        "unknown": 5,
        "cancelled": 6,
        "queued": 7,
        "running": 8,
        "paused": 9,
        "waiting": 10,
    }
    found = Findings(unreachable=2, down=3, slow=4, limit=5)
    assert say(job("running", cancelled=True), counts, found=found) == (
        "Cancelling: 1 of 55 updated, 2 skipped, 7 failed (limit 5), 4 of them rolled back,"
        " 5 unknown, 6 cancelled, 24 running, 2 unreachable, 3 down, 4 slow."
    )


def test_what_is_quiet_is_not_told_while_it_goes_well() -> None:
    counts = {"succeeded": 1, "skipped": 2, "running": 3}
    assert say(job("running"), counts) == "1 of 6 updated."
    assert say(job("halted"), counts).endswith("1 of 6 updated, 2 skipped, 3 running.")


ENDED = {"ended_at": NOW + timedelta(minutes=4, seconds=12)}


@pytest.mark.parametrize(
    ("ended", "counts", "expected"),
    [
        (
            job("succeeded", **ENDED),
            {"succeeded": 50},
            "Succeeded in 4 min 12 s: 50 of 50 updated.",
        ),
        (
            job("failed", **ENDED),
            {"succeeded": 1, "failed": 1},
            "Failed after 4 min 12 s: 1 of 2 updated, 1 failed.",
        ),
        (
            job("cancelled", cancelled=True, **ENDED),
            {"succeeded": 1, "cancelled": 1},
            "Cancelled after 4 min 12 s: 1 of 2 updated, 1 cancelled.",
        ),
    ],
)
def test_an_ended_job_is_told_in_the_past_tense_with_its_time(
    ended: Job, counts: Mapping[str, int], expected: str
) -> None:
    assert say(ended, counts) == expected


def test_a_job_that_never_started_took_as_long_as_it_waited() -> None:
    never_started = job("cancelled", started_at=None, ended_at=NOW + timedelta(seconds=3))
    assert say(never_started, {"cancelled": 1}).startswith("Cancelled after 3 s")


def test_a_halted_job_says_where() -> None:
    assert (
        say(job("halted"), {"failed": 1}, {"waiting": 3})
        == "Halted in batch 1 of 2: 0 of 4 updated, 1 failed."
    )


def test_a_paused_job_says_where() -> None:
    paused = job("paused", pause="host")
    assert say(paused, {"succeeded": 1}, {"waiting": 3}).startswith("Paused in batch 1 of 2")


def test_a_job_that_is_being_cancelled_says_so() -> None:
    cancelling = job("running", cancelled=True)
    assert say(cancelling, {"running": 1}) == "Cancelling: 0 of 1 updated, 1 running."


def test_a_waiting_job_says_what_it_waits_for() -> None:
    assert say(job("waiting"), {"waiting": 1}) == "Waits for a worker: 1 host."
    later = job("waiting", start_at=NOW + timedelta(hours=1))
    assert say(later, {"waiting": 2}) == "Starts at 2026-11-21 04:00 UTC: 2 hosts."


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (-1, "0 s"),
        (0.4, "0 s"),
        (59.4, "59 s"),
        (59.6, "1 min"),
        (61, "1 min 1 s"),
        (3599, "59 min 59 s"),
        (3600, "1 h"),
        (3660, "1 h 1 min"),
        (90_000, "25 h"),
    ],
)
def test_a_duration_is_told_as_exactly_as_a_person_reads_it(seconds: float, words: str) -> None:
    assert duration(timedelta(seconds=seconds)) == words


@pytest.mark.parametrize(
    ("counts", "state"),
    [
        ({"waiting": 2}, "waiting"),
        ({"waiting": 2, "staged": 3}, "waiting"),
        ({"staged": 3, "succeeded": 1}, "running"),
        ({"waiting": 1, "queued": 1}, "running"),
        ({"waiting": 1, "succeeded": 1}, "running"),
        ({"unknown": 1, "succeeded": 1}, "running"),
        ({"failed": 1, "running": 1}, "running"),
        ({"succeeded": 1, "skipped": 1}, "succeeded"),
        ({"succeeded": 1, "failed": 1, "cancelled": 1}, "failed"),
        ({"succeeded": 1, "rolled_back": 1}, "failed"),
        ({"succeeded": 1, "cancelled": 1}, "cancelled"),
    ],
)
def test_a_batch_stands_as_its_hosts_do(counts: Mapping[str, int], state: str) -> None:
    assert BatchCounts(1, counts).state == state
