"""A soak that keeps asking, and takes a success back."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.conf import LazySettings
from django.utils import timezone

from demo.fleet import Fleet
from deploy_tasks import bells, clock, conductor, orders, revisions, soaking
from deploy_tasks.errors import HostFailed, LinkLost
from deploy_tasks.models import Attempt, Event, Game, HostRun, Job
from deploy_tasks.states import Gate, HostRunState, JobState
from tests import factories
from tests.faults.jobs import start
from tests.runner.world import Worker, ended, game, story, workers
from tests.waiting import until

__all__ = ["game", "workers"]

RECIPE = """\
recipe: healthy
current: cat version 2>/dev/null || true
on_failure: undo
steps:
  - name: stop
    disruptive: true
    run: echo stop >>count
    undo: echo undo-stop >>count
  - name: start
    run: echo "$version" >version
    undo: echo "$previous" >version
  - name: health
    wait: {run: 'test ! -e ill || { cat ill; exit 7; }', every: 100ms, stable_for: 100ms}
"""


@pytest.fixture
def rung(monkeypatch: pytest.MonkeyPatch) -> dict[str, list[int]]:
    found: dict[str, list[int]] = {"probes": [], "runs": []}
    monkeypatch.setattr(bells, "ring_probes", found["probes"].extend)
    monkeypatch.setattr(bells, "ring_host_runs", found["runs"].extend)
    return found


Answers = list[str | Exception]


@pytest.fixture
def answers(monkeypatch: pytest.MonkeyPatch) -> Answers:
    """What hosts say to the next probes; the last one stands."""
    left: Answers = [""]

    def ask(run: HostRun, recipe: Any) -> str:
        answer = left.pop(0) if len(left) > 1 else left[0]
        if isinstance(answer, Exception):
            raise answer
        return answer

    monkeypatch.setattr(soaking, "_ask", ask)
    return left


@pytest.fixture
def job() -> Job:
    """Two hosts of a batch were updated, and the batch soaks."""
    job = factories.job(
        factories.game("squid", text=RECIPE),
        hosts=2,
        state=JobState.RUNNING,
        started_at=timezone.now(),
        rollout={"soak": 60},
    )
    job.batches.update(gate=Gate.SOAKING, soak_until=timezone.now() + timedelta(minutes=1))
    job.host_runs.update(state=HostRunState.SUCCEEDED, holds_host=False, step=3, version="2.0")
    return job


def first(job: Job) -> HostRun:
    return job.host_runs.order_by("position")[0]


@pytest.mark.django_db
class TestWhoseTurn:
    def test_each_host_of_a_soaking_batch_is_asked_in_turn_and_once(
        self, job: Job, rung: dict[str, list[int]]
    ) -> None:
        soaking.ring_due()
        soaking.ring_due()
        assert rung["probes"] == [run.pk for run in job.host_runs.order_by("position")]
        job.host_runs.update(probed_at=clock.now() - soaking.EVERY - timedelta(seconds=1))
        rung["probes"].clear()
        soaking.ring_due()
        assert len(rung["probes"]) == 2

    @pytest.mark.parametrize("gate", [Gate.CLOSED, Gate.WAITING, Gate.OPEN])
    def test_no_other_batch_is_asked(
        self, job: Job, rung: dict[str, list[int]], gate: Gate
    ) -> None:
        job.batches.update(gate=gate, soak_until=None)
        soaking.ring_due()
        assert rung["probes"] == []

    @pytest.mark.parametrize(
        "change", [{"cancelled": True}, {"state": JobState.FAILED}, {"state": JobState.CANCELLED}]
    )
    def test_a_job_that_is_over_or_cancelled_asks_no_more(
        self, job: Job, rung: dict[str, list[int]], change: dict[str, Any]
    ) -> None:
        Job.objects.update(**change)
        soaking.ring_due()
        assert rung["probes"] == []

    def test_a_host_that_was_skipped_or_has_failed_is_not_asked(
        self, job: Job, rung: dict[str, list[int]]
    ) -> None:
        a, b = job.host_runs.order_by("position")
        HostRun.objects.filter(pk=a.pk).update(state=HostRunState.SKIPPED)
        HostRun.objects.filter(pk=b.pk).update(state=HostRunState.FAILED)
        soaking.ring_due()
        assert rung["probes"] == []


@pytest.mark.django_db
class TestWhatFollows:
    def probe(self, run: HostRun, times: int = 1) -> HostRun:
        for _n in range(times):
            soaking.probe(run.pk)
        run.refresh_from_db()
        return run

    def test_a_host_that_stays_well_keeps_its_success(self, job: Job, answers: Answers) -> None:
        assert self.probe(first(job), 9).state == HostRunState.SUCCEEDED
        assert not Event.objects.exists()

    def test_a_hiccup_takes_nothing_back_and_is_told(self, job: Job, answers: Answers) -> None:
        answers[:] = ["exit 7", "exit 7", "", "exit 7", "exit 7"]
        run = self.probe(first(job), 5)
        assert (run.state, run.ill) == (HostRunState.SUCCEEDED, 2)
        notes = Event.objects.filter(kind="note").order_by("seq")
        assert [event.data["text"] for event in notes][:2] == [
            "not well, 1 of 3 times: exit 7",
            "not well, 2 of 3 times: exit 7",
        ]

    @pytest.mark.django_db(transaction=True)
    def test_ill_three_times_in_a_row_it_loses_its_success(
        self, job: Job, answers: Answers, rung: dict[str, list[int]]
    ) -> None:
        answers[:] = ["exit 7"]
        before = first(job)
        run = self.probe(first(job), 3)
        assert (run.state, run.holds_host, run.ended_at) == (HostRunState.QUEUED, True, None)
        assert run.error == "it was updated, and then fell over: exit 7"
        assert run.fence == before.fence + 1
        assert run.step == 2, "a retry begins at its health"
        assert rung["runs"] == [run.pk]
        told = Event.objects.get(kind="host").data
        assert told == {"to": "queued", "reason": run.error, "error": run.error}
        self.probe(run)
        assert HostRun.objects.get(pk=run.pk).state == HostRunState.QUEUED

    @pytest.mark.django_db(transaction=True)
    def test_a_host_that_was_taken_back_is_not_said_to_have_been_updated(
        self, job: Job, answers: Answers, rung: dict[str, list[int]]
    ) -> None:
        answers[:] = ["exit 7"]
        updated = HostRun.objects.exclude(pk=first(job).pk).first()
        HostRun.objects.filter(pk=first(job).pk).update(undoes=updated)
        run = self.probe(first(job), 3)
        assert run.error == "it was taken back, and then fell over: exit 7"

    def test_a_host_that_a_newer_job_has_updated_is_not_taken_back(
        self, job: Job, answers: Answers
    ) -> None:
        """It says another version for good reason."""
        answers[:] = ["the host says 3.0"]
        hotfix = factories.job(job.game, state=JobState.SUCCEEDED)
        later = HostRun.objects.create(
            job=hotfix, host=first(job).host, state=HostRunState.SUCCEEDED, holds_host=False
        )
        Attempt.objects.create(host_run=later, uid="p.1", step=0, name="stop", number=1)
        run = self.probe(first(job), 3)
        assert (run.state, run.ill) == (HostRunState.SUCCEEDED, 0)

    @pytest.mark.parametrize(
        "silence", [LinkLost("gone"), HostFailed("refused"), TimeoutError("late")]
    )
    def test_a_host_that_cannot_be_asked_has_said_nothing(
        self, job: Job, answers: Answers, silence: Exception
    ) -> None:
        answers[:] = ["exit 7", "exit 7", silence]
        assert self.probe(first(job), 9).state == HostRunState.SUCCEEDED

    def test_what_is_found_after_the_soak_changes_nothing(
        self, job: Job, answers: Answers, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        HostRun.objects.update(ill=2)

        def late(run: HostRun, recipe: Any) -> str:
            job.batches.update(gate=Gate.OPEN, soak_until=None)
            return "exit 7"

        monkeypatch.setattr(soaking, "_ask", late)
        assert self.probe(first(job)).state == HostRunState.SUCCEEDED

    def test_a_host_that_another_job_has_by_now_is_left_to_it(
        self, job: Job, answers: Answers
    ) -> None:
        run = first(job)
        other = factories.job(job.game)
        other.host_runs.create(host=run.host, name=run.name)
        answers[:] = ["exit 7"]
        assert self.probe(run, 3).state == HostRunState.SUCCEEDED

    def test_it_counts_against_the_budget(
        self, job: Job, answers: Answers, rung: dict[str, list[int]]
    ) -> None:
        factories.batch(job, 2)
        later = factories.host(job.game)
        job.host_runs.create(host=later, name=later.name, batch=2, position=2)
        Job.objects.update(rollout={"soak": 60, "max_failed": 0})
        answers[:] = ["exit 7"]
        run = self.probe(first(job), 3)
        conductor.conduct(job.pk)
        assert Job.objects.get().state == JobState.RUNNING, "its end is not known yet"
        HostRun.objects.filter(pk=run.pk).update(state=HostRunState.FAILED, holds_host=False)
        conductor.conduct(job.pk)
        job.refresh_from_db()
        assert (job.state, job.reason) == ("halted", "1 host failed, at most 0 may")
        assert job.host_runs.get(batch=2).state == HostRunState.WAITING


def test_health_is_the_last_wait() -> None:
    text = RECIPE + "  - {name: tidy, run: 'true'}\n"
    recipe = revisions._recipe(text)
    assert soaking.health(recipe) == 2
    assert soaking.health(revisions._recipe(factories.RECIPE)) is None


@pytest.mark.ssh
@pytest.mark.django_db(transaction=True)
class TestRealHosts:
    @pytest.fixture
    def quick(self, monkeypatch: pytest.MonkeyPatch, settings: LazySettings) -> None:
        monkeypatch.setattr(soaking, "EVERY", timedelta(seconds=0.2))
        monkeypatch.setattr(bells, "ring_probes", lambda ids: [soaking.probe(pk) for pk in ids])

    def become_healthy(self, game: Game, on_failure: str = "on_failure: undo") -> None:
        text = RECIPE.replace("on_failure: undo", on_failure)
        game.recipe.revisions.create(number=2, text=text, sha256="0" * 64)

    def soaks(self, job: Job) -> Callable[[], bool]:
        return lambda: job.batches.filter(gate=Gate.SOAKING).exists()

    def test_a_game_that_falls_over_in_its_soak_is_taken_back(
        self, game: Game, fleet: Fleet, workers: list[Worker], quick: None
    ) -> None:
        self.become_healthy(game)
        host = fleet.hosts[0]
        (host.home / "version").write_text("1.0\n")
        job = start(game, hosts=[host.name], rollout={"soak": 600})
        until(self.soaks(job), "the batch soaks")
        (host.home / "ill").write_text("the world is gone\n")
        until(ended(job, "failed"), "the job has failed")
        run = job.host_runs.get()
        assert (run.state, run.down) == ("rolled_back", False)
        assert "fell over: step “health” ended with exit status 7: the world is gone" in run.error
        assert (host.home / "version").read_text() == "1.0\n"
        assert (host.home / "count").read_text() == "stop\nundo-stop\n"
        assert "succeeded" in story(job, host.name)[:-1]
        assert story(job, host.name)[-1] == "rolled_back"

    def test_another_version_than_the_jobs_is_not_well(
        self, game: Game, fleet: Fleet, workers: list[Worker], quick: None
    ) -> None:
        self.become_healthy(game, "on_failure: stop")
        host = fleet.hosts[0]
        job = start(game, hosts=[host.name], rollout={"soak": 600})
        until(self.soaks(job), "the batch soaks")
        (host.home / "version").write_text("0.9\n")
        until(ended(job, "failed"), "the job has failed")
        run = job.host_runs.get()
        assert (run.state, run.down) == ("failed", True)
        assert "the host says 0.9" in run.error

    def test_a_host_that_was_taken_back_is_well_with_what_it_had_before(
        self, game: Game, fleet: Fleet, workers: list[Worker]
    ) -> None:
        self.become_healthy(game)
        host = fleet.hosts[0]
        (host.home / "version").write_text("1.0\n")
        job = start(game, hosts=[host.name])
        until(ended(job, "succeeded"), "the job has succeeded")
        Job.objects.filter(pk=job.pk).update(rollout=job.rollout | {"soak": 600})
        back, _ = orders.rollback(job, by=factories.user("jonas"))
        until(self.soaks(back), "what was taken back soaks")
        run = back.host_runs.get()
        soaking.probe(run.pk)
        assert HostRun.objects.get(pk=run.pk).ill == 0
        (host.home / "version").write_text("2.0\n")
        soaking.probe(run.pk)
        assert HostRun.objects.get(pk=run.pk).ill == 1
