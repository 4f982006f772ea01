import io
import json
import zipfile
from datetime import UTC, datetime
from typing import Any

import pytest
from asgiref.sync import async_to_sync
from django.db import connection
from django.http import HttpResponse
from django.test import Client
from django.test.utils import CaptureQueriesContext
from pytest_django import DjangoAssertNumQueries

from deploy_tasks import journal
from deploy_tasks.journal import News
from deploy_tasks.models import AuditEntry, Event, Game, HostRun, Job
from deploy_tasks.rollout import Rollout
from deploy_tasks.states import HostRunState, JobState, Link
from tests import factories
from tests.api import ROOT, Caller, caller, error
from webapp import tokens
from webapp.models import Role

pytestmark = pytest.mark.django_db


@pytest.fixture
def squid() -> Game:
    game = factories.game("squid")
    factories.release(game, "2.0")
    return game


@pytest.fixture
def operator(squid: Game) -> Caller:
    return caller("mira", Role.OPERATOR, squid)


def ended(job: Job, state: HostRunState, **more: Any) -> None:
    job.host_runs.update(state=state, holds_host=False, **more)


class TestStart:
    def test_a_job_is_started(self, operator: Caller, squid: Game) -> None:
        factories.host(squid, "eu-1"), factories.host(squid, "eu-2")
        answer = operator.post("/jobs", {"game": "squid", "version": "2.0", "hosts": ["eu-1"]})
        assert answer.status_code == 201
        job = Job.objects.get()
        assert answer.json()["id"] == job.pk
        assert answer.json()["state"] == "waiting"
        assert answer.json()["by"] == "mira"
        assert [run.name for run in job.host_runs.all()] == ["eu-1"]

    def test_everything_an_order_may_say_is_taken(self, operator: Caller, squid: Game) -> None:
        for region in ("eu", "eu", "us"):
            factories.host(squid, labels={"region": region})
        order = {
            "game": "squid",
            "version": "2.0",
            "labels": {"region": "eu"},
            "rollout": {"canary": 1, "batches": ["100%"], "parallel": 3, "max_failed": "5%"},
            "note": "the new map",
            "force": True,
        }
        answer = operator.post("/jobs", order)
        assert answer.status_code == 201
        assert [batch["hosts"] for batch in answer.json()["batches"]] == [1, 1]
        job = Job.objects.get()
        assert (job.note, job.force, job.rollout["parallel"]) == ("the new map", True, 3)

    def test_the_same_key_and_order_give_the_same_job(self, operator: Caller, squid: Game) -> None:
        factories.host(squid, "eu-1")
        order = {"game": "squid", "version": "2.0", "hosts": ["eu-1"]}
        first = operator.post("/jobs", order, **{"Idempotency-Key": "k1"})
        again = operator.post("/jobs", order, **{"Idempotency-Key": "k1"})
        assert (first.status_code, again.status_code) == (201, 200)
        assert again.json()["id"] == first.json()["id"]
        assert Job.objects.count() == 1

    def test_the_same_key_with_another_order_is_refused(
        self, operator: Caller, squid: Game
    ) -> None:
        factories.host(squid, "eu-1"), factories.host(squid, "eu-2")
        order = {"game": "squid", "version": "2.0", "hosts": ["eu-1"]}
        operator.post("/jobs", order, **{"Idempotency-Key": "k1"})
        answer = operator.post("/jobs", order | {"hosts": ["eu-2"]}, **{"Idempotency-Key": "k1"})
        assert answer.status_code == 422
        assert error(answer)["code"] == "key_reused"
        assert Job.objects.count() == 1

    def test_a_key_that_is_too_long_is_refused(self, operator: Caller, squid: Game) -> None:
        factories.host(squid, "eu-1")
        order = {"game": "squid", "version": "2.0", "all": True}
        answer = operator.post("/jobs", order, **{"Idempotency-Key": "k" * 201})
        assert answer.status_code == 422
        assert error(answer)["field"] == "Idempotency-Key"

    def test_a_busy_host_refuses_the_whole_order(self, operator: Caller, squid: Game) -> None:
        busy, free = factories.job(squid, hosts=1), factories.host(squid, "eu-2")
        name = busy.host_runs.get().name
        answer = operator.post(
            "/jobs", {"game": "squid", "version": "2.0", "hosts": [free.name, name]}
        )
        assert answer.status_code == 409
        assert error(answer)["code"] == "hosts_busy"
        assert error(answer)["hosts"] == [
            {
                "host": name,
                "job": busy.pk,
                "by": "mira",
                "since": busy.created_at.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            }
        ]
        assert Job.objects.count() == 1

    @pytest.mark.parametrize(
        ("change", "field"),
        [
            ({"hosts": ["eu-1", "nowhere"]}, "hosts[1]"),
            ({"hosts": [7]}, "hosts[0]"),
            ({"hosts": []}, "hosts"),
            ({"version": "9.9"}, "version"),
            ({"game": "chess"}, "game"),
            ({"game": "paper"}, "game"),
            ({"colour": "red"}, "colour"),
            ({"rollout": {"cannary": 1}}, "rollout.cannary"),
            ({"rollout": {"parallel": 0}}, "rollout.parallel"),
            ({"vars": {"port": "1"}}, "vars.port"),
            ({"start_at": "tomorrow"}, "start_at"),
        ],
    )
    def test_what_is_wrong_is_named(
        self, operator: Caller, squid: Game, change: dict[str, Any], field: str
    ) -> None:
        factories.host(squid, "eu-1")
        factories.game("paper")
        order = {"game": "squid", "version": "2.0", "hosts": ["eu-1"]} | change
        answer = operator.post("/jobs", order)
        assert answer.status_code == 422, answer.content
        assert error(answer)["code"] == "invalid"
        assert error(answer)["field"] == field
        assert not Job.objects.exists()

    def test_a_game_one_may_not_see_is_told_like_one_that_is_not_there(
        self, operator: Caller
    ) -> None:
        factories.release(factories.game("paper"))
        hidden, missing = (
            operator.post("/jobs", {"game": game, "version": "2.0", "all": True})
            for game in ("paper", "chess")
        )
        assert error(hidden)["message"].replace("paper", "chess") == error(missing)["message"]

    def test_a_host_of_another_game_is_not_started(self, operator: Caller, squid: Game) -> None:
        factories.host(squid, "eu-1"), factories.host(factories.game("paper"), "theirs")
        order = {"game": "squid", "version": "2.0", "hosts": ["eu-1", "theirs"]}
        answer = operator.post("/jobs", order)
        assert (answer.status_code, error(answer)["field"]) == (422, "hosts[1]")
        assert not Job.objects.exists()

    def test_several_findings_are_all_told(self, operator: Caller) -> None:
        answer = operator.post("/jobs", {"colour": "red", "hosts": "eu-1"})
        found = error(answer)
        assert {one["field"] for one in found["errors"]} == {"game", "version", "colour", "hosts"}
        assert found["field"] == found["errors"][0]["field"]

    @pytest.mark.parametrize(
        "body",
        [
            b"{",
            b"\xff",
            b'{"game": NaN}',
            b'{"game": "squid", "game": "paper"}',
            b'{"note": "\\u0000"}',
            b'{"note": "\\ud800"}',
            b"[" * 100_000,
        ],
    )
    def test_what_is_no_json_is_refused(self, operator: Caller, body: bytes) -> None:
        answer = operator.client.post(f"{ROOT}/jobs", body, content_type="application/json")
        assert (answer.status_code, error(answer)["code"]) == (400, "not_json")

    @pytest.mark.parametrize("body", [[], 1, None, "x"])
    def test_json_that_is_no_order_is_refused(self, operator: Caller, body: Any) -> None:
        assert operator.post("/jobs", body).status_code == 422

    def test_a_body_that_is_too_large_is_refused(self, operator: Caller) -> None:
        body = json.dumps({"note": "x" * 3_000_000})
        answer = operator.client.post(f"{ROOT}/jobs", body, content_type="application/json")
        assert (answer.status_code, error(answer)["code"]) == (400, "bad_request")

    def test_a_plan_tells_all_and_starts_nothing(self, operator: Caller, squid: Game) -> None:
        factories.host(squid, "eu-1"), factories.host(squid, "eu-2", pinned=False)
        answer = operator.post("/jobs/plan", {"game": "squid", "version": "2.0", "all": True})
        assert answer.status_code == 200
        plan = answer.json()
        assert [step["name"] for step in plan["steps"]] == ["stop", "start"]
        assert plan["batches"] == [{"n": 1, "size": 2, "hosts": ["eu-1", "eu-2"], "canary": False}]
        assert [one["host"] for one in plan["refusals"]] == ["eu-2"]
        assert not Job.objects.exists()
        assert not AuditEntry.objects.exists()


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
            "verdict": "Batch 2 of 2: 1 of 3 updated, 1 failed (limit 1), 1 down.",
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
        job.host_runs.update(state=host_state, holds_host=False)
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
        with django_assert_num_queries(6):  # token, job, counts, rollback, gates, rights
            operator.get(f"/jobs/{job.pk}")
        with django_assert_num_queries(3):  # token, job, hosts
            assert len(operator.get(f"/jobs/{job.pk}/hosts").json()["hosts"]) == 300

    def test_a_page_of_jobs_costs_no_more_queries(
        self, operator: Caller, squid: Game, django_assert_num_queries: DjangoAssertNumQueries
    ) -> None:
        for _ in range(5):
            factories.job(squid, hosts=2)
        operator.get("/jobs")
        with django_assert_num_queries(6):  # token, jobs, counts, rollbacks, gates, rights
            operator.get("/jobs")


