"""What happened in a job, in its order."""

import io
import json
import zipfile
from typing import Any

import pytest

from deploy_tasks import journal
from deploy_tasks.journal import News
from deploy_tasks.models import Event, Game
from tests import factories
from tests.api import Caller, error
from tests.job_api.jobs import body, printed

pytestmark = pytest.mark.django_db


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
