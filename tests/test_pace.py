"""How long steps take, who is slow, and what is left."""

import pytest
from pytest_django import DjangoAssertNumQueries

from deploy_tasks.models import HostRun, Job
from deploy_tasks.states import HostRunState, JobState
from tests import scenes
from webapp import recent
from webapp.pace import Rest, Usual, left, outlook, pace


def test_what_is_usual_is_told_by_the_middle_and_by_nearly_all() -> None:
    usual = Usual.of([float(n) for n in range(1, 101)])
    assert usual == Usual(50.5, 95.0, 100)
    assert Usual.of([]) is None


@pytest.mark.parametrize(
    ("spans", "seconds", "slow"),
    [
        ([10.0] * 20, 29.0, False),
        ([10.0] * 20, 31.0, True),
        ([0.1] * 20, 4.0, False),
        ([10.0] * 18 + [50.0] * 2, 40.0, False),
        ([10.0] * 4, 1000.0, False),
    ],
)
def test_slow_is_who_takes_much_longer_than_nearly_all(
    spans: list[float], seconds: float, slow: bool
) -> None:
    usual = Usual.of(spans)
    assert usual
    assert usual.is_slow(seconds) is slow


@pytest.mark.parametrize(
    ("rests", "seconds"),
    [
        ([], 0),
        ([Rest(0, [5.0, 20.0])], 20),
        ([Rest(4, [])], 20),
        ([Rest(2, [5.0, 10.0])], 20),
        ([Rest(1, [5.0, 10.0])], 15),
        ([Rest(0, [5.0], soak=60.0), Rest(2, [], soak=30.0)], 5 + 10 + 60),
    ],
)
def test_what_is_left_goes_batch_after_batch(rests: list[Rest], seconds: float) -> None:
    assert left(rests, host=10.0, parallel=2) == seconds


@pytest.mark.django_db
class TestOfAJob:
    @pytest.fixture
    def job(self) -> Job:
        return scenes.midway(scenes.game("paper", hosts=120))

    def test_a_jobs_own_hosts_say_how_long_steps_take(self, job: Job) -> None:
        told = {step["step"]: step for step in pace(job)["steps"]}
        assert told["health"]["p50"] == pytest.approx(38)
        assert told["unpack"]["failed"] == 2
        running = HostRun.objects.filter(job=job, state=HostRunState.RUNNING).count()
        assert sum(step["running"] for step in told.values()) == running

    def test_who_takes_much_longer_is_named(self, job: Job) -> None:
        slow = HostRun.objects.filter(job=job, name__in=pace(job)["slow"])
        assert slow
        assert all(run.position % scenes.SLOW == 0 for run in slow)

    def test_how_long_it_takes_is_told_only_where_it_is_known(self, job: Job) -> None:
        assert pace(job)["left"] is None, "the outcome of a host is unknown"
        job.host_runs.filter(state=HostRunState.UNKNOWN).update(
            state=HostRunState.SUCCEEDED, holds_host=False
        )
        assert (pace(job)["left"] or 0) > 60
        job.state = JobState.HALTED
        assert pace(job)["left"] is None

    def test_nobody_knows_how_long_those_take_that_hang(self, job: Job) -> None:
        done = {"state": HostRunState.SUCCEEDED, "holds_host": False}
        job.host_runs.filter(state=HostRunState.UNKNOWN).update(**done)
        going = job.host_runs.filter(state=HostRunState.RUNNING)
        current = job.host_runs.filter(batch=going[0].batch)
        current.exclude(name__in=pace(job)["slow"]).update(**done)
        assert going
        assert job.host_runs.filter(state=HostRunState.WAITING)
        assert pace(job)["left"] is None

    def test_who_asks_again_at_once_is_told_what_was_worked_out_just_now(
        self,
        job: Job,
        monkeypatch: pytest.MonkeyPatch,
        django_assert_num_queries: DjangoAssertNumQueries,
    ) -> None:
        monkeypatch.setattr(recent, "FRESH", 3600)
        told = outlook(job)
        with django_assert_num_queries(0):
            assert outlook(job) == told

    def test_earlier_jobs_say_it_where_a_job_has_only_begun(self, job: Job) -> None:
        later = _begun_after(job)
        told = {step["step"]: step for step in pace(later)["steps"]}
        assert (told["health"]["hosts"], told["health"]["p50"]) == (0, pytest.approx(38))


def _begun_after(job: Job) -> Job:
    return Job.objects.create(
        game=job.game,
        release=job.release,
        revision=job.revision,
        rollout=job.rollout,
        state=JobState.RUNNING,
        by_name="mira",
    )
