"""Steps that print anything, keep silent, or outlive their limit."""

import os
import signal

import pytest

from demo.fleet import Fleet, FleetHost
from demo.processes import gone
from deploy_tasks import frames
from deploy_tasks.models import Event, Game
from deploy_tasks.runner import story
from tests.faults.crew import Crew
from tests.faults.host.slow import make_slow, slots, start_and_wait
from tests.faults.jobs import RECIPE, make_game, start, wait_for_end
from tests.faults.world import COUNT, assert_world_ok
from tests.waiting import until

pytestmark = [pytest.mark.ssh, pytest.mark.django_db(transaction=True)]


STRANGE = {
    "a line of 3 MB": b"x" * 3_000_000,
    "NUL and invalid UTF-8": b"\x00\xff\xfe\xc3(\xed\xa0\x80" * 5_000,
    "progress bars": b"".join(b"\r%3d %%" % n for n in range(100)) * 300,
    "UTF-16": "größer ⚙ 大".encode("utf-16") * 3_000,
    "cut characters": "大".encode() * 4_000 + "大".encode()[:2],
    "what records begin with": b"\x1e" * 9_000 + b"\x1en",
    "escapes": b"\x1b]0;owned\x07\x1b[2J" * 2_000,
}


def test_any_bytes_are_stored_as_they_came(fleet: Fleet, host: FleetHost, crew: Crew) -> None:
    steps = [f"  - {{name: s{n}, run: 'cat {n}.bin'}}\n" for n in range(len(STRANGE))]
    game = make_game(fleet, "recipe: faults\nsteps:\n" + "".join(steps))
    for n, data in enumerate(STRANGE.values()):
        (host.home / f"{n}.bin").write_bytes(data)
    crew.start()
    job = start(game, host)
    wait_for_end(job, "succeeded")
    for n, (what, data) in enumerate(STRANGE.items()):
        events = Event.objects.filter(attempt__name=f"s{n}", kind="output").order_by("seq")
        assert b"".join(bytes(event.output or b"") for event in events) == data, what
    assert not job.host_runs.get().warned
    assert_world_ok(fleet, job)


def test_a_daemon_that_keeps_the_output_open_holds_up_nothing(
    fleet: Fleet, host: FleetHost, crew: Crew
) -> None:
    """R47; it talks on, and that is nobody's output."""
    text = f"""\
recipe: faults
steps:
  - name: start
    run: |
      {COUNT}
      setsid sh -c 'echo $$ >daemon; while :; do echo noise; sleep .02; done' &
      until [ -s daemon ]; do :; done
  - {{name: look, run: sleep .3}}
"""
    game = make_game(fleet, text)
    crew.start()
    job = start(game, host)
    wait_for_end(job, "succeeded")
    os.kill(int((host.home / "daemon").read_text()), signal.SIGKILL)
    # The daemon's lines in the time of "look" are in its region, and so they are stored.
    assert_world_ok(fleet, job)


def test_a_silent_step_is_left_in_peace(
    game: Game, host: FleetHost, fleet: Fleet, monkeypatch: pytest.MonkeyPatch
) -> None:
    """R48: its runner is asked for again and again."""
    heard: list[str] = []
    answers = frames.answers

    def listen(nonce: str, text: bytes) -> list[frames.RunnerReport | frames.HostSum]:
        found = answers(nonce, text)
        heard.extend(one.word for one in found if isinstance(one, frames.RunnerReport))
        return found

    monkeypatch.setattr(frames, "answers", listen)
    run = start_and_wait(game, host)
    until(lambda: len(heard) >= 3, "it is asked for")
    (host.home / "go").touch()
    wait_for_end(run.job, "succeeded")
    assert set(heard) == {"alive"}
    assert_world_ok(fleet, run.job)


def test_a_step_ends_at_its_limit_while_nobody_looks(
    own_fleet: Fleet, crew: Crew, transactional_db: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """R49."""
    monkeypatch.setattr(story, "LONGEST_NAP", 0.1)
    host = own_fleet.hosts[0]
    text = RECIPE.replace("  - name: work\n", "  - name: work\n    timeout: 2s\n")
    crew.start()
    run = start_and_wait(make_slow(own_fleet, host, text), host)
    own_fleet.stop(host.group)
    script = int((slots(run, host).parent / "now").read_text().split()[1])
    until(lambda: gone(script), "it is ended")
    own_fleet.start(host.group)
    wait_for_end(run.job, "failed")
    run.refresh_from_db()
    assert run.error == "step “work” ran into its time limit"
    assert_world_ok(own_fleet, run.job)