class TestStory:
    def test_events_are_read_after_a_cursor(self, operator: Caller, squid: Game) -> None:
        job = factories.job(squid)
        for text in ("one", "two", "three"):
            journal.append(job.pk, [News(Event.Kind.NOTE, {"text": text})])
        answer = operator.get(f"/jobs/{job.pk}/events", after=1).json()
        assert [(item["s"], item["text"]) for item in answer["events"]] == [
            (2, "two"),
            (3, "three"),
        ]
        assert (answer["to"], answer["last_seq"]) == (3, 3)

    def test_the_story_is_read_backwards_by_kind_host_step_and_state(
        self, operator: Caller, squid: Game
    ) -> None:
        job = factories.job(squid, hosts=2)
        one, two = job.host_runs.order_by("name")
        printed(one, b"hello\n")
        for run in (one, two):
            journal.append(job.pk, [News(Event.Kind.HOST, {"to": "running"}, host_run=run.pk)])
        journal.append(job.pk, [News(Event.Kind.NOTE, {"text": "three"})])

        def told(**query: Any) -> tuple[list[str], int | None]:
            page = operator.get(f"/jobs/{job.pk}/story", **query).json()
            assert page["last_seq"] == 4
            return [item.get("h", item["k"]) for item in page["events"]], page["before"]

        assert told() == (["note", two.name, one.name], None)
        assert told(limit=1) == (["note"], 4)
        assert told(before=4, limit=1) == ([two.name], 3)
        assert told(host=one.name) == ([one.name], None)
        assert told(kind=["note", "order"]) == (["note"], None)
        assert told(host="nowhere") == ([], None)
        assert told(to="running") == ([two.name, one.name], None)
        assert told(to="running", host=one.name) == ([one.name], None)
        assert told(step="unpack") == ([], None)

    def test_all_of_a_job_is_one_file(self, operator: Caller, squid: Game) -> None:
        job = factories.job(squid, hosts=2)
        one, _other = job.host_runs.order_by("position")
        printed(one, b"hello \x1b[31mred\n" + b"x" * 200_000)
        answer = operator.get(f"/jobs/{job.pk}/bundle.zip")
        assert answer["Content-Disposition"] == f'attachment; filename="job-{job.pk}.zip"'
        with zipfile.ZipFile(io.BytesIO(body(answer))) as made:
            assert made.testzip() is None
            inside = {
                name.removeprefix(f"job-{job.pk}/"): made.read(name) for name in made.namelist()
            }
        assert list(inside) == ["recipe.yaml", "events.jsonl", f"logs/{one.name}.log"]
        assert inside["recipe.yaml"].decode() == job.revision.text
        log = inside[f"logs/{one.name}.log"]
        assert (log[:18], len(log)) == (b"hello \\x1b[31mred\n", 200_018)
        assert inside["events.jsonl"].count(b"\n") == job.events.count()

    def test_the_whole_story_is_a_file_of_lines(self, operator: Caller, squid: Game) -> None:
        job = factories.job(squid, hosts=1)
        printed(job.host_runs.get(), b"hello\n")
        journal.append(job.pk, [News(Event.Kind.NOTE, {"text": "one\ntwo"})])
        lines = body(operator.get(f"/jobs/{job.pk}/events.jsonl")).decode().splitlines()
        assert [json.loads(line)["k"] for line in lines] == ["output", "note"]

    def test_pages_can_be_small(self, operator: Caller, squid: Game) -> None:
        job = factories.job(squid)
        for text in ("one", "two"):
            journal.append(job.pk, [News(Event.Kind.NOTE, {"text": text})])
        answer = operator.get(f"/jobs/{job.pk}/events", limit=1).json()
        assert (len(answer["events"]), answer["to"], answer["last_seq"]) == (1, 1, 2)

    def test_output_can_be_of_chosen_hosts_or_of_none(self, operator: Caller, squid: Game) -> None:
        job = factories.job(squid, hosts=3)
        for run in job.host_runs.all():
            printed(run, b"hello\n")
        names = [run.name for run in job.host_runs.all()]

        def heard(*hosts: str) -> list[str]:
            answer = operator.get(f"/jobs/{job.pk}/events", host=list(hosts)).json()
            assert answer["to"] == answer["last_seq"]
            return [item["h"] for item in answer["events"]]

        assert heard() == names
        assert heard(names[0], names[2]) == [names[0], names[2]]
        assert heard("") == []

    @pytest.mark.parametrize(
        ("query", "field"),
        [
            ({"after": -1}, "after"),
            ({"limit": 0}, "limit"),
            ({"limit": 2**20 + 1}, "limit"),
            ({"host": ["eu-1", "a\x00b"]}, "host[1]"),
        ],
    )
    def test_a_cursor_that_makes_no_sense_is_refused(
        self, operator: Caller, squid: Game, query: dict[str, Any], field: str
    ) -> None:
        job = factories.job(squid)
        answer = operator.get(f"/jobs/{job.pk}/events", **query)
        assert answer.status_code == 422
        assert error(answer)["field"].startswith(field)


