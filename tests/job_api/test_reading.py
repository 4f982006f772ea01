"""How jobs and their hosts stand."""

from collections.abc import Callable
from datetime import UTC, datetime

import pytest
from django.db import connection
from pytest_django import DjangoAssertNumQueries

from deploy_tasks import journal
from deploy_tasks.journal import News
from deploy_tasks.models import Event, Game, HostRun, Job
from deploy_tasks.rollout import Rollout
from deploy_tasks.states import HostRunState, JobState, Link
from tests import factories
from tests.api import Caller, caller, error
from tests.job_api.jobs import ended
from webapp import reports
from webapp.models import Role

pytestmark = pytest.mark.django_db


def effort(do: Callable[[], object]) -> int:
    """Steps of SQLite's machine."""
    steps: list[None] = []
    connection.connection.set_progress_handler(lambda: steps.append(None), 1)
    try:
        do()
    finally:
        connection.connection.set_progress_handler(None, 0)
    return len(steps)


class TestReading:
    def test_a_job_is_told_in_full(self, operator: Caller, squid: Game) -> None:
        job = factories.job(squid, hosts=3, rollout={"canary": 1, "max_failed": "50%"})
        job.host_runs.filter(position__gt=0).update(batch=2)
        job.batches.update(canary=True)
        job.host_runs.filter(position=0).update(state=HostRunState.SUCCEEDED, holds_host=False)
        job.host_runs.filter(position=1).update(
            state=HostRunState.FAILED, holds_host=False, down=True
        )
        Job.objects.update(
            state=JobState.RUNNING,
            last_seq=7,
            created_at=datetime(2026, 1, 31, 23, 59, 59, 123_456, tzinfo=UTC),
            started_at=datetime(2026, 2, 1, tzinfo=UTC),
        )
        assert operator.get(f"/jobs/{job.pk}").json() == {
            "id": job.pk,
            "state": "running",
            "reason": "",
            "pause": "",
            "verdict": "Batch 2 of 2: 1 of 3 updated, 1 failed (limit 1), which is down.",
            "game": "squid",
            "version": "2.0",
            "by": "mira",
            "rolls_back": None,
            "rolled_back_by": None,
            "start_at": None,
            "created_at": "2026-01-31T23:59:59.123Z",
            "started_at": "2026-02-01T00:00:00.000Z",
            "ended_at": None,
            "last_seq": 7,
            "counts": {
                "waiting": 1,
                "queued": 0,
                "running": 0,
                "paused": 0,
                "staged": 0,
                "succeeded": 1,
                "skipped": 0,
                "failed": 1,
                "cancelled": 0,
                "rolled_back": 0,
                "unknown": 0,
            },
            "batches": [
                {
                    "n": 1,
                    "canary": True,
                    "state": "succeeded",
                    "soak_until": None,
                    "hosts": 1,
                    "failed": 0,
                    "excluded": 0,
                    "budget": 0,
                    "batch_budget": None,
                },
                {
                    "n": 2,
                    "canary": False,
                    "state": "running",
                    "soak_until": None,
                    "hosts": 2,
                    "failed": 1,
                    "excluded": 0,
                    "budget": 1,
                    "batch_budget": None,
                },
            ],
            "limit": 1,
            "slow": 0,
            "left": None,
            "rollout": Rollout(canary=1, max_failed="50%").model_dump(mode="json"),
            "check": "",
            "can": ["retry", "cancel", "skip", "change", "exclude", "pause"],
            "url": f"http://127.0.0.1:8000/jobs/{job.pk}/",
        }

    @pytest.mark.parametrize(
        ("job_state", "host_state", "can"),
        [
            ("waiting", "waiting", ["cancel", "skip", "change", "pause"]),
            ("running", "running", ["cancel", "change", "pause"]),
            ("running", "unknown", ["cancel", "answer", "change", "exclude", "pause"]),
            ("halted", "succeeded", ["retry", "cancel", "rollback", "change"]),
            ("failed", "failed", ["retry", "rollback"]),
            ("cancelled", "cancelled", ["retry", "rollback"]),
            ("failed", "rolled_back", ["retry"]),
            ("succeeded", "succeeded", ["rollback"]),
            ("succeeded", "skipped", []),
        ],
    )
    def test_what_may_be_ordered_now_is_told(
        self, operator: Caller, squid: Game, job_state: str, host_state: str, can: list[str]
    ) -> None:
        job = factories.job(squid, hosts=1, state=job_state)
        claimed = int(host_state != "waiting")
        job.host_runs.update(state=host_state, holds_host=False, fence=claimed)
        assert operator.get(f"/jobs/{job.pk}").json()["can"] == can

    def test_no_retry_is_offered_while_a_job_is_being_cancelled(
        self, operator: Caller, squid: Game
    ) -> None:
        job = factories.job(squid, hosts=1, state="running", cancelled=True)
        ended(job, HostRunState.CANCELLED)
        assert operator.get(f"/jobs/{job.pk}").json()["can"] == ["cancel"]

    def test_who_may_only_see_may_order_nothing(self, squid: Game) -> None:
        job = factories.job(squid, hosts=1, state="running")
        viewer = caller("vera", Role.VIEWER, squid)
        assert viewer.get(f"/jobs/{job.pk}").json()["can"] == []

    @pytest.mark.parametrize("job_id", ["0", "-1", "x", "1%00", "99999999999999999999999"])
    def test_a_job_that_is_not_there_is_not_found(self, operator: Caller, job_id: str) -> None:
        assert operator.get(f"/jobs/{job_id}").status_code == 404

    def test_the_hosts_of_a_job_are_told(self, operator: Caller, squid: Game) -> None:
        job = factories.job(squid, hosts=2, last_seq=9)
        waiting, failed = job.host_runs.order_by("position")
        started = datetime(2026, 1, 1, tzinfo=UTC)
        HostRun.objects.filter(pk=failed.pk).update(
            state=HostRunState.FAILED,
            holds_host=False,
            error="step “start” ended with exit status 2",
            step=1,
            batch=2,
            version="1.0",
            previous="1.0",
            link=Link.CONNECTED,
            down=True,
            started_at=started,
            ended_at=started,
        )
        for number in (1, 2):
            failed.attempts.create(uid=f"p{number}.1", step=1, name="start", number=number)
        answer = operator.get(f"/jobs/{job.pk}/hosts").json()
        assert answer["as_of_seq"] == 9
        assert answer["hosts"] == [
            {
                "name": waiting.name,
                "state": "waiting",
                "reason": "",
                "error": "",
                "step": None,
                "batch": 1,
                "attempt": None,
                "version": None,
                "previous": None,
                "link": None,
                "link_reason": "",
                "heard_at": None,
                "down": False,
                "excluded": False,
                "address": waiting.host.address,
                "labels": {},
                "started_at": None,
                "ended_at": None,
            },
            {
                "name": failed.name,
                "state": "failed",
                "reason": "",
                "error": "step “start” ended with exit status 2",
                "step": "start",
                "batch": 2,
                "attempt": 2,
                "version": "1.0",
                "previous": "1.0",
                "link": "connected",
                "link_reason": "",
                "heard_at": None,
                "down": True,
                "excluded": False,
                "address": failed.host.address,
                "labels": {},
                "started_at": "2026-01-01T00:00:00.000Z",
                "ended_at": "2026-01-01T00:00:00.000Z",
            },
        ]

    def test_a_host_that_is_out_of_reach_says_why_and_how_it_was_told_last(
        self, operator: Caller, squid: Game
    ) -> None:
        job = factories.job(squid, hosts=2)
        away, back = job.host_runs.order_by("position")
        HostRun.objects.filter(pk=away.pk).update(link=Link.UNREACHABLE)
        HostRun.objects.filter(pk=back.pk).update(link=Link.CONNECTED)
        for run, reason in [(away, "rain"), (away, "timed out"), (back, "rain")]:
            told = {"to": "unreachable", "reason": reason}
            journal.append(job.pk, [News(Event.Kind.LINK, told, host_run=run.pk)])
        hosts = operator.get(f"/jobs/{job.pk}/hosts").json()["hosts"]
        assert [host["link_reason"] for host in hosts] == ["timed out", ""]
        assert [host["heard_at"] for host in hosts] == [None, None]

    def test_a_host_of_which_nobody_hears_says_when_it_was_heard_last(
        self, operator: Caller, squid: Game
    ) -> None:
        job = factories.job(squid, hosts=3)
        away, unknown, well = job.host_runs.order_by("position")
        HostRun.objects.filter(pk=away.pk).update(link=Link.UNREACHABLE)
        HostRun.objects.filter(pk=unknown.pk).update(state=HostRunState.UNKNOWN)
        begun, printed = (datetime(2026, 1, 1, hour, tzinfo=UTC) for hour in (1, 2))
        for run in (away, unknown, well):
            run.attempts.create(uid=f"p{run.pk}", step=0, name="stop", number=1, started_at=begun)
        for run in (away, well):
            journal.append(job.pk, [News(Event.Kind.OUTPUT, {}, host_run=run.pk)])
        job.events.update(at=printed)
        hosts = operator.get(f"/jobs/{job.pk}/hosts").json()["hosts"]
        told = ["2026-01-01T02:00:00.000Z", "2026-01-01T01:00:00.000Z", None]
        assert [host["heard_at"] for host in hosts] == told

    @pytest.mark.skipif(connection.vendor != "sqlite", reason="counts what SQLite does")
    def test_why_it_is_out_of_reach_is_not_looked_for_in_all_that_it_printed(
        self, squid: Game
    ) -> None:
        job = factories.job(squid, hosts=1)
        run = job.host_runs.get()
        HostRun.objects.update(link=Link.UNREACHABLE)
        reports.hosts(job)
        quiet = effort(lambda: reports.hosts(job))
        printed = [News(Event.Kind.OUTPUT, host_run=run.pk, output=b"x") for _ in range(1000)]
        lost = News(Event.Kind.LINK, {"to": "unreachable", "reason": "timed out"}, run.pk)
        journal.append(job.pk, [*printed, lost])
        assert effort(lambda: reports.hosts(job)) < quiet + 100

    def test_a_host_that_has_done_all_its_steps_is_at_none(
        self, operator: Caller, squid: Game
    ) -> None:
        job = factories.job(squid, hosts=1)
        ended(job, HostRunState.SUCCEEDED, step=2, started_at=datetime(2026, 1, 1, tzinfo=UTC))
        assert operator.get(f"/jobs/{job.pk}/hosts").json()["hosts"][0]["step"] is None

    def test_a_page_of_jobs_goes_on_where_it_ended(self, operator: Caller, squid: Game) -> None:
        made = [factories.job(squid).pk for _ in range(5)]
        first = operator.get("/jobs", limit=2).json()
        second = operator.get("/jobs", limit=2, before=first["before"]).json()
        third = operator.get("/jobs", limit=2, before=second["before"]).json()
        pages = [[job["id"] for job in page["jobs"]] for page in (first, second, third)]
        assert [*pages[0], *pages[1], *pages[2]] == made[::-1]
        assert third["before"] is None

    def test_jobs_are_chosen_by_state_and_game(self, operator: Caller, squid: Game) -> None:
        failed, _waiting = factories.job(squid, state="failed"), factories.job(squid)
        assert [job["id"] for job in operator.get("/jobs", state="failed").json()["jobs"]] == [
            failed.pk
        ]
        assert len(operator.get("/jobs", game="squid").json()["jobs"]) == 2
        assert operator.get("/jobs", game="paper").json()["jobs"] == []

    @pytest.mark.parametrize(
        ("query", "field"),
        [
            ({"state": "sad"}, "state"),
            ({"limit": "0"}, "limit"),
            ({"limit": "x"}, "limit"),
            ({"before": "x"}, "before"),
            ({"game": "a\x00b"}, "game"),
        ],
    )
    def test_a_query_that_makes_no_sense_is_refused(
        self, operator: Caller, query: dict[str, str], field: str
    ) -> None:
        answer = operator.get("/jobs", **query)
        assert (answer.status_code, error(answer)["field"]) == (422, field)

    def test_a_number_beyond_the_database_is_only_a_large_number(
        self, operator: Caller, squid: Game
    ) -> None:
        job = factories.job(squid, hosts=1)
        assert len(operator.get("/jobs", before=10**30).json()["jobs"]) == 1
        story = operator.get(f"/jobs/{job.pk}/events", after=10**30).json()
        assert (story["events"], story["to"]) == ([], 0)

    def test_the_query_string_is_no_way_into_the_database(
        self, operator: Caller, squid: Game
    ) -> None:
        factories.job(squid)
        query = {"_connector": "OR", "_negated": "1", "by__password__startswith": "a"}
        assert len(operator.get("/jobs", **query).json()["jobs"]) == 1

    def test_jobs_of_games_that_are_not_mine_are_left_out(self, operator: Caller) -> None:
        factories.job(factories.game("paper"))
        assert operator.get("/jobs").json()["jobs"] == []

    def test_many_hosts_cost_no_more_queries(
        self, operator: Caller, squid: Game, django_assert_num_queries: DjangoAssertNumQueries
    ) -> None:
        job = factories.job(squid)
        HostRun.objects.bulk_create(
            HostRun(job=job, name=f"eu-{n}", holds_host=False, position=n) for n in range(300)
        )
        operator.get(f"/jobs/{job.pk}")  # the token's use is noted
        with django_assert_num_queries(7):  # token, job, counts, rollback, gates, two rights
            operator.get(f"/jobs/{job.pk}")
        with django_assert_num_queries(4):  # token, job, right, hosts
            assert len(operator.get(f"/jobs/{job.pk}/hosts").json()["hosts"]) == 300

    def test_a_page_of_jobs_costs_no_more_queries(
        self, operator: Caller, squid: Game, django_assert_num_queries: DjangoAssertNumQueries
    ) -> None:
        for _ in range(5):
            factories.job(squid, hosts=2)
        operator.get("/jobs")
        with django_assert_num_queries(6):  # token, jobs, counts, rollbacks, gates, rights
            operator.get("/jobs")
