"""Hosts in a network namespace whose link goes down: in a step, in an upload, in a log, and around
a cancel. It comes back when the dead-peer timer has given the connection up long ago."""

import threading
import time
from collections.abc import Iterator
from functools import partial

import pytest

from deploy_tasks import artifacts, commands, failpoints, orders, ssh
from deploy_tasks.models import Event, Game, HostRun, Job
from deploy_tasks.runner import contact, story
from deploy_tasks.ssh import session
from tests.faults.crew import Crew
from tests.faults.island import Island, island
from tests.faults.jobs import RECIPE, is_working, make_game, mira, start, wait_for_end
from tests.faults.world import COUNT, assert_world_ok, left_on
from tests.waiting import until

#: With the tests of the whole product, which have a network of their own: bin/test.
pytestmark = [pytest.mark.ssh, pytest.mark.e2e, pytest.mark.django_db(transaction=True)]

#: Seconds.
TIMER = 1.0

CHATTY = f"""\
recipe: faults
steps:
  - name: talk
    run: |
      {COUNT}
      i=0
      while [ $i -lt 300 ]; do seq 1 400; sleep .01; i=$((i + 1)); done
"""


@pytest.fixture(scope="module")
def sea(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Island]:
    yield from island(tmp_path_factory.mktemp("island") / "fleet", 3)


@pytest.fixture
def fleet(sea: Island, monkeypatch: pytest.MonkeyPatch) -> Iterator[Island]:
    """A link that is silent is asked for a sign of life soon, and nobody naps for long."""
    monkeypatch.setattr(session, "PING_AFTER", TIMER / 2)
    monkeypatch.setattr(session, "ANSWER_WITHIN", TIMER / 2)
    monkeypatch.setattr(story, "LONGEST_NAP", 0.1)
    hasty = partial(ssh.connect, limits=ssh.Limits(channel=2 * TIMER))
    monkeypatch.setattr(contact.ssh, "connect", hasty)
    yield sea
    sea.plug_in()


@pytest.fixture
def game(fleet: Island, crew: Crew, transactional_db: None) -> Game:
    crew.start()
    return make_game(fleet, RECIPE)


def wait_until_away(job: Job) -> None:
    runs = job.host_runs.exclude(link="unreachable")
    until(lambda: not runs.exists(), "all are given up for now", seconds=40)


def begin_slow(game: Game, fleet: Island) -> Job:
    for host in fleet.hosts:
        (host.home / "slow").touch()
        (host.home / "version").write_text("1.0\n")
    job = start(game, rollout={"canary": 0})
    until(lambda: is_working(*fleet.hosts), "they work")
    return job


def links(run: HostRun) -> list[str]:
    events = Event.objects.filter(host_run=run, kind="link").order_by("seq")
    return [(event.data or {})["to"] for event in events]


def test_a_step_goes_on_while_its_host_is_cut_off(game: Game, fleet: Island) -> None:
    job = begin_slow(game, fleet)
    fleet.pull()
    wait_until_away(job)
    for host in fleet.hosts:
        (host.home / "go").touch()
    until(lambda: all((h.home / "version").read_text() == "2.0\n" for h in fleet.hosts), "all end")
    fleet.plug_in()
    wait_for_end(job, "succeeded", seconds=60)
    assert all(
        links(run) == ["connected", "unreachable", "connected"] for run in job.host_runs.all()
    )
    assert_world_ok(fleet, job)


def test_a_question_that_hangs_ends_on_a_host_that_is_cut_off(
    fleet: Island, crew: Crew, transactional_db: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """There sshd knows of nothing, and would wait for hours."""
    monkeypatch.setattr(commands, "ASKED_WITHIN", 2)
    text = RECIPE.replace("current: ", "current: touch asked; [ -e go ] || sleep 60; ")
    game = make_game(fleet, text, fleet.hosts[:1])
    (host,) = fleet.hosts[:1]
    crew.start()
    job = start(game, host)
    until(lambda: any("sleep 1" in line for line in left_on(fleet)), "it takes long", seconds=5)
    fleet.pull()
    (host.home / "go").touch()
    until(lambda: left_on(fleet) == [], "its end", seconds=10)
    fleet.plug_in()
    wait_for_end(job, "succeeded", seconds=60)
    assert_world_ok(fleet, job)


def test_an_upload_that_is_cut_off_is_brought_whole(game: Game, fleet: Island) -> None:
    build = fleet.directory / "large"
    build.write_bytes(bytes(range(256)) * 80_000)
    sha256, size = artifacts.add(build)
    game.releases.update(sha256=sha256, size=size)
    failpoints.at("upload.wanted", fleet.pull, times=2)
    job = start(game, rollout={"canary": 0})
    until(lambda: job.host_runs.filter(link="unreachable").exists(), "it is noticed", seconds=60)
    fleet.plug_in()
    wait_for_end(job, "succeeded", seconds=90)
    for host in fleet.hosts:
        assert (host.home / ".patchwave/artifacts" / sha256).read_bytes() == build.read_bytes()
        assert not list((host.home / ".patchwave/artifacts").glob("*.part"))
    assert_world_ok(fleet, job)


def test_a_log_is_followed_from_the_byte_at_which_it_broke(
    fleet: Island, crew: Crew, transactional_db: None
) -> None:
    game = make_game(fleet, CHATTY)
    crew.start()
    job = start(game, rollout={"canary": 0})
    some = job.host_runs.filter(plan_offset__gte=50_000)
    until(lambda: some.count() == 3, "they talk", seconds=40)
    fleet.pull()
    wait_until_away(job)
    fleet.plug_in()
    wait_for_end(job, "succeeded", seconds=60)
    assert_world_ok(fleet, job)


@pytest.mark.slow
def test_a_flapping_link_costs_nothing_but_time(
    fleet: Island, crew: Crew, transactional_db: None
) -> None:
    """Shorter than the timer, so that TCP itself mends it, and longer."""
    game = make_game(fleet, CHATTY)
    crew.start()
    job = start(game, rollout={"canary": 0})
    over = threading.Event()

    def flap() -> None:
        for down in (0.2, 0.6, 1.4, 0.3, 2.0):
            if over.wait(0.5):
                return
            fleet.pull()
            time.sleep(down)
            fleet.plug_in()

    flapping = threading.Thread(target=flap)
    flapping.start()
    try:
        wait_for_end(job, "succeeded", seconds=60)
    finally:
        over.set()
        flapping.join()
    assert_world_ok(fleet, job)


@pytest.mark.parametrize(
    "when", ["while it is passed on", pytest.param("before it", marks=pytest.mark.slow)]
)
def test_a_cancel_reaches_hosts_when_the_link_is_back(when: str, game: Game, fleet: Island) -> None:
    job = begin_slow(game, fleet)
    if when == "before it":
        fleet.pull()
    else:
        failpoints.at("wish.sent", fleet.pull)
    orders.cancel(job, by=mira())
    until(lambda: job.host_runs.filter(link="unreachable").exists(), "noticed", seconds=40)
    held = job.host_runs.filter(link="unreachable")
    assert set(held.values_list("state", "holds_host")) == {("running", True)}
    fleet.plug_in()
    wait_for_end(job, "cancelled", seconds=90)
    assert set(job.host_runs.values_list("state", flat=True)) == {"rolled_back"}
    assert_world_ok(fleet, job)