def printed(run: HostRun, output: bytes, *, step: str = "stop", number: int = 1) -> None:
    """The host has printed this in an attempt of a step."""
    index = ["stop", "start"].index(step)
    attempt, _ = run.attempts.get_or_create(
        step=index,
        name=step,
        number=number,
        defaults={"uid": f"{run.pk}.{step}.{number}", "state": "running"},
    )
    offset = attempt.log_offset
    run.attempts.filter(pk=attempt.pk).update(log_offset=offset + len(output))
    seq = Job.objects.get(pk=run.job_id).last_seq + 1
    Job.objects.filter(pk=run.job_id).update(last_seq=seq)
    Event.objects.create(
        job=run.job,
        seq=seq,
        host_run=run,
        attempt=attempt,
        kind=Event.Kind.OUTPUT,
        at=datetime(2026, 1, 1, tzinfo=UTC),
        offset=offset,
        raw_length=len(output),
        output=output,
    )


class TestPane:
    """What the page shows of one host: its attempts, and the end of what one of them printed."""

    @pytest.fixture
    def run(self, squid: Game) -> HostRun:
        job = factories.job(squid, hosts=2)
        mine, other = job.host_runs.order_by("position")
        printed(mine, b"stopping\n")
        printed(other, b"theirs\n")
        for piece in (b"one\n", b"two\n", b"three\n"):
            printed(mine, piece, step="start")
        return mine

    def test_the_attempts_of_a_host_are_told_with_their_size(
        self, operator: Caller, run: HostRun
    ) -> None:
        run.attempts.filter(name="start").update(state="failed", exit_status=3, reason="why")
        run.attempts.create(uid="x", step=2, name="later", number=1, state="new")
        told = operator.get(f"/jobs/{run.job_id}/hosts/{run.name}/attempts").json()
        run.job.refresh_from_db()
        assert told["as_of_seq"] == run.job.last_seq == 5
        attempts = [(one["step"], one["state"], one["bytes"]) for one in told["attempts"]]
        assert attempts == [("stop", "running", 9), ("start", "failed", 14)]
        assert (told["attempts"][1]["rc"], told["attempts"][1]["reason"]) == (3, "why")

    @pytest.mark.parametrize(
        ("query", "texts", "start"),
        [
            ({}, ["one\n", "two\n", "three\n"], 0),
            ({"limit": 1}, ["three\n"], 8),
            ({"limit": 1, "before": 8}, ["two\n"], 4),
            ({"before": 8}, ["one\n", "two\n"], 0),
            ({"before": 0}, [], 0),
            ({"step": "stop"}, ["stopping\n"], 0),
        ],
    )
    def test_output_is_read_from_its_end(
        self,
        operator: Caller,
        run: HostRun,
        query: dict[str, Any],
        texts: list[str],
        start: int,
    ) -> None:
        told = operator.get(f"/jobs/{run.job_id}/hosts/{run.name}/output", **query).json()
        assert [item["d"] for item in told["events"]] == texts
        assert (told["start"], told["as_of_seq"]) == (start, 5)
        assert all(item["h"] == run.name for item in told["events"])

    def test_an_attempt_that_never_was_is_not_found(self, operator: Caller, run: HostRun) -> None:
        where = f"/jobs/{run.job_id}/hosts/{run.name}/output"
        assert operator.get(where, step="stop", attempt=2).status_code == 404
        assert operator.get(where, step="stop", kind="undo").status_code == 404

    def test_the_end_of_a_long_output_costs_no_more_than_of_a_short_one(
        self, operator: Caller, run: HostRun
    ) -> None:
        def queries() -> int:
            with CaptureQueriesContext(connection) as asked:
                operator.get(f"/jobs/{run.job_id}/hosts/{run.name}/output", limit=100)
            return len(asked)

        few = queries()
        for _ in range(60):
            printed(run, b"x" * 50, step="start")
        assert queries() <= few


