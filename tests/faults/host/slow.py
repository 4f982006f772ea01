"""A slow step on a host, and what may befall it there."""

import os
import signal
from pathlib import Path

from demo.fleet import Fleet, FleetHost
from demo.processes import gone
from deploy_tasks.models import Game, HostRun
from tests.faults.jobs import RECIPE, is_working, make_game, start
from tests.waiting import until


def make_slow(fleet: Fleet, host: FleetHost, text: str) -> Game:
    game = make_game(fleet, text)
    (host.home / "slow").touch()
    return game


def with_repeat(rule: str) -> str:
    """The recipe, with a rule for ``work``."""
    return RECIPE.replace("  - name: work\n", f"  - name: work\n    repeat: {rule}\n")


def start_and_wait(game: Game, host: FleetHost) -> HostRun:
    job = start(game, host)
    until(lambda: is_working(host), "it works")
    return job.host_runs.get()


def slots(run: HostRun, host: FleetHost) -> Path:
    return host.home / ".patchwave/runs" / run.plan / "st"


def followers(run: HostRun, host: FleetHost) -> tuple[int, int]:
    """The shell that answers for its plan, and what it has reading the log."""
    run.refresh_from_db()
    shell, _, reads = (slots(run, host).parent / "follower").read_text().split()
    return int(shell), int(reads)


def kept(run: HostRun, host: FleetHost) -> tuple[int, int]:
    """The runner, and the script that runs."""
    run.refresh_from_db()
    plan = slots(run, host).parent
    runner, script = ((plan / name).read_text().split()[1] for name in ("st", "now"))
    return int(runner), int(script)


def kill_runner(run: HostRun, host: FleetHost, *, and_script: bool = True) -> None:
    """As the kernel does it when memory runs out."""
    victims = kept(run, host)[: 2 if and_script else 1]
    # Between two steps there is no script, and to kill 0 is to kill all the tests.
    assert 0 not in victims
    for pid in victims:
        os.kill(pid, signal.SIGKILL)
    until(lambda: all(gone(pid) for pid in victims), "they are gone")


def reboot(run: HostRun, host: FleetHost, fleet: Fleet) -> None:
    kill_runner(run, host)
    boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    st = slots(run, host)
    st.write_text(st.read_text().replace(boot, "0" * len(boot)))
    fleet.cut(host.group)


def wait_until_unknown(run: HostRun) -> None:
    def is_unknown() -> bool:
        run.refresh_from_db()
        return run.state == "unknown"

    until(is_unknown, "nobody can know")
    assert run.holds_host
