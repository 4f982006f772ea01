"""Everything at once, in an order that nobody chose: workers are killed, frozen and told to stop,
links are cut, silent and pulled out, servers go and come, what runs on hosts is killed or stands
still, and a person cancels, pauses, retries and answers in between.

A seed says what happens, and when; the machine says what that meets, so none comes twice.
"""

import contextlib
import itertools
import os
from collections.abc import Iterator
from dataclasses import replace

import pytest

from demo import openssh, processes
from demo.fleet import Fleet
from deploy_tasks import vault
from deploy_tasks.errors import OrderRefused
from deploy_tasks.models import Attempt, Credential, Event, Game, HostRun, Job
from deploy_tasks.states import HOST_ENDED
from tests import factories
from tests.dropbears import dropbears
from tests.faults.chaos import KINDS, RECIPE, Chaos, ended
from tests.faults.crew import Nursery
from tests.faults.island import island
from tests.faults.jobs import make_game, sweep
from tests.faults.line import Line
from tests.faults.world import assert_world_ok, started

pytestmark = [
    pytest.mark.ssh,
    pytest.mark.slow,
    pytest.mark.timeout(900),
    pytest.mark.django_db(transaction=True),
]

STORIES = 20
#: Others than the usual ones are told where ``CHAOS_FROM`` says so.
FIRST = int(os.environ.get("CHAOS_FROM", "0"))
#: Scripts that count and tell of themselves.
SCRIPTS = ("stage", "try", "stop", "work", "switch", "tidy")
#: What has to stand on a host that counts as updated.
NEEDED = {"bring", "stage", "stop", "work", "switch", "health"}


@pytest.fixture(scope="module")
def fleets(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Fleet]]:
    """OpenSSH; the same behind lines; dropbear and busybox; behind a link that can be pulled."""
    if not openssh.usable():
        pytest.skip("sshd is not installed (Debian package openssh-server)")
    place = tmp_path_factory.mktemp("chaos")
    with contextlib.ExitStack() as stack:
        own = Fleet(place / "own", 7, name="eu", own_host_keys=True)
        lined = Fleet(place / "lined", 3, name="us")
        found: list[Fleet] = [stack.enter_context(own), stack.enter_context(lined)]
        for make, count in ((dropbears, 4), (island, 3)):
            some = contextlib.contextmanager(make)(place / make.__name__, count)
            with contextlib.suppress(pytest.skip.Exception):
                fleet: Fleet = stack.enter_context(some)
                names = ((host, f"{make.__name__}-{host.name}") for host in fleet.hosts)
                fleet.hosts = [replace(host, name=name) for host, name in names]
                found.append(fleet)
        yield found


@pytest.fixture
def lines(fleets: list[Fleet]) -> Iterator[list[Line]]:
    with contextlib.ExitStack() as stack:
        yield [stack.enter_context(Line(host)) for host in fleets[1].hosts]


@pytest.fixture
def chaos(
    request: pytest.FixtureRequest,
    nursery: Nursery,
    fleets: list[Fleet],
    lines: list[Line],
    nobody: None,
    transactional_db: None,
) -> Iterator[Chaos]:
    chaos = Chaos(request.param, nursery, fleets, lines)
    text = RECIPE.replace("ON_FAILURE", chaos.dice.choice(["stop", "undo"]))
    chaos.begin(game_on(fleets, lines, text))
    yield chaos
    # Shown where the test has failed.
    print("\n".join(chaos.told))
    for run in chaos.job.host_runs.order_by("position"):
        print(run.name, run.state, run.link, run.wish, run.reason, run.error, run.fence, run.plan)
        if run.state not in HOST_ENDED:
            print("\n".join(chaos.found_on(run)))
    chaos.mend()
    nursery.end_all()
    processes.kill(pid for pid, _ in chaos.running())