class TestLog:
    @pytest.fixture
    def run(self, squid: Game) -> HostRun:
        run = factories.job(squid, hosts=1).host_runs.get()
        printed(run, b"stopping \xff\x1b[31m\r\n")
        printed(run, b"bad", step="start")
        printed(run, b"good", step="start", number=2)
        return run

    @pytest.mark.parametrize(
        ("query", "expected"),
        [
            ({}, b"stopping \xff\x1b[31m\r\nbadgood"),
            ({"step": "start"}, b"badgood"),
            ({"step": "start", "attempt": "2"}, b"good"),
            ({"step": "nothing"}, b""),
            ({"safe": "1", "attempt": "1", "step": "start"}, b"bad"),
        ],
    )
    def test_the_output_is_given_byte_for_byte(
        self, operator: Caller, run: HostRun, query: dict[str, str], expected: bytes
    ) -> None:
        answer = operator.get(f"/jobs/{run.job_id}/hosts/{run.name}/log", **query)
        assert answer.status_code == 200
        assert answer["Content-Type"] == "text/plain; charset=utf-8"
        assert answer["X-Content-Type-Options"] == "nosniff"
        name = f"job-{run.job_id}-{run.name}.log"
        assert answer["Content-Disposition"] == f'attachment; filename="{name}"'
        assert body(answer) == expected

    def test_a_log_of_a_host_that_is_not_in_the_job_is_not_found(
        self, operator: Caller, run: HostRun
    ) -> None:
        assert operator.get(f"/jobs/{run.job_id}/hosts/nowhere/log").status_code == 404

    def test_a_safe_log_moves_no_terminal(self, operator: Caller, run: HostRun) -> None:
        text = body(operator.get(f"/jobs/{run.job_id}/hosts/{run.name}/log", safe="1"))
        assert b"\x1b" not in text
        assert b"\\x1b[31m" in text


