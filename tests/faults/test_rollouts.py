"""Rollouts on real hosts, with a worker killed in the middle of each.

What is allowed is read from the hosts' own timelines: each step writes down when its host went down
and came up again, on the one clock that all of them share.
"""

import itertools
from collections.abc import Sequence

import pytest

from demo.fleet import Fleet, FleetHost
from deploy_tasks import orders
from deploy_tasks.models import Credential, Game, Host, Job, Machine
from deploy_tasks.states import Pause
from tests import factories
from tests.faults.crew import Crew, Nursery
from tests.faults.jobs import make_game, mira, start, wait_for_end
from tests.waiting import until

pytestmark = [pytest.mark.ssh, pytest.mark.django_db(transaction=True)]

NOW = "read -r up _ </proc/uptime"
RECIPE = f"""\
recipe: timeline
current: cat version 2>/dev/null || echo 1.0
steps:
  - name: stage
    repeat: safe
    run: |
      {NOW}; echo "stage $up" >>timeline
      while [ -e slow-stage ]; do sleep .02; done
  - name: stop
    disruptive: true
    repeat: safe
    run: {NOW}; echo "down $up" >>timeline
    undo: {NOW}; echo "up $up" >>timeline
  - name: work
    repeat: safe
    run: |
      touch working
      while [ -e slow ] && [ ! -e go ]; do sleep .02; done
      if [ -e broken ]; then exit 2; fi
      sleep .2
  - name: start
    repeat: safe
    run: echo "$version" >version; {NOW}; echo "up $up" >>timeline
    undo: echo "$previous" >version; {NOW}; echo "down $up" >>timeline
"""


def timeline(host: FleetHost) -> list[tuple[float, str]]:
    path = host.home / "timeline"
    lines = path.read_text().split("\n")[:-1] if path.exists() else []
    return [(float(at), what) for what, at in (line.split(" ") for line in lines)]


def touched(hosts: Sequence[FleetHost]) -> list[str]:
    return [host.name for host in hosts if timeline(host)]


def went_down(hosts: Sequence[FleetHost]) -> list[str]:
    return [h.name for h in hosts if any(what == "down" for _at, what in timeline(h))]


def most_down(hosts: Sequence[FleetHost]) -> int:
    """The most hosts that were down in one moment. A step that was repeated counts once."""
    moments = sorted((at, h.name, what) for h in hosts for at, what in timeline(h))
    down: set[str] = set()
    most = 0
    for _at, name, what in moments:
        if what == "down":
            down.add(name)
        elif what == "up":
            down.discard(name)
        most = max(most, len(down))
    return most


@pytest.fixture
def game(fleet: Fleet, transactional_db: None) -> Game:
    return make_game(fleet, RECIPE)


def kill_one_in_the_middle(nursery: Nursery, host: FleetHost, crew: Crew) -> None:
    """A worker has ``host`` in hand when it is killed; another one takes over."""
    doomed = nursery.worker()
    until(lambda: (host.home / "working").exists(), "it works", seconds=20)
    doomed.end()
    crew.start()
    (host.home / "go").touch()


def slow(*hosts: FleetHost) -> None:
    for host in hosts:
        (host.home / "slow").touch()


def test_a_failing_canary_leaves_everybody_else_alone(
    game: Game, fleet: Fleet, nursery: Nursery, crew: Crew
) -> None:
    canary, *others = fleet.hosts
    slow(canary)
    (canary.home / "broken").touch()
    job = start(game, rollout={"canary": 1, "max_failed": 3})
    kill_one_in_the_middle(nursery, canary, crew)
    wait_for_end(job, "halted")
    assert job.reason == "a canary host failed"
    assert touched(fleet.hosts) == [canary.name]
    # Mended, it opens the rest.
    (canary.home / "broken").unlink()
    orders.retry(job, by=mira())
    wait_for_end(job, "succeeded")
    assert went_down(others) == [host.name for host in others]


def test_a_budget_that_is_spent_at_the_end_of_a_batch_opens_no_other(
    game: Game, fleet: Fleet, nursery: Nursery, crew: Crew
) -> None:
    first, second, *later = fleet.hosts
    slow(first)
    for host in (first, second):
        (host.home / "broken").touch()
    job = start(game, rollout={"batches": [2, "repeat"], "max_failed": 1, "parallel": 1})
    kill_one_in_the_middle(nursery, first, crew)
    wait_for_end(job, "halted")
    assert job.reason == "2 hosts failed, at most 1 may"
    assert touched(later) == []
    assert most_down(fleet.hosts) == 2, "both are left down, and are named first"
    assert job.host_runs.filter(down=True).count() == 2


