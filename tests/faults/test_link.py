"""R24-R30: the connection is cut, frozen or refused at the worst moments; the host's step is not
the connection's, and whoever comes back finds it."""

import random
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from demo.fleet import Fleet, FleetHost
from deploy_tasks import artifacts, failpoints, orders, ssh
from deploy_tasks.models import Event, Game, HostRun, Job
from deploy_tasks.runner import contact, following
from deploy_tasks.ssh import session
from deploy_tasks.states import Pause
from tests.faults.crew import Crew
from tests.faults.jobs import RECIPE, is_working, make_game, mira, start, wait_for_end
from tests.faults.line import Line
from tests.faults.world import COUNT, assert_world_ok, left_on, started
from tests.strangers import Stranger
from tests.waiting import until

pytestmark = [pytest.mark.ssh, pytest.mark.django_db(transaction=True)]

CHATTY = f"""\
recipe: faults
steps:
  - name: talk
    run: |
      {COUNT}
      i=0
      while [ $i -lt 40 ]; do head -c 9973 "$HOME/noise"; i=$((i + 1)); done
  - name: talk-on
    run: |
      {COUNT}
      cat "$HOME/noise"
"""


@pytest.fixture
def line(fleet: Fleet) -> Iterator[Line]:
    with Line(fleet.hosts[0]) as line:
        yield line


@pytest.fixture
def far_game(game: Game, fleet: Fleet, line: Line, crew: Crew) -> Game:
    """The first host is reached over the line; a dead one is noticed soon."""
    crew.start()
    game.hosts.filter(name=fleet.hosts[0].name).update(address=line.address, port=line.port)
    return game


@pytest.fixture
def wary(monkeypatch: pytest.MonkeyPatch) -> None:
    """A link that is silent is asked for a sign of life after half a second, not after 20."""
    monkeypatch.setattr(session, "PING_AFTER", 0.5)
    monkeypatch.setattr(session, "ANSWER_WITHIN", 0.5)


#: Without an artifact: there is nothing to be brought before a plan begins.
BARE = RECIPE.replace("  - {name: bring, upload: artifact}\n", "")
#: The next command hangs in the log-in shell, and its connection is well.
HANGS = """\
if rm hang 2>/dev/null; then
  touch hung
  n=0
  until [ -e thaw ] || [ $n = 1200 ]; do sleep .05; n=$((n + 1)); done
  touch thawed
fi
"""


@pytest.fixture
def bare_game(fleet: Fleet, line: Line, crew: Crew) -> Game:
    game = make_game(fleet, BARE)
    game.hosts.filter(name=fleet.hosts[0].name).update(address=line.address, port=line.port)
    crew.start()
    return game


def hang_at_launch(host: FleetHost) -> None:
    (host.home / ".bashrc").write_text(HANGS)
    failpoints.at("plan.committed", (host.home / "hang").touch)


def thaw(host: FleetHost, fleet: Fleet) -> None:
    (host.home / "thaw").touch()
    until(lambda: (host.home / "thawed").exists(), "what hung goes on")
    until(lambda: left_on(fleet) == [], "and has ended")


def links(job: Job) -> list[str]:
    return [(event.data or {})["to"] for event in Event.objects.filter(job=job, kind="link")]


@pytest.mark.parametrize(
    "point", ["claim.committed", "launch.opened", "launch.sent", "launch.answered", "log.read"]
)
def test_a_cut_at_any_point_of_a_launch_starts_nothing_twice(
    point: str, far_game: Game, fleet: Fleet, line: Line
) -> None:
    failpoints.at(point, line.cut)
    job = start(far_game, fleet.hosts[0])
    wait_for_end(job, "succeeded")
    assert line.met >= 2
    assert_world_ok(fleet, job)


@pytest.mark.parametrize("lost", ["up", "down"])
def test_a_launch_that_got_lost_on_its_way_or_whose_answer_did_is_sent_again(
    lost: str, far_game: Game, fleet: Fleet, line: Line, wary: None
) -> None:
    failpoints.at("launch.opened", lambda: line.swallow(lost))
    job = start(far_game, fleet.hosts[0])
    wait_for_end(job, "succeeded")
    assert links(job) == ["connected", "unreachable", "connected"]
    # The host learns of it by and by; until then it waits for the rest of the program.
    line.cut()
    assert_world_ok(fleet, job)


