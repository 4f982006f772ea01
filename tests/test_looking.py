"""A look at a host outside of any job: on real hosts, and on such as are not well."""

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.utils import timezone
from pytest_django import Settings

from deploy_tasks import bells, hosts, looking, reconciling, ssh, tasks, vault
from deploy_tasks.looking.found import Found
from deploy_tasks.models import (
    Credential,
    Game,
    Host,
    HostCheck,
    HostKey,
    RecipeRevision,
    Sighting,
)
from tests import factories
from tests.fleet_fixtures import Fleet
from tests.ssh_keys import host_key

pytestmark = pytest.mark.django_db

RECIPE = """\
recipe: steps
vars:
  root: {type: path}
  said: {type: string, default: players 3}
  port: {type: port, default: 1}
current: cat version 2>/dev/null || true
query:
  run: echo version 1.0; echo "$said"
steps:
  - name: start
    run: echo "$version" >version
"""

Add = Callable[..., Host]


@pytest.fixture(autouse=True)
def home(settings: Settings, tmp_path: Path) -> None:
    settings.HOME = tmp_path
    settings.PRIVATE_KEYS = tmp_path / "keys" / "seal"
    vault.ensure_keys()


@pytest.fixture
def squid() -> Game:
    return factories.game("squid", text=RECIPE)


@pytest.fixture
def add(fleet: Fleet, squid: Game) -> Add:
    """A host of the fleet as a row; its key is pinned."""
    sealed = vault.seal(fleet.private_key.encode(), identity="credential:fleet")
    Credential.objects.create(
        name="fleet", kind="ssh_key", key_id=sealed[0], sealed=sealed[1], digest=""
    )

    def add(n: int = 0, *, pinned: str | None = None, **more: Any) -> Host:
        far = fleet.hosts[n]
        given = {"address": far.address, "port": far.port, "user": fleet.user}
        host = factories.host(squid, far.name, pinned=False, **(given | more))
        key = far.host_key if pinned is None else pinned
        if key:
            HostKey.objects.create(
                host=host, key=key, fingerprint=ssh.fingerprint(key), approved_at=timezone.now()
            )
        return host

    return add


def _recipe(game: Game, text: str) -> None:
    RecipeRevision.objects.create(recipe=game.recipe, number=2, text=text, sha256="2" * 64)


def look(host: Host) -> dict[str, tuple[str, str]]:
    """part -> result and words."""
    looking.look_at(host)
    check = HostCheck.objects.get(host=host)
    assert check.ended_at
    return {one["part"]: (one["result"], one["says"]) for one in check.items}