def test_a_pause_in_the_middle_of_a_batch_touches_nobody_more(
    game: Game, fleet: Fleet, nursery: Nursery, crew: Crew
) -> None:
    first, *others = fleet.hosts
    slow(first)
    job = start(game, rollout={"parallel": 1})
    doomed = nursery.worker()
    until(lambda: (first.home / "working").exists(), "it works", seconds=20)
    orders.pause(job, by=mira(), after=Pause.HOST)
    doomed.end()
    crew.start()
    (first.home / "go").touch()
    until(lambda: job.host_runs.filter(state="succeeded").exists(), "it ends", seconds=20)
    until(lambda: Job.objects.get(pk=job.pk).state == "paused", "the job stands still")
    assert touched(others) == []
    orders.resume(job, by=mira())
    wait_for_end(job, "succeeded")
    assert most_down(fleet.hosts) == 1


def on_one_machine(*games: Game) -> None:
    Host.objects.filter(game__in=games).update(machine=Machine.objects.create(name="box"))


def share(fleet: Fleet, game: Game, text: str = RECIPE) -> Game:
    """A second game, which gets every other host."""
    chess = factories.game("chess", text=text.replace("recipe: timeline", "recipe: chess"))
    factories.release(chess)
    for host in fleet.hosts[::2]:
        Host.objects.filter(name=host.name).update(game=chess)
    Credential.objects.get().games.add(chess)
    return chess


def test_two_jobs_that_share_a_machine_take_turns_on_it(
    game: Game, fleet: Fleet, nursery: Nursery, crew: Crew
) -> None:
    chess = share(fleet, game)
    on_one_machine(game, chess)
    squids, chessmen = fleet.hosts[1::2], fleet.hosts[::2]
    slow(squids[0])
    limited = start(game, *squids, rollout={"per_machine": 1})
    doomed = nursery.worker()
    until(lambda: (squids[0].home / "working").exists(), "it works", seconds=20)
    # One without limits of its own keeps to those of the other.
    free = start(chess, *chessmen, rollout={"parallel": 1})
    until(lambda: len(touched(chessmen)) == 1, "the other game has staged", seconds=20)
    doomed.end()
    crew.start()
    (squids[0].home / "go").touch()
    wait_for_end(limited, "succeeded", seconds=60)
    wait_for_end(free, "succeeded", seconds=60)
    assert most_down(fleet.hosts) == 1
    assert len(went_down(fleet.hosts)) == len(fleet.hosts)


def test_hosts_that_share_an_installation_are_under_way_one_after_the_other(
    fleet: Fleet, nursery: Nursery, crew: Crew, transactional_db: None
) -> None:
    """From the first step to the last, of whichever job, also over a worker's death."""
    shared = "vars: {root: {type: path, default: /srv/game}}\nlock: root\nsteps:\n"
    text = RECIPE.replace("steps:\n", shared)
    game = make_game(fleet, text)
    chess = share(fleet, game, text)
    on_one_machine(game, chess)
    first = fleet.hosts[1]
    slow(first)
    jobs = [start(game, *fleet.hosts[1::2], rollout={"canary": 0})]
    doomed = nursery.worker()
    until(lambda: (first.home / "working").exists(), "it works", seconds=20)
    jobs.append(start(chess, *fleet.hosts[::2], rollout={"canary": 0}))
    doomed.end()
    crew.start()
    until(lambda: jobs[1].host_runs.filter(reason__contains="share an installation"), "they wait")
    (first.home / "go").touch()
    for job in jobs:
        wait_for_end(job, "succeeded")
    under_way = sorted([at for at, _what in timeline(host)] for host in fleet.hosts)
    assert all(before[-1] <= after[0] for before, after in itertools.pairwise(under_way))


