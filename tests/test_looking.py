"""A look at a host outside of any job: on real hosts, and on such as are not well."""

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.utils import timezone
from pytest_django import Settings

from deploy_tasks import bells, hosts, looking, ssh, vault
from deploy_tasks.models import Credential, Game, Host, HostCheck, HostKey
from tests import factories
from tests.fleet_fixtures import Fleet
from tests.ssh_keys import host_key

pytestmark = pytest.mark.django_db

RECIPE = factories.RECIPE.replace("current:", "vars:\n  root: {type: path}\ncurrent:")

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


def look(host: Host) -> dict[str, tuple[str, str]]:
    """part -> result and words."""
    looking.look_at(host)
    check = HostCheck.objects.get(host=host)
    assert check.ended_at
    return {one["part"]: (one["result"], one["says"]) for one in check.items}


@pytest.mark.ssh
class TestRealHosts:
    def test_a_host_that_is_well_is_well_in_all_parts(self, add: Add, fleet: Fleet) -> None:
        host = add(vars={"root": str(fleet.hosts[0].home)})
        told = look(host)
        assert [(part, result) for part, (result, _says) in told.items()] == [
            (part, "ok") for part in HostCheck.Part.values
        ]
        assert told["login"][1] == f"as {fleet.user} with fleet"
        assert f"free in {fleet.hosts[0].home}" in told["disk"][1]
        assert told["clock"][1] == "right to the second"

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
        found = looking._Found.read(self.BUSYBOX)
        assert found.missing == ["sha256sum"]
        assert found.time == 1_700_000_000
        assert found.free == {"/root": 600_000 * 1024, "/data": 100 * 1024}

    def test_an_empty_answer_is_no_number(self) -> None:
        found = looking._Found.read("time\ndisk /root\ndf: /root: Permission denied\n")
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

    def test_nobody_waits_for_a_worker_for_ever(self, squid: Game) -> None:
        old = timezone.now() - timedelta(minutes=5)
        check = HostCheck.objects.create(host=factories.host(squid), asked_at=old)
        assert not check.is_pending
