"""Games on a fleet, and jobs for them, made in one line each."""

import contextlib
import shutil
from collections.abc import Sequence
from typing import Any

from django.contrib.auth.models import User

from demo.fleet import Fleet, FleetHost
from deploy_tasks import artifacts, orders, vault
from deploy_tasks.models import Credential, Event, Game, Job
from deploy_tasks.orders import JobOrder
from deploy_tasks.states import JOB_ENDED
from tests import factories
from tests.faults.world import COUNT
from tests.waiting import until

#: One of every kind of step. ``slow`` in a home holds ``work`` until there is ``go``.
RECIPE = f"""\
recipe: faults
current: cat version 2>/dev/null || true
steps:
  - {{name: bring, upload: artifact}}
  - name: stop
    disruptive: true
    run: |
      {COUNT}
      echo stopping
    undo: |
      {COUNT}
      echo back up
  - name: work
    run: |
      {COUNT}
      head -c 3000 /dev/zero; printf 'no newline \\036\\377\\n'
      touch working
      while [ -e slow ] && [ ! -e go ]; do sleep .02; done
      if [ -e broken ]; then exit 2; fi
      seq 1 500
    undo: |
      {COUNT}
      echo undone
  - name: start
    run: |
      {COUNT}
      echo "$version" >version
  - name: tidy
    always: true
    run: |
      {COUNT}
      echo tidy
"""


def make_game(
    fleet: Fleet, text: str, hosts: Sequence[FleetHost] | None = None, **release: object
) -> Game:
    """A game on these hosts, which are swept clean, with release 2.0 to go to; its artifact has
    256 KiB unless ``release`` says otherwise."""
    vault.ensure_keys()
    game = factories.game(text=text)
    factories.release(game, **(release or build(fleet)))
    identity = vault.identity_of_credential("fleet")
    key_id, sealed = vault.seal(fleet.private_key.encode(), identity=identity)
    credential = Credential.objects.create(
        name="fleet", kind="ssh_key", sealed=sealed, key_id=key_id
    )
    for one in fleet.hosts if hosts is None else hosts:
        sweep(one)
        host = factories.host(
            game,
            one.name,
            address=one.address,
            port=one.port,
            user=fleet.user,
            credential=credential,
        )
        host.keys.update(key=one.host_key)
    return game


def build(fleet: Fleet) -> dict[str, object]:
    """What a release tells of it."""
    file = fleet.directory / "build"
    if not file.exists():
        file.write_bytes(bytes(range(256)) * 1024)
    sha256, size = artifacts.add(file)
    return {"sha256": sha256, "size": size}


def sweep(host: FleetHost) -> None:
    for path in host.home.iterdir():
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink()


def order(game: Game, *hosts: FleetHost, **more: Any) -> dict[str, Any]:
    named = [host.name for host in hosts] or more.pop("hosts", [])
    chosen = {"hosts": named} if named else {"all": True}
    return {"game": game.name, "version": "2.0", **chosen, **more}


def start(game: Game, *hosts: FleetHost, **more: Any) -> Job:
    """Of these hosts, or of all."""
    given = JobOrder.model_validate(order(game, *hosts, **more))
    return orders.start_job(given, by=mira())[0]


def mira() -> User:
    return User.objects.filter(username="mira").first() or factories.user()


def wait_for_end(job: Job, state: str, *, seconds: float = 30) -> None:
    def is_over() -> bool:
        job.refresh_from_db()
        return job.state in (state, *JOB_ENDED)

    with contextlib.suppress(AssertionError):
        until(is_over, "the job ends", seconds=seconds)
    told = list(job.host_runs.values("name", "state", "reason", "error", "link"))
    last = Event.objects.filter(job=job).order_by("-seq").values("kind", "data")[:5]
    assert job.state == state, (job.reason, told, list(last))


def is_working(*hosts: FleetHost) -> bool:
    return all((host.home / "working").exists() for host in hosts)
