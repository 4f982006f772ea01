"""Jobs are started."""

import json
from typing import Any

import pytest

from deploy_tasks.models import AuditEntry, Game, Job
from tests import factories
from tests.api import ROOT, Caller, error

pytestmark = pytest.mark.django_db


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