def test_two_workers_at_once_keep_the_floor_of_two_jobs(
    game: Game, fleet: Fleet, nursery: Nursery, nobody: None
) -> None:
    """One of the two is killed while both of them carry hosts of both jobs."""
    Host.objects.update(labels={"region": "eu"})
    slow(*fleet.hosts)
    floor = {"max_down": {"region": 1}}
    jobs = [start(game, *hosts, rollout=floor) for hosts in (fleet.hosts[:2], fleet.hosts[2:])]
    doomed, _other = nursery.worker(), nursery.worker()
    until(lambda: len(touched(fleet.hosts)) == len(fleet.hosts), "all have staged", seconds=20)
    doomed.end()
    for host in fleet.hosts:
        (host.home / "go").touch()
    for job in jobs:
        wait_for_end(job, "succeeded", seconds=60)
    assert most_down(fleet.hosts) == 1
    assert len(went_down(fleet.hosts)) == len(fleet.hosts)


def test_a_host_that_stays_down_keeps_its_place_until_its_retry_has_brought_it_up(
    game: Game, fleet: Fleet, nursery: Nursery, crew: Crew
) -> None:
    Host.objects.update(labels={"region": "eu"})
    first, *others = fleet.hosts
    slow(first)
    (first.home / "broken").touch()
    job = start(game, rollout={"max_down": {"region": "25%"}, "parallel": 1})
    kill_one_in_the_middle(nursery, first, crew)
    until(lambda: job.host_runs.filter(down=True).exists(), "one is left down", seconds=20)
    until(lambda: job.host_runs.filter(reason__startswith="waits: ").exists(), "the next one waits")
    assert len(touched(others)) == 1, "it has staged"
    assert went_down(others) == []
    (first.home / "broken").unlink()
    orders.retry(job, by=mira())
    wait_for_end(job, "succeeded", seconds=60)
    assert most_down(fleet.hosts) == 1
    assert went_down(others) == [host.name for host in others]


def test_a_job_is_rolled_back_as_carefully_as_it_came(
    game: Game, fleet: Fleet, nursery: Nursery, crew: Crew
) -> None:
    Host.objects.update(labels={"region": "eu"})
    slow(fleet.hosts[0])
    job = start(game, rollout={"canary": 1, "max_down": {"region": 1}})
    kill_one_in_the_middle(nursery, fleet.hosts[0], crew)
    wait_for_end(job, "succeeded", seconds=60)
    for host in fleet.hosts:
        (host.home / "timeline").unlink()
    back, _ = orders.rollback(job, by=mira())
    wait_for_end(back, "succeeded", seconds=60)
    assert most_down(fleet.hosts) == 1
    for host in fleet.hosts:
        assert (host.home / "version").read_text() == "1.0\n"
        assert [what for _at, what in timeline(host)] == ["down", "up"]


def test_nobody_goes_down_before_the_switch_whoever_dies_meanwhile(
    game: Game, fleet: Fleet, nursery: Nursery, crew: Crew
) -> None:
    first, *others = fleet.hosts
    for host in fleet.hosts:
        (host.home / "slow-stage").touch()
    order = {"stage": "ahead", "canary": 1, "batches": [2, "repeat"], "parallel": 1}
    job = start(game, rollout=order)
    staging = nursery.worker()
    until(lambda: len(touched(fleet.hosts)) == len(fleet.hosts), "all are staging", seconds=20)
    staging.end()
    for host in fleet.hosts:
        (host.home / "slow-stage").unlink()
    switching = nursery.worker()
    wait_for_end(job, "paused", seconds=60)
    assert set(job.host_runs.values_list("state", flat=True)) == {"staged"}
    assert [what for host in fleet.hosts for _at, what in timeline(host)] == ["stage"] * len(
        fleet.hosts
    ), "what the dead worker had begun is not begun again"
    slow(first)
    orders.switch(job, by=mira())
    until(lambda: (first.home / "working").exists(), "the canary works", seconds=20)
    assert went_down(others) == []
    switching.end()
    crew.start()
    (first.home / "go").touch()
    wait_for_end(job, "succeeded", seconds=60)
    assert most_down(fleet.hosts) == 1
    for host in fleet.hosts:
        assert [what for _at, what in timeline(host)] == ["stage", "down", "up"]


def test_a_budget_that_is_spent_at_the_switch_leaves_the_staged_ones_up(
    game: Game, fleet: Fleet, nursery: Nursery, crew: Crew
) -> None:
    canary, *others = fleet.hosts
    slow(canary)
    (canary.home / "broken").touch()
    crew.start()
    job = start(game, rollout={"stage": "ahead", "canary": 1})
    wait_for_end(job, "paused", seconds=60)
    orders.switch(job, by=mira())
    until(lambda: (canary.home / "working").exists(), "the canary works", seconds=20)
    (canary.home / "go").touch()
    wait_for_end(job, "halted")
    assert went_down(fleet.hosts) == [canary.name]
    back, _ = orders.rollback(job, by=mira())
    wait_for_end(back, "succeeded", seconds=60)
    wait_for_end(job, "cancelled", seconds=60)
    assert went_down(others) == []
    assert not job.host_runs.filter(holds_host=True).exists()


