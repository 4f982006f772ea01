"""What hosts printed, in pieces and whole."""

from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from deploy_tasks.models import Game, HostRun
from tests import factories
from tests.api import Caller
from tests.job_api.jobs import body, printed

pytestmark = pytest.mark.django_db


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