def game_on(fleets: list[Fleet], lines: list[Line], text: str) -> Game:
    game = make_game(fleets[0], text)
    for number, fleet in enumerate(fleets[1:]):
        name = f"fleet-{number}"
        identity = vault.identity_of_credential(name)
        key_id, sealed = vault.seal(fleet.private_key.encode(), identity=identity)
        given = {"kind": "ssh_key", "sealed": sealed, "key_id": key_id}
        credential = Credential.objects.create(name=name, **given)
        credential.games.add(game)
        ways = lines if number == 0 else fleet.hosts
        for one, way in zip(fleet.hosts, ways, strict=True):
            sweep(one)
            place = {"address": way.address, "port": way.port, "user": fleet.user}
            host = factories.host(game, one.name, credential=credential, **place)
            host.keys.update(key=one.host_key)
    return game


@pytest.mark.parametrize("chaos", range(FIRST, FIRST + STORIES), indirect=True)
def test_whatever_happens_at_once_the_world_is_well_in_the_end(chaos: Chaos) -> None:
    some = chaos.dice.sample(KINDS, chaos.dice.randint(1, len(KINDS)))
    deeds = {name: weight for one in some for name, weight in one.items()}
    chaos.rage(deeds, seconds=chaos.dice.choice([5, 12, 25]))
    chaos.calm()
    judge(chaos)
    if chaos.job.state != "succeeded" and chaos.dice.random() < 0.5:
        with contextlib.suppress(OrderRefused):
            chaos.retry()
            chaos.rage(deeds, seconds=4)
            chaos.calm()
            judge(chaos)


class Everywhere:
    """Hosts of all fleets, as one."""

    def __init__(self, fleets: list[Fleet], mark: dict[str, str]) -> None:
        self.hosts, self.mark = [host for fleet in fleets for host in fleet.hosts], mark


def judge(chaos: Chaos) -> None:
    job = chaos.job
    names = {step.name for step in Attempt.objects.filter(host_run__job=job)}
    for fleet in chaos.fleets:
        world = Everywhere(chaos.fleets, fleet.mark)
        assert_world_ok(world, job, repeated=names, left_behind=["dropbear"])  # type: ignore[arg-type]
    for run in job.host_runs.all():
        _judge(run, chaos, job)
    assert chaos.wrong == []


def _judge(run: HostRun, chaos: Chaos, job: Job) -> None:
    host = chaos.hosts[run.name]
    overlaps = host.home / "overlaps"
    assert not overlaps.exists(), (run.name, overlaps.read_text())
    counted, to_their_ends = started(host), ended(host.home)
    scripts = list(run.attempts.filter(name__in=SCRIPTS).order_by("pk"))
    for one in scripts:
        if one.state == "succeeded" and not one.reason:
            assert one.uid in to_their_ends, (run.name, one.name, one.uid)
        if one.state == "failed" and one.started_at and "cancel" not in one.reason:
            assert one.uid not in to_their_ends, (run.name, one.name, one.uid, one.reason)
    for step in SCRIPTS:
        begun = [one for one in scripts if one.name == step and counted[one.uid]]
        for before, after in itertools.pairwise(begun):
            assert _may_follow(before, after, job), (run.name, step, before.state, after.uid)
    if run.state == "succeeded":
        assert (host.home / "version").read_text() == "2.0\n", run.name
        done = run.attempts.filter(kind="do", state__in=["succeeded", "skipped"])
        assert set(done.values_list("name", flat=True)) >= NEEDED, run.name


def _may_follow(before: Attempt, after: Attempt, job: Job) -> bool:
    """Whether a script was right to begin after one of the same step that had begun."""
    if before.kind != after.kind or before.state == "failed" or before.name == "tidy":
        return True
    said = Event.objects.filter(job=job, kind="order")
    told = said.filter(data__what="retry") | said.filter(data__answer="it_did_not_run")
    return before.state == "lost" and (before.name == "stage" or told.exists())