def body(answer: Any) -> bytes:
    """Read as an ASGI server does: Django collects no plain iterator in memory there."""
    assert answer.is_async

    async def read() -> bytes:
        return b"".join([piece async for piece in answer.streaming_content])

    return async_to_sync(read)()


class TestOrders:
    def test_failed_hosts_are_retried(self, operator: Caller, squid: Game) -> None:
        job = factories.job(squid, hosts=2, state="failed")
        ended(job, HostRunState.FAILED)
        answer = operator.post(f"/jobs/{job.pk}/retry")
        assert answer.status_code == 200
        assert answer.json()["state"] == "running"
        assert answer.json()["counts"]["waiting"] == 2

    def test_chosen_hosts_are_retried_from_a_step(self, operator: Caller, squid: Game) -> None:
        job = factories.job(squid, hosts=2, state="failed")
        ended(job, HostRunState.FAILED, step=1)
        name = job.host_runs.first().name  # type: ignore[union-attr]
        answer = operator.post(f"/jobs/{job.pk}/retry", {"hosts": [name], "from_step": "stop"})
        assert answer.status_code == 200
        run = job.host_runs.get(state="waiting")
        assert (run.name, run.step) == (name, 0)

    def test_a_host_of_another_job_is_not_retried(self, operator: Caller, squid: Game) -> None:
        theirs = factories.job(factories.game("paper"), hosts=1, state="failed")
        ended(theirs, HostRunState.FAILED)
        mine = factories.job(squid, hosts=1, state="failed")
        ended(mine, HostRunState.FAILED)
        answer = operator.post(f"/jobs/{mine.pk}/retry", {"hosts": [theirs.host_runs.get().name]})
        assert (answer.status_code, error(answer)["field"]) == (422, "hosts[0]")
        assert not HostRun.objects.exclude(state="failed").exists()

    def test_what_cannot_be_retried_is_refused_with_the_reason(
        self, operator: Caller, squid: Game
    ) -> None:
        job = factories.job(squid, hosts=1, state="succeeded")
        ended(job, HostRunState.SUCCEEDED)
        answer = operator.post(f"/jobs/{job.pk}/retry")
        assert (answer.status_code, error(answer)["code"]) == (409, "refused")
        assert error(answer)["message"]

    def test_what_waits_is_cancelled(self, operator: Caller, squid: Game) -> None:
        job = factories.job(squid, hosts=2)
        answer = operator.post(f"/jobs/{job.pk}/cancel", {"force": True})
        assert answer.status_code == 200
        assert answer.json()["counts"]["cancelled"] == 2

    def test_a_job_that_is_over_is_not_cancelled(self, operator: Caller, squid: Game) -> None:
        job = factories.job(squid, state="succeeded")
        assert operator.post(f"/jobs/{job.pk}/cancel").status_code == 409

    def test_an_unknown_host_is_given_up(self, operator: Caller, squid: Game) -> None:
        job = factories.job(squid, hosts=1, state="halted")
        job.host_runs.update(state=HostRunState.UNKNOWN)
        name = job.host_runs.get().name
        answer = operator.post(
            f"/jobs/{job.pk}/hosts/{name}/answer", {"answer": "give_up", "note": "I looked"}
        )
        assert answer.status_code == 200
        assert answer.json()["counts"]["failed"] == 1

    @pytest.mark.parametrize(
        ("order", "state"),
        [
            ("retry", "failed"),
            ("pause", "running"),
            ("resume", "paused"),
            ("promote", "paused"),
            ("switch", "running"),
        ],
    )
    def test_why_an_order_was_given_stands_in_the_story_and_in_the_audit(
        self, order: str, state: str, operator: Caller, squid: Game
    ) -> None:
        job = factories.job(squid, hosts=1, state=state, rollout={"stage": "ahead"})
        Job.objects.filter(pk=job.pk).update(pause="host" if order == "resume" else "")
        job.batches.update(gate="waiting")
        if state == "failed":
            ended(job, HostRunState.FAILED)
        answer = operator.post(f"/jobs/{job.pk}/{order}", {"note": "the exploit"})
        assert answer.status_code == 200, answer.content
        told = Event.objects.get(job=job, kind="order").data or {}
        assert (told["what"], told["note"]) == (order, "the exploit")
        entry = AuditEntry.objects.get(action=f"{order}_job")
        assert entry.details["note"] == "the exploit"

    def test_several_unknown_hosts_are_answered_for_at_once_or_none(
        self, operator: Caller, squid: Game
    ) -> None:
        job = factories.job(squid, hosts=3, state="halted")
        names = list(job.host_runs.order_by("name").values_list("name", flat=True))
        job.host_runs.filter(name__in=names[:2]).update(state=HostRunState.UNKNOWN)
        said = {"hosts": names, "answer": "it_did_not_run", "note": "I looked"}
        assert operator.post(f"/jobs/{job.pk}/answer", said).status_code == 409
        assert job.host_runs.filter(state=HostRunState.UNKNOWN).count() == 2
        answer = operator.post(f"/jobs/{job.pk}/answer", said | {"hosts": names[:2]})
        assert answer.json()["counts"]["queued"] == 2
        assert answer.json()["state"] == "running"
        told = Event.objects.get(job=job, kind="order").data or {}
        assert (told["hosts"], told["names"], told["note"]) == (2, names[:2], "I looked")

    def test_an_answer_that_nobody_awaits_is_refused(self, operator: Caller, squid: Game) -> None:
        job = factories.job(squid, hosts=1)
        path = f"/jobs/{job.pk}/hosts/{job.host_runs.get().name}/answer"
        assert operator.post(path, {"answer": "it_ran", "note": ""}).status_code == 409

    def test_an_answer_about_a_host_that_is_not_in_the_job_is_not_found(
        self, operator: Caller, squid: Game
    ) -> None:
        job = factories.job(squid, hosts=1)
        path = f"/jobs/{job.pk}/hosts/nowhere/answer"
        assert operator.post(path, {"answer": "it_ran", "note": ""}).status_code == 404

    @pytest.mark.parametrize(
        ("order", "body", "field"),
        [
            ("retry", {"host": ["eu-1"]}, "host"),
            ("retry", {"from_step": "nothing"}, "from_step"),
            ("cancel", {"force": "maybe"}, "force"),
            ("cancel", {"gently": True}, "gently"),
        ],
    )
    def test_what_an_order_cannot_say_is_refused(
        self, operator: Caller, squid: Game, order: str, body: Any, field: str
    ) -> None:
        job = factories.job(squid, hosts=1, state="failed")
        ended(job, HostRunState.FAILED)
        answer = operator.post(f"/jobs/{job.pk}/{order}", body)
        assert (answer.status_code, error(answer)["field"]) == (422, field)
        assert job.host_runs.get().state == "failed"

    def test_a_job_is_paused_and_resumed(self, operator: Caller, squid: Game) -> None:
        job = factories.job(squid, hosts=1, state="running")
        told = operator.post(f"/jobs/{job.pk}/pause", {"after": "step"}).json()
        assert (told["pause"], told["can"]) == ("step", ["cancel", "skip", "change", "resume"])
        told = operator.post(f"/jobs/{job.pk}/resume").json()
        assert (told["pause"], told["can"]) == ("", ["cancel", "skip", "change", "pause"])

    def test_hosts_are_left_out_and_terms_are_changed(self, operator: Caller, squid: Game) -> None:
        job = factories.job(squid, hosts=2, state="running")
        assert operator.post(f"/jobs/{job.pk}/change", {"soak": "5m"}).status_code == 200
        job.refresh_from_db()
        assert job.rollout["soak"] == 300
        of_each = {"gate": ["manual", "auto"], "soak": ["1h", 60]}
        told = operator.post(f"/jobs/{job.pk}/change", of_each).json()["rollout"]
        assert (told["gate"], told["soak"]) == (["manual", "auto"], [3600, 60])
        refused = operator.post(f"/jobs/{job.pk}/change", {"soak": "soon"})
        assert (refused.status_code, error(refused)["field"]) == (422, "soak")
        told = operator.post(f"/jobs/{job.pk}/skip", {"rest": True}).json()
        assert told["counts"]["skipped"] == 2

    def test_hosts_that_failed_are_set_aside(self, operator: Caller, squid: Game) -> None:
        job = factories.job(squid, hosts=2, state="running", rollout={"max_failed": 0})
        run = job.host_runs.order_by("position")[0]
        job.host_runs.filter(pk=run.pk).update(state="failed", holds_host=False)
        order = {"hosts": [run.name], "note": "its disk is full"}
        told = operator.post(f"/jobs/{job.pk}/exclude", order).json()
        assert (told["batches"][0]["excluded"], "exclude" in told["can"]) == (1, False)
        assert told["verdict"] == "0 of 2 updated, 1 failed (limit 0, 1 excluded)."
        listed = operator.get(f"/jobs/{job.pk}/hosts").json()["hosts"]
        assert [one["excluded"] for one in listed] == [True, False]
        causes = operator.get(f"/jobs/{job.pk}/failures").json()["causes"]
        assert causes[0]["hosts"][0]["excluded"] is True

    def test_a_preset_is_named(self, operator: Caller, squid: Game) -> None:
        Game.objects.update(rollouts={"night": {"canary": 2, "soak": 600}})
        factories.host(squid, "eu-1")
        order = {"game": "squid", "version": "2.0", "all": True, "preset": "night"}
        told = operator.post("/jobs/plan", order).json()
        assert (told["rollout"]["canary"], told["rollout"]["soak"]) == (2, 600)
        refused = operator.post("/jobs/plan", order | {"preset": "day"})
        assert (refused.status_code, error(refused)["field"]) == (422, "preset")
        assert error(refused)["message"].endswith("it has: standard, careful, at_once, night")

    def test_a_gate_is_opened_once_however_often_that_is_said(
        self, operator: Caller, squid: Game
    ) -> None:
        job = factories.job(squid, hosts=1, state="paused")
        job.batches.update(gate="waiting")
        assert operator.get(f"/jobs/{job.pk}").json()["batches"][0]["state"] == "gate"
        for _ in range(2):
            answer = operator.post(f"/jobs/{job.pk}/promote", {"batch": 1})
            assert answer.status_code == 200
        assert "promote" not in answer.json()["can"]
        refused = operator.post(f"/jobs/{job.pk}/promote")
        assert (refused.status_code, error(refused)["code"]) == (409, "refused")

    def test_the_switch_is_ordered_while_it_is_possible(
        self, operator: Caller, squid: Game
    ) -> None:
        job = factories.job(squid, hosts=2, state="paused", rollout={"stage": "ahead"})
        job.host_runs.update(state="staged", held=True, fence=1)
        told = operator.get(f"/jobs/{job.pk}").json()
        assert {"switch", "skip"} <= {*told["can"]}
        assert (told["start_at"], told["counts"]["staged"]) == (None, 2)
        assert told["verdict"] == "2 of 2 staged; the switch waits for a person."
        later = operator.post(f"/jobs/{job.pk}/switch", {"at": "2999-01-01T04:00:00Z"}).json()
        assert later["start_at"] == "2999-01-01T04:00:00.000Z"
        refused = operator.post(f"/jobs/{job.pk}/switch", {"at": "2999-01-01T04:00:00"})
        assert (refused.status_code, error(refused)["field"]) == (422, "at")
        assert "switch" not in operator.post(f"/jobs/{job.pk}/switch").json()["can"]