@pytest.mark.ssh
class TestRealHosts:
    def test_a_host_that_is_well_is_well_in_all_parts(self, add: Add, fleet: Fleet) -> None:
        # An update in another test may have left it.
        (fleet.hosts[0].home / "version").unlink(missing_ok=True)
        host = add(vars={"root": str(fleet.hosts[0].home)})
        told = look(host)
        assert [(part, result) for part, (result, _says) in told.items()] == [
            (part, "ok") for part in HostCheck.Part.values
        ]
        assert told["login"][1] == f"as {fleet.user} with fleet"
        assert f"free in {fleet.hosts[0].home}" in told["disk"][1]
        assert told["clock"][1] == "right to the second"
        assert told["vars"][1] == "complete for recipe steps"
        assert told["version"][1] == "nothing yet"
        assert told["game"][1] == "1.0, 3 players"

    def test_what_the_host_says_of_itself_is_kept(self, add: Add, fleet: Fleet) -> None:
        (fleet.hosts[0].home / "version").write_text("1.0\n")
        host = add(vars={"said": "nothing of players"})
        told = look(host)
        (fleet.hosts[0].home / "version").unlink()
        assert (told["version"], told["game"]) == (("ok", "1.0"), ("ok", "1.0, players unknown"))
        seen = Sighting.objects.get(host=host)
        assert (seen.on_disk, seen.running, seen.players) == ("1.0", "1.0", None)

    def test_another_version_than_the_last_job_left_is_worth_a_look(
        self, add: Add, squid: Game
    ) -> None:
        host = add()
        factories.release(squid, "1.0")
        job = factories.job(squid)
        job.release = factories.release(squid, "2.0")
        job.save()
        job.host_runs.create(host=host, state="succeeded", holds_host=False, version="2.0")
        told = look(host)
        assert told["version"] == ("warning", "nothing, but the last job left 2.0 there")
        assert told["game"] == ("warning", "1.0, 3 players")

    def test_a_game_that_does_not_answer_is_a_warning_and_not_empty(
        self, add: Add, squid: Game
    ) -> None:
        _recipe(squid, RECIPE.replace('run: echo version 1.0; echo "$said"', "minecraft: port"))
        host = add()
        result, says = look(host)["game"]
        assert result == "warning"
        assert "does not answer on port 1" in says
        assert Sighting.objects.get(host=host).players is None

    def test_sudo_that_is_declared_and_not_allowed_is_a_problem(
        self, add: Add, squid: Game
    ) -> None:
        _recipe(squid, RECIPE + "sudo: [/opt/nothing-of-ours stop]\n")
        result, says = look(add())["sudo"]
        assert result == "problem"
        assert "sudo does not allow “/opt/nothing-of-ours stop”" in says

    def test_variables_that_do_not_fit_leave_out_what_needs_them(self, add: Add) -> None:
        told = look(add(vars={"root": "not absolute"}))
        assert told["vars"][0] == "problem"
        assert told["version"] == ("skipped", "")
        assert told["game"] == ("skipped", "")

    def test_without_an_approved_key_its_keys_are_noted_and_no_log_in_is_tried(
        self, add: Add, fleet: Fleet
    ) -> None:
        host = add(pinned="")
        told = look(host)
        assert told["reachable"][0] == "ok"
        assert told["key"][0] == "problem"
        assert told["login"] == ("skipped", "")
        offered = host.keys.get(approved_at=None)
        assert offered.key == fleet.hosts[0].host_key

    def test_a_key_that_was_changed_is_said_before_any_log_in(self, add: Add) -> None:
        told = look(add(pinned=host_key(1)))
        assert "another key than the approved one" in told["key"][1]
        assert told["login"][0] == "skipped"

    def test_a_refused_log_in_is_a_problem_of_the_log_in(self, add: Add) -> None:
        told = look(add(user="nobody-like-that"))
        assert told["login"][0] == "problem"
        assert "authentication refused" in told["login"][1]
        assert told["shell"][0] == "skipped"

    def test_a_host_that_is_not_there_is_not_reachable(self, add: Add) -> None:
        told = look(add(port=1))
        assert told["reachable"][0] == "problem"
        assert {result for result, _says in list(told.values())[1:]} == {"skipped"}

    def test_a_full_disk_is_told_and_the_clock_all_the_same(self, add: Add, squid: Game) -> None:
        factories.release(squid, size=10**15, sha256="0" * 64)
        told = look(add())
        assert told["disk"][0] == "problem"
        assert "a release needs about" in told["disk"][1]
        assert told["clock"][0] == "ok"

    def test_a_secret_that_this_worker_cannot_open_is_said(self, add: Add) -> None:
        host = add()
        Credential.objects.update(key_id="gone")
        assert "is not on this worker" in look(host)["reachable"][1]


class TestFound:
    BUSYBOX = """\
missing sha256sum
time 1700000000
disk /root
Filesystem           1024-blocks    Used Available Capacity Mounted on
//nas/share name       1000000   400000    600000  40% /mnt/a b
disk /srv/game
Filesystem           1024-blocks    Used Available Capacity Mounted on
//nas/share name       1000000   400000    600000  40% /mnt/a b
disk /data
Filesystem           1024-blocks    Used Available Capacity Mounted on
tmpfs                        100       0       100   0% /data
"""

    def test_what_a_host_prints_is_read(self) -> None:
        found = Found.read(self.BUSYBOX)
        assert found.missing == ["sha256sum"]
        assert found.time == 1_700_000_000
        assert found.free == {"/root": 600_000 * 1024, "/data": 100 * 1024}

    def test_an_empty_answer_is_no_number(self) -> None:
        found = Found.read("time\ndisk /root\ndf: /root: Permission denied\n")
        assert (found.time, found.free) == (None, {})