@pytest.mark.parametrize("direction", [("up", "down"), ("up",), ("down",)])
def test_a_half_open_link_is_noticed_and_followed_from_the_same_byte(
    direction: tuple[str, ...], far_game: Game, fleet: Fleet, line: Line, wary: None
) -> None:
    host = fleet.hosts[0]
    (host.home / "slow").touch()
    job = start(far_game, host)
    until(lambda: is_working(host), "it works")
    line.swallow(*direction)
    until(lambda: line.met >= 2, "it connects again", seconds=5)
    (host.home / "go").touch()
    wait_for_end(job, "succeeded")
    (away,) = Event.objects.filter(job=job, kind="link", data__to="unreachable")
    assert "no sign of life" in (away.data or {})["reason"]
    assert_world_ok(fleet, job)


@pytest.mark.parametrize(
    ("direction", "asked"),
    [
        (("up",), "touch asked"),
        (("down",), "touch asked"),
        (("up", "down"), "touch asked; exec >&- 2>&-"),
    ],
)
def test_a_link_that_dies_at_once_under_a_question_that_hangs_is_noticed(
    direction: tuple[str, ...], asked: str, fleet: Fleet, line: Line, crew: Crew, wary: None
) -> None:
    """Before the host was told that its answer takes long; also where nothing is left to answer
    with. The host is not blamed for it, and is asked again."""
    host = fleet.hosts[0]
    first = f"if [ ! -e asked ]; then {asked}; sleep 60; fi; "
    game = make_game(fleet, RECIPE.replace("current: ", f"current: {first}"))
    game.hosts.filter(name=host.name).update(address=line.address, port=line.port)
    crew.start()
    job = start(game, host)
    until(lambda: (host.home / "asked").exists(), "it is asked")
    line.swallow(*direction)
    wait_for_end(job, "succeeded", seconds=15)
    (away,) = Event.objects.filter(job=job, kind="link", data__to="unreachable")
    assert "no sign of life" in (away.data or {})["reason"]
    # Its sshd learns of it only now.
    line.cut()
    until(lambda: left_on(fleet) == [], "what hung has ended")
    assert_world_ok(fleet, job)


def test_a_half_close_costs_a_new_connection_at_most(
    far_game: Game, fleet: Fleet, line: Line, wary: None
) -> None:
    host = fleet.hosts[0]
    (host.home / "slow").touch()
    job = start(far_game, host)
    until(lambda: is_working(host), "it works")
    line.hang_up()
    (host.home / "go").touch()
    wait_for_end(job, "succeeded")
    assert_world_ok(fleet, job)


def test_cuts_in_the_middle_of_bytes_lose_and_double_none(
    fleet: Fleet, crew: Crew, line: Line
) -> None:
    host = fleet.hosts[0]
    game = make_game(fleet, CHATTY)
    game.hosts.filter(name=host.name).update(address=line.address, port=line.port)
    noise = random.Random(27)
    (host.home / "noise").write_bytes(noise.randbytes(150_000) + b"\x1en0 S 1" + noise.randbytes(9))
    line.longest_down = 61_003
    crew.start()
    job = start(game, host)
    wait_for_end(job, "succeeded")
    assert line.met >= 8
    assert_world_ok(fleet, job)


@pytest.mark.parametrize("order", ["cancel", "pause"])
def test_what_hangs_over_its_launch_is_ended_at_once_and_never_begins(
    order: str, bare_game: Game, fleet: Fleet
) -> None:
    """Its program lies on the host already, and would be run when the host wakes up."""
    host = fleet.hosts[0]
    hang_at_launch(host)
    job = start(bare_game, host)
    until(lambda: (host.home / "hung").exists(), "it hangs")
    run = job.host_runs.get()
    began = time.monotonic()
    if order == "cancel":
        orders.cancel(job, by=mira())
        wait_for_end(job, "cancelled")
    else:
        orders.pause(job, by=mira(), after=Pause.STEP)
        until(lambda: run.refresh_from_db() or run.state == "paused", "it stands still")
    assert time.monotonic() - began < 10
    assert set(run.attempts.values_list("state", flat=True)) == {"abandoned"}
    assert links(job) == ["connected"]
    thaw(host, fleet)
    assert not started(host)
    if order == "pause":
        orders.resume(job, by=mira())
        wait_for_end(job, "succeeded")
    assert_world_ok(fleet, job)