class TestLogIn:
    @pytest.fixture
    def session(self, operator: Caller) -> Client:
        client = Client(enforce_csrf_checks=True)
        assert operator.user
        client.force_login(operator.user)
        return client

    @pytest.fixture
    def order(self, squid: Game) -> dict[str, Any]:
        factories.host(squid, "eu-1")
        return {"game": "squid", "version": "2.0", "all": True}

    def test_a_session_may_read(self, session: Client) -> None:
        assert session.get(f"{ROOT}/jobs").status_code == 200

    def test_a_session_without_the_csrf_token_may_change_nothing(
        self, session: Client, order: dict[str, Any]
    ) -> None:
        answer = post(session, order)
        assert (answer.status_code, error(answer)["code"]) == (403, "csrf_missing")
        assert not Job.objects.exists()

    def test_a_session_with_the_csrf_token_may(
        self, session: Client, order: dict[str, Any]
    ) -> None:
        session.get("/jobs/")
        token = next(cookie for name, cookie in session.cookies.items() if "csrf" in name).value
        assert post(session, order, **{"X-CSRFToken": token}).status_code == 201

    def test_a_bad_token_beside_a_good_session_is_refused(self, session: Client) -> None:
        answer = session.get(f"{ROOT}/jobs", headers={"Authorization": "Bearer pw_nonsense"})
        assert answer.status_code == 401

    def test_a_token_needs_no_csrf_token(self, operator: Caller, order: dict[str, Any]) -> None:
        strict = Client(enforce_csrf_checks=True)
        assert operator.user
        bearer = f"Bearer {tokens.create(operator.user)}"
        assert post(strict, order, Authorization=bearer).status_code == 201

    def test_nobody_is_asked_to_log_in(self) -> None:
        answer = Caller(None).get("/jobs")
        assert (answer.status_code, error(answer)["code"]) == (401, "not_logged_in")
        assert answer["WWW-Authenticate"] == "Bearer"


def post(client: Client, order: dict[str, Any], **headers: str) -> HttpResponse:
    return client.post(f"{ROOT}/jobs", order, content_type="application/json", headers=headers)