def test_a_failed_canary_is_taken_back_by_itself_and_nobody_else_is_touched(
    game: Game, fleet: Fleet, nursery: Nursery, crew: Crew
) -> None:
    canary, *others = fleet.hosts
    slow(canary)
    (canary.home / "broken").touch()
    job = start(game, rollout={"canary": 1, "gate": "manual", "on_halt": "rollback"})
    kill_one_in_the_middle(nursery, canary, crew)
    wait_for_end(job, "cancelled", seconds=60)
    back = Job.objects.get(rolls_back=job)
    wait_for_end(back, "succeeded", seconds=60)
    assert [what for _at, what in timeline(canary)] == ["stage", "down", "up"]
    assert touched(others) == []
    assert Job.objects.count() == 2


HEALTHY = f"""\
{RECIPE}\
  - name: health
    wait:
      run: |
        {NOW}
        touch probes
        if [ -e flaps ] && [ $(($(wc -l <probes) % 3)) = 2 ]; then
          echo "bad $up" >>probes
          exit 1
        fi
        if [ -e ill ]; then echo "bad $up" >>probes; exit 1; fi
        echo "good $up" >>probes
      every: 200ms
      stable_for: 1s
      at_most: 3s
    repeat: safe
"""


@pytest.fixture
def watched_game(fleet: Fleet, transactional_db: None) -> Game:
    return make_game(fleet, HEALTHY)


def probes(host: FleetHost) -> list[tuple[float, str]]:
    lines = (host.home / "probes").read_text().split("\n")[:-1]
    return [(float(at), what) for what, at in (line.split(" ") for line in lines)]


def test_a_host_that_flaps_is_not_well_and_opens_nothing(
    watched_game: Game, fleet: Fleet, nursery: Nursery, crew: Crew
) -> None:
    canary, *others = fleet.hosts
    (canary.home / "flaps").touch()
    job = start(watched_game, rollout={"canary": 1})
    doomed = nursery.worker()
    until(lambda: (canary.home / "probes").exists(), "it is probed", seconds=20)
    doomed.end()
    crew.start()
    wait_for_end(job, "halted")
    assert touched(others) == []
    flapping = probes(canary)
    assert {"good", "bad"} == {what for _at, what in flapping}
    (canary.home / "flaps").unlink()
    orders.retry(job, by=mira())
    wait_for_end(job, "succeeded", seconds=60)
    settled = [at for at, what in probes(canary)[len(flapping) :] if what == "good"]
    # A second from before the first one was asked to after the last: what they note lies within.
    assert settled[-1] - settled[0] >= 0.5, "it was well as long as the recipe wants"


def test_a_hiccup_in_a_soak_is_forgiven_and_a_fall_is_not(
    watched_game: Game, fleet: Fleet, nursery: Nursery, crew: Crew
) -> None:
    """Both while the worker that probes is killed."""
    canary, *others = fleet.hosts
    job = start(
        watched_game, rollout={"canary": 1, "batches": [1, "100%"], "soak": "5m", "max_failed": 0}
    )
    doomed = nursery.worker()
    until(lambda: job.batches.filter(n=1, gate="soaking").exists(), "the canary soaks", seconds=30)
    (canary.home / "flaps").touch()
    asked = len(probes(canary))
    until(lambda: len(probes(canary)) > asked + 2, "it is asked while it flaps", seconds=20)
    doomed.end()
    crew.start()
    asked = len(probes(canary))
    until(lambda: len(probes(canary)) > asked + 3, "the next worker asks as well", seconds=20)
    assert job.host_runs.get(name=canary.name).state == "succeeded"
    orders.promote(job, by=mira())
    second = others[0]
    until(lambda: job.batches.filter(n=2, gate="soaking").exists(), "it soaks", seconds=30)
    (second.home / "ill").touch()
    job.refresh_from_db()
    wait_for_end(job, "halted", seconds=60)
    fallen = job.host_runs.get(state="failed")
    assert fallen.name == second.name
    assert "it was updated, and then fell over" in fallen.error
    assert touched(others[1:]) == []