class TestAsking:
    def test_a_test_is_asked_for_and_rung(
        self,
        squid: Game,
        monkeypatch: pytest.MonkeyPatch,
        django_capture_on_commit_callbacks: Any,
    ) -> None:
        rung: list[int] = []
        monkeypatch.setattr(bells, "ring_looks", rung.extend)
        both = [factories.host(squid) for _ in range(2)]
        with django_capture_on_commit_callbacks(execute=True):
            assert hosts.test(Host.objects.all()) == 2
        assert rung == [host.pk for host in both]
        assert all(check.is_pending for check in HostCheck.objects.all())

    def test_a_second_one_forgets_what_the_first_found(self, squid: Game) -> None:
        host = factories.host(squid)
        old = timezone.now() - timedelta(days=1)
        items = [{"part": "reachable", "result": "ok", "says": "x"}]
        HostCheck.objects.create(host=host, asked_at=old, ended_at=old, items=items)
        hosts.test(Host.objects.all())
        check = HostCheck.objects.get()
        assert (check.is_pending, check.items, check.ended_at) == (True, [], None)

    def test_hosts_that_nobody_has_looked_at_for_a_day_are_looked_at(
        self, squid: Game, settings: Settings
    ) -> None:
        never, old, young, strange = (
            factories.host(squid, name, pinned=name != "strange")
            for name in ("never", "old", "young", "strange")
        )
        busy = factories.job(squid, hosts=1).host_runs.get().host
        now = timezone.now()
        for host, hours in ((old, 25), (young, 1)):
            at = now - timedelta(hours=hours)
            HostCheck.objects.create(host=host, asked_at=at, ended_at=at)
        settings.LOOK_EVERY_HOURS = 0
        assert hosts.look_around() == 0
        settings.LOOK_EVERY_HOURS = 24
        assert hosts.look_around() == 2
        pending = HostCheck.objects.filter(ended_at=None).values_list("host", flat=True)
        assert set(pending) == {never.pk, old.pk}
        assert busy
        assert not HostCheck.objects.filter(host__in=[strange, busy]).exists()

    def test_nobody_waits_for_a_worker_for_ever(self, squid: Game) -> None:
        old = timezone.now() - timedelta(minutes=5)
        check = HostCheck.objects.create(host=factories.host(squid), asked_at=old)
        assert not check.is_pending


class TestALostBell:
    @pytest.fixture
    def rung(self, monkeypatch: pytest.MonkeyPatch) -> list[int]:
        rung: list[int] = []
        monkeypatch.setattr(bells, "ring_looks", rung.extend)
        return rung

    @pytest.fixture
    def asked(self, squid: Game) -> HostCheck:
        """For a look, half a minute ago."""
        then = timezone.now() - timedelta(seconds=30)
        return HostCheck.objects.create(host=factories.host(squid), asked_at=then, rung_at=then)

    def test_is_rung_again_once(self, asked: HostCheck, rung: list[int]) -> None:
        reconciling.reconcile()
        reconciling.reconcile()
        assert rung == [asked.host_id]

    def test_is_not_rung_again_at_once(self, asked: HostCheck, rung: list[int]) -> None:
        HostCheck.objects.update(rung_at=timezone.now())
        reconciling.reconcile()
        assert rung == []

    def test_is_given_up_when_nobody_waits_any_more(
        self, asked: HostCheck, rung: list[int]
    ) -> None:
        HostCheck.objects.update(asked_at=timezone.now() - timedelta(minutes=4))
        reconciling.reconcile()
        assert rung == []

    def test_that_comes_after_all_looks_once(
        self, asked: HostCheck, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        looks: list[Host] = []
        monkeypatch.setattr(looking, "look_at", looks.append)
        tasks.look_at_host(asked.host_id)
        tasks.look_at_host(asked.host_id)
        assert looks == [asked.host]
