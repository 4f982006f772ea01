"""Orders about a job that is there."""

from typing import Any

import pytest

from deploy_tasks.models import AuditEntry, Event, Game, HostRun, Job
from deploy_tasks.states import HostRunState
from tests import factories
from tests.api import Caller, error
from tests.job_api.jobs import ended

pytestmark = pytest.mark.django_db


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
