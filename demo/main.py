"""Raises the fleet, starts Patchwave, updates the fleet, and says what is to be seen and done."""

import argparse
import contextlib
import signal
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NoReturn

from demo.fleet import Fleet
from demo.instance import Instance
from demo.progress import Progress
from demo.world import GAME, NEW, OLD, World
from webapp.cli.client import Client
from webapp.cli.statuses import NotReachable, Refused, Status
from webapp.cli.story import Story
from webapp.words import _

MOST_HOSTS = 1000
ROLLOUT = {"canary": 1, "batches": ["25%", "100%"], "parallel": 64}
ANSWER_WITHIN = 30.0
LOOK_EVERY = 1.0
STOPS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def main() -> int:
    for number in STOPS:
        signal.signal(number, _stop)
    given = _arguments()
    try:
        return _demonstrate(given)
    except KeyboardInterrupt:
        print("\n" + _("Stopped; nothing of it runs any more."), flush=True)
        return Status.INTERRUPTED if given.once else Status.WELL
    except (Refused, NotReachable) as trouble:
        raise SystemExit(str(trouble)) from None


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="bin/demo",
        description=_("Patchwave with a fleet of its own, updated before your eyes."),
    )
    parser.add_argument("--port", type=int, default=8000, help=_("default: %(default)s"))
    parser.add_argument("--hosts", type=int, default=24, help=_("default: %(default)s"))
    parser.add_argument(
        "--once",
        action="store_true",
        help=_("retry the host that fails, and end with status 0 if all are updated then"),
    )
    given = parser.parse_args()
    if not 1 <= given.port <= 65535:
        parser.error(_("--port: give a number from 1 to 65535"))
    if not 2 <= given.hosts <= MOST_HOSTS:
        parser.error(_("--hosts: give a number from 2 to %s") % MOST_HOSTS)
    return given


def _stop(*_signal: object) -> NoReturn:
    _ignore_stops()
    raise KeyboardInterrupt


def _ignore_stops() -> None:
    """What is being stopped is stopped to its end."""
    for number in STOPS:
        signal.signal(number, signal.SIG_IGN)


def _demonstrate(given: argparse.Namespace) -> int:
    with contextlib.ExitStack() as stack:
        instance = stack.enter_context(Instance(given.port))
        _say(_("Making %s hosts, each with a game server of its own ...") % given.hosts)
        fleet = stack.enter_context(Fleet(instance.home / "fleet", given.hosts, name="eu"))
        stack.callback(_ignore_stops)
        world = World(fleet)
        inventory = world.write_inventory()
        with ThreadPoolExecutor(1) as beside:
            games = beside.submit(world.start_games)
            instance.fill(inventory)
            games.result()
        _wait_for(world)
        _say(_("Starting Patchwave ..."))
        instance.start()
        client = stack.enter_context(Client(instance.address, instance.token))
        show = Show(instance, world, client)
        show.begin()
        show.follow()
        show.explain()
        if given.once:
            client.post(f"/jobs/{show.job}/retry")
            show.follow()
            return show.judge()
        return show.stay()


class Show:
    """The update, from the order to its end."""

    def __init__(self, instance: Instance, world: World, client: Client) -> None:
        self._instance, self._world, self._client = instance, world, client
        self._progress = Progress(len(world.hosts), NEW)
        self._seq = 0
        self._locked = ""
        self.job = 0

    def begin(self) -> None:
        order = {"game": GAME, "version": NEW, "all": True, "rollout": ROLLOUT}
        batches = self._client.post("/jobs/plan", order).json()["batches"]
        # Not the canary, which would halt the job, and late enough to be waited for.
        last = batches[-1]["hosts"]
        self._locked = last[len(last) // 2]
        self._world.lock(self._locked)
        self.job = self._client.post("/jobs", order).json()["id"]
        self._tell_where()
        sizes = ", ".join(str(batch["size"]) for batch in batches)
        _say(
            _("Updating %(game)s from %(old)s to %(new)s, in batches of %(sizes)s hosts:")
            % {"game": GAME, "old": OLD, "new": NEW, "sizes": sizes}
        )

    def follow(self) -> None:
        """Until the job stands still."""
        story = Story(self._client, self.job, after=self._seq)
        for item in story.items():
            self._progress.take(item)
        self._progress.rest()
        self._seq = story.seq

    def explain(self) -> None:
        """Why a host has failed, that its cause is gone, and how to retry it."""
        self._world.unlock(self._locked)
        words = {
            "host": self._locked,
            "page": self._page,
            "command": self._instance.command("retry", str(self.job)),
        }
        _say(
            "",
            _("%(host)s failed because this demo wanted it to: a “nightly backup” held its world")
            % words,
            _("when the new version was to start. The backup is over now, so retry the host:"),
            _("  in the browser   press “Retry 1 failed” on %(page)s") % words,
            _("  or here          %(command)s") % words,
            "",
        )

    def judge(self) -> int:
        """Only the game servers themselves can say that all went well."""
        wrong = self._world.not_at(NEW)
        for name, answer in wrong.items():
            _say(
                _("%(host)s does not answer with %(version)s: %(answer)s")
                % {"host": name, "version": NEW, "answer": answer or _("no answer")}
            )
        if wrong or self._report()["state"] != "succeeded":
            return Status.NOT_WELL
        _say(
            _("All %(n)s game servers tell players that they run %(version)s.")
            % {"n": len(self._world.hosts), "version": NEW}
        )
        return Status.WELL

    def stay(self) -> NoReturn:
        """Follow what people do with the job, until Ctrl-C."""
        _say(_("Ctrl-C stops everything."))
        while True:
            self._instance.check()
            report = self._report()
            if report["last_seq"] > self._seq:
                self.follow()
                self.judge()
            time.sleep(LOOK_EVERY)

    def _report(self) -> dict[str, Any]:
        report: dict[str, Any] = self._client.get(f"/jobs/{self.job}").json()
        return report

    @property
    def _page(self) -> str:
        return f"{self._instance.address}/jobs/{self.job}/"

    def _tell_where(self) -> None:
        hosts = list(self._world.hosts.values())
        words = {
            "page": self._page,
            "user": self._instance.user,
            "password": self._instance.password,
            "n": len(hosts),
            "first": hosts[0].address,
            "last": hosts[-1].address,
            "ssh": hosts[0].port,
            "game": self._world.port,
            "old": OLD,
        }
        _say(
            "",
            _("  Look here   %(page)s") % words,
            _("  Log in as   %(user)s   password   %(password)s   (made for this demo)") % words,
            _("  The fleet   %(n)s hosts, %(first)s to %(last)s, SSH on port %(ssh)s;") % words,
            _("              on port %(game)s of each a game server, version %(old)s") % words,
            _("  Click first on a host in the list: its output appears while it is written."),
            "",
        )


def _wait_for(world: World) -> None:
    deadline = time.monotonic() + ANSWER_WITHIN
    while wrong := world.not_at(OLD):
        if time.monotonic() > deadline:
            raise SystemExit(_("These game servers do not start: %s") % ", ".join(wrong))
        time.sleep(0.1)


def _say(*lines: str) -> None:
    print(*lines, sep="\n", file=sys.stdout, flush=True)