@pytest.mark.parametrize("silent", ["the launch alone", "the whole link"])
def test_of_a_launch_without_an_answer_what_may_have_begun_is_ended(
    silent: str, bare_game: Game, fleet: Fleet, line: Line, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It has begun, and nothing comes back of that; or nothing at all, of the cancel neither."""
    hasty = partial(ssh.connect, limits=ssh.Limits(channel=0.5))
    monkeypatch.setattr(contact.ssh, "connect", hasty)
    host = fleet.hosts[0]
    (host.home / "slow").touch()
    (host.home / "version").write_text("1.0\n")
    if silent == "the whole link":
        failpoints.at("launch.sent", lambda: line.swallow("down"))
    else:
        (host.home / ".bashrc").write_text("if rm mute 2>/dev/null; then exec >/dev/null; fi\n")
        failpoints.at("plan.committed", (host.home / "mute").touch)
    job = start(bare_game, host)
    until(lambda: is_working(host), "it works")
    run = job.host_runs.get()
    assert not run.attempts.exclude(state="new").exists()
    orders.cancel(job, by=mira())
    wait_for_end(job, "cancelled")
    run.refresh_from_db()
    assert run.state == "rolled_back"
    assert run.attempts.get(name="work", kind="do").reason == "step “work” was ended by a cancel"
    line.cut()
    assert_world_ok(fleet, job)


def test_a_host_that_says_nothing_to_a_launch_is_out_of_reach_and_asked_again(
    bare_game: Game, fleet: Fleet, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its connection is well: no timer of the link's would ever notice."""
    monkeypatch.setattr(following, "ANSWER_LIMIT", 2.0)
    host = fleet.hosts[0]
    hang_at_launch(host)
    job = start(bare_game, host)
    wait_for_end(job, "succeeded")
    assert links(job) == ["connected", "unreachable", "connected"]
    (away,) = Event.objects.filter(job=job, kind="link", data__to="unreachable")
    assert (away.data or {})["reason"] == "the host gave no answer within 2 s"
    thaw(host, fleet)
    assert_world_ok(fleet, job)


@pytest.mark.parametrize("order", ["cancel", "pause", "stop"])
def test_a_host_that_lets_nobody_in_is_not_waited_for(
    order: str, bare_game: Game, fleet: Fleet, crew: Crew
) -> None:
    """It takes the connection and falls silent: its limits are longer than anybody's patience."""
    with Stranger(lambda link: link.recv(1) and None) as silent:
        bare_game.hosts.update(address=silent.address, port=silent.port)
        job = start(bare_game, fleet.hosts[0])
        until(lambda: silent.met, "it is called")
        run = job.host_runs.get()
        # It is called while its claim is stored.
        until(lambda: run.refresh_from_db() or run.state == "running", "it is claimed")
        began = time.monotonic()
        if order == "cancel":
            orders.cancel(job, by=mira())
            wait_for_end(job, "cancelled")
        elif order == "pause":
            orders.pause(job, by=mira(), after=Pause.STEP)
            until(lambda: run.refresh_from_db() or run.state == "paused", "it stands still")
        else:
            until(lambda: run.refresh_from_db() or run.owner, "it is claimed")
            crew.stop()
            run.refresh_from_db()
            assert (run.state, run.owner) == ("running", "")
        assert time.monotonic() - began < 10
    assert links(job) == []


@pytest.mark.parametrize("order", ["stop", "cancel"])
def test_an_upload_that_stalls_is_cut_off_by_an_order(
    order: str, far_game: Game, fleet: Fleet, line: Line, crew: Crew
) -> None:
    """R05: a worker that stops, and a cancel, do not wait for it."""
    build = fleet.directory / "large"
    build.write_bytes(bytes(8_000_000))
    sha256, size = artifacts.add(build)
    far_game.releases.update(sha256=sha256, size=size)
    failpoints.at("upload.wanted", lambda: line.swallow("up"))
    job = start(far_game, fleet.hosts[0])
    run = job.host_runs.get()
    until(lambda: HostRun.objects.filter(pk=run.pk, activity="uploading").exists(), "it uploads")
    began = time.monotonic()
    if order == "cancel":
        orders.cancel(job, by=mira())
        wait_for_end(job, "cancelled")
    else:
        crew.stop()
        run.refresh_from_db()
        assert (run.state, run.owner) == ("running", "")
    # Nothing had begun: it would have begun with the last byte.
    assert set(run.attempts.values_list("state", flat=True)) == {"abandoned"}
    assert time.monotonic() - began < 10
    line.cut()


def test_noise_at_log_in_is_no_output(tmp_path: Path, transactional_db: None, crew: Crew) -> None:
    """A long banner before the log-in, and a shell that talks before it does anything."""
    # sshd itself breaks on more.
    (tmp_path / "banner").write_bytes(b"Authorized use only. \x1enabc H \n" * 8_000)
    with Fleet(tmp_path / "fleet", 1, config=f"Banner {tmp_path / 'banner'}\n") as noisy:
        game = make_game(noisy, RECIPE)
        noise = "echo \"welcome to $HOME\"; printf '\\036n0123 H launched 1\\n'; echo oops >&2\n"
        (noisy.hosts[0].home / ".bashrc").write_text(noise)
        crew.start()
        job = start(game)
        wait_for_end(job, "succeeded")
        assert_world_ok(noisy, job)


def test_one_channel_is_enough(tmp_path: Path, transactional_db: None, crew: Crew) -> None:
    with Fleet(tmp_path / "fleet", 2, config="MaxSessions 1\n") as narrow:
        game = make_game(narrow, RECIPE)
        crew.start()
        job = start(game)
        wait_for_end(job, "succeeded")
        assert_world_ok(narrow, job)


def test_a_host_that_takes_one_log_in_at_a_time_is_not_stormed(
    tmp_path: Path, transactional_db: None, crew: Crew
) -> None:
    """Six hosts behind one sshd that drops whoever comes while another logs in."""
    with Fleet(tmp_path / "fleet", 6, config="MaxStartups 1:100:1\n") as narrow:
        game = make_game(narrow, RECIPE)
        crew.start()
        job = start(game)
        wait_for_end(job, "succeeded", seconds=60)
        assert_world_ok(narrow, job)


@pytest.mark.slow
@pytest.mark.parametrize("point", ["launch.answered", "wish.sent", "undo.begun", "plan.through"])
def test_an_sshd_that_is_restarted_around_a_cancel_costs_new_connections(
    point: str, own_fleet: Fleet, crew: Crew, transactional_db: None
) -> None:
    host = own_fleet.hosts[0]
    game = make_game(own_fleet, RECIPE)
    (host.home / "slow").touch()
    (host.home / "version").write_text("1.0\n")

    def restart() -> None:
        own_fleet.stop(host.group)
        own_fleet.start(host.group)

    failpoints.at(point, restart)
    crew.start()
    job = start(game, host)
    until(lambda: is_working(host), "it works")
    orders.cancel(job, by=mira())
    wait_for_end(job, "cancelled")
    assert job.host_runs.get().state == "rolled_back"
    assert_world_ok(own_fleet, job)


@pytest.mark.slow
def test_a_log_in_that_talks_at_its_end_and_takes_its_time_is_borne(
    own_fleet: Fleet, crew: Crew, transactional_db: None
) -> None:
    login = own_fleet.directory / "login"
    late = 'sh -c "$command"\nstatus=$?\necho bye; echo bye >&2\nsleep 4\nexit $status'
    login.write_text(login.read_text().replace('exec sh -c "$command"', late))
    host = own_fleet.hosts[0]
    game = make_game(own_fleet, RECIPE)
    (host.home / "slow").touch()
    (host.home / "version").write_text("1.0\n")
    crew.start()
    job = start(game, host)
    until(lambda: is_working(host), "it works")
    orders.cancel(job, by=mira())
    wait_for_end(job, "cancelled", seconds=60)
    assert job.host_runs.get().state == "rolled_back"
    assert_world_ok(own_fleet, job)
